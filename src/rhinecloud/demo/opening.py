"""The demo's opening event: its polls, as the forms of their pages have them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rhinecloud.demo.audience import GROUPS

TITLE: Final = "Auftakt zum digitalen Masterplan"
LEAD: Final = "Sechs Themengruppen arbeiten am Masterplan. Wählen Sie, wo Sie dabei sein möchten."
WORD: Final = "Rheinorange"  # what the hall calls out before places are drawn
GUESTS: Final = 20  # codes for who watches the demo
_FULL: Final = 150  # people for whom places are meant
# Places, and of these reserved ones by kinds of organisations; groups that are not named have room for everybody.
_PLACES: Final[Mapping[str, tuple[int, Mapping[str, int]]]] = {
    "Wirtschaft": (24, {"science": 3}),
    "Verwaltung": (18, {}),
    "Wohnen": (22, {"club": 8}),
    "Mobilität": (20, {"association": 4}),
}


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll: which ready-made one it begins with, and the fields of its form."""

    template: str
    fields: Mapping[str, str]

    @property
    def title(self) -> str:
        """Its question."""
        return self.fields["title"]


def polls(people: int) -> tuple[Poll, ...]:
    """The polls in their order: the theme groups first. Places are few for so many people."""
    return (
        Poll(
            "groups",
            {
                "title": "In welcher Themengruppe möchten Sie mitarbeiten?",
                "explanation": "Bis zu drei Wünsche. Wo Plätze knapp sind, entscheidet das Los.",
                "wishes": "3",
                "by": "lot",
                "solver": "on",
                "results": "live",
                **_options(people),
            },
        ),
        Poll(
            "words",
            {
                "title": "Was soll Duisburg in zehn Jahren sein?",
                "most": "3",
                "secret": "no",
                "results": "live",
            },
        ),
        Poll(
            "scale",
            {
                "title": "Wie zuversichtlich sind Sie, dass der Masterplan gelingt?",
                "steps": "5",
                "low": "gar nicht",
                "high": "sehr",
                "secret": "yes",
                "results": "live",
            },
        ),
    )


def _options(people: int) -> dict[str, str]:
    found = {}
    for place, group in enumerate(GROUPS):
        found[f"option-{place}-title"] = group
        if group in _PLACES:
            capacity, reserved = _PLACES[group]
            found[f"option-{place}-capacity"] = str(max(1, _for(people, capacity)))
            found |= {f"option-{place}-{kind}": str(_for(people, some)) for kind, some in reserved.items()}
    return found


def _for(people: int, places: int) -> int:
    return places * people // _FULL

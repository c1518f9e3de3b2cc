"""The ways in which places can be given, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from rhinecloud.app import Text

from ..events.model import Poll

Way = Literal["lot", "arrival", "solver"]

WAYS: Final[Mapping[Way, Text]] = {
    "lot": ("Losverfahren", "by lot"),
    "arrival": ("Reihenfolge der Anmeldung", "by arrival"),
    "solver": ("Ausgleich: möglichst viele Wünsche", "balanced: as many wishes as can be"),
}


def announced(poll: Poll) -> tuple[Way, ...]:
    """The ways of which people were told before they voted: only these may be published."""
    return (poll.rule.by, "solver") if poll.rule.solver else (poll.rule.by,)


def rule(poll: Poll, way: Way | None) -> list[Text]:
    """The rule, a sentence each, as everybody is told it: before the vote (`way` None) or of what was done."""
    by_lot = poll.rule.by == "lot"
    said: list[Text] = [
        (
            "Erste Wünsche gehen vor zweite, zweite vor dritte.",
            "First wishes come before second ones, second before third.",
        ),
        (
            "Wünschen sich mehrere gleich stark dieselbe Gruppe, entscheidet das Los. Wann jemand "
            "abgestimmt hat, spielt keine Rolle.",
            "Where several want the same group equally, the draw decides. When somebody voted does not matter.",
        )
        if by_lot
        else (
            "Wünschen sich mehrere gleich stark dieselbe Gruppe, entscheidet, wer zuerst abgestimmt hat.",
            "Where several want the same group equally, who voted first comes first.",
        ),
    ]
    if any(option.reserved for option in poll.options):
        said.append(
            (
                "Reservierte Plätze bekommen zuerst die, für die sie gedacht sind. Was übrig bleibt, ist für alle da.",
                "Reserved places go first to whom they are for. What they do not need goes to all.",
            )
        )
    if way == "solver" or (way is None and poll.rule.solver):
        said.append(_SOLVED if way == "solver" else _MAY_BE_SOLVED)
    said.append(
        (
            "Wer nicht den ersten Wunsch bekommt, steht auf der Warteliste jeder Gruppe, die sie oder er lieber "
            "hätte. Wird dort ein Platz frei, rückt die oder der Nächste von selbst nach.",
            "Who does not get their first wish is on the waiting list of each group that they would rather have. "
            "When a place becomes free there, the next one moves up by itself.",
        )
    )
    return said


_SOLVED: Final[Text] = (
    "Ein Rechenverfahren hat die Plätze so verteilt, dass möglichst viele einen ihrer Wünsche bekommen, und davon "
    "möglichst viele einen frühen. Sind zwei Verteilungen gleich gut, gilt die Reihenfolge.",
    "A solver gave the places so that as many as can be get one of their wishes, and these as early a one as can be. "
    "Where two results are equally good, the order decides.",
)
_MAY_BE_SOLVED: Final[Text] = (
    "Die Leitung darf stattdessen ein Rechenverfahren wählen, das möglichst vielen einen ihrer Wünsche erfüllt. "
    "Welches Verfahren es war, steht später hier.",
    "The organiser may choose a solver instead, which gives as many as can be one of their wishes. Which way it was "
    "will stand here.",
)

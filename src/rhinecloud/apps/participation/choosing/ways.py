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
    reserved = any(any(option.reserved.values()) for option in poll.options)
    if way == "solver":
        said = [_SOLVED, _EQUAL_BY_LOT if by_lot else _EQUAL_BY_ARRIVAL, *([_KEPT] if reserved else [])]
        return [*said, _WAITING, _NEXT_BY_LOT if by_lot else _NEXT_BY_ARRIVAL]
    said = [_RANKS, _BY_LOT if by_lot else _BY_ARRIVAL, _WORTH]
    if reserved:
        said.append(_RESERVED)
    if way is None and poll.rule.solver:
        said.append(_MAY_BE_SOLVED)
    return [*said, _WAITING]


_RANKS: Final[Text] = (
    "Erste Wünsche gehen vor zweite, zweite vor dritte.",
    "First wishes come before second ones, second before third.",
)
_BY_LOT: Final[Text] = (
    "Wünschen sich mehrere gleich stark dieselbe Gruppe, entscheidet das Los. Wann jemand abgestimmt hat, "
    "spielt keine Rolle.",
    "Where several want the same group equally, the draw decides. When somebody voted does not matter.",
)
_BY_ARRIVAL: Final[Text] = (
    "Wünschen sich mehrere gleich stark dieselbe Gruppe, entscheidet, wer zuerst abgestimmt hat.",
    "Where several want the same group equally, who voted first comes first.",
)
_WORTH: Final[Text] = (
    "Ein erster Wunsch zählt also mehr als ein zweiter: Wer in einer gefragten Gruppe keinen Platz bekommt, "
    "findet vielleicht auch die zweite schon voll.",
    "A first wish is worth more than a second: who gets no place in a group that many want may find the second "
    "one full as well.",
)
_RESERVED: Final[Text] = (
    "Reservierte Plätze bekommen zuerst die, für die sie gedacht sind. Was übrig bleibt, ist für alle da.",
    "Reserved places go first to whom they are for. What they do not need goes to all.",
)
_WAITING: Final[Text] = (
    "Wer nicht den ersten Wunsch bekommt, steht auf der Warteliste jeder Gruppe, die sie oder er lieber hätte. "
    "Wird dort ein Platz frei, rückt die oder der Nächste von selbst nach.",
    "Who does not get their first wish is on the waiting list of each group that they would rather have. "
    "When a place becomes free there, the next one moves up by itself.",
)
_SOLVED: Final[Text] = (
    "Ein Rechenverfahren hat die Plätze so verteilt, dass möglichst viele einen ihrer Wünsche bekommen, und "
    "davon möglichst viele einen frühen.",
    "A solver gave the places so that as many as can be get one of their wishes, and these as early a one as can be.",
)
_EQUAL_BY_LOT: Final[Text] = (
    "Waren zwei Verteilungen gleich gut, entschied das Los.",
    "Where two results were equally good, the draw decided.",
)
_EQUAL_BY_ARRIVAL: Final[Text] = (
    "Waren zwei Verteilungen gleich gut, entschied, wer zuerst abgestimmt hat.",
    "Where two results were equally good, who voted first came first.",
)
_KEPT: Final[Text] = (
    "Von reservierten Plätzen bekamen die, für die sie gedacht sind, so viele, wie sie ohne das Rechenverfahren "
    "bekommen hätten.",
    "Of reserved places those whom they are for kept as many as they would have had without the solver.",
)
_NEXT_BY_LOT: Final[Text] = (
    "Auf der Warteliste gehen erste Wünsche vor zweite; bei gleichen entscheidet das Los.",
    "On the waiting list first wishes come before second ones; among equal ones the draw decides.",
)
_NEXT_BY_ARRIVAL: Final[Text] = (
    "Auf der Warteliste gehen erste Wünsche vor zweite; bei gleichen, wer zuerst abgestimmt hat.",
    "On the waiting list first wishes come before second ones; among equal ones who voted first.",
)
_MAY_BE_SOLVED: Final[Text] = (
    "Die Leitung darf stattdessen ein Rechenverfahren wählen, das möglichst vielen einen ihrer Wünsche erfüllt. "
    "Welches Verfahren es war, steht später hier.",
    "The organiser may choose a solver instead, which gives as many as can be one of their wishes. Which way it was "
    "will stand here.",
)

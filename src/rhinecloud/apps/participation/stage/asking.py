"""What a phone asks: the form of a poll, what was chosen in it, and how to know that it has changed. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from ..ballots.choices import Choice
from ..events.model import Event, Poll

_encode = msgspec.json.Encoder(order="deterministic").encode


def mark(event: Event, poll: Poll | None) -> str:
    """Names all that the form of a poll shows: where it is the same, what is being filled in stays as it is."""
    if poll is None:
        return _hash([event.state, event.title, event.lead])
    seen = [event.state, event.title, poll.number, poll.state, poll.title, poll.explanation, poll.secret]
    return _hash([*seen, poll.rule, poll.options, poll.open_results])


def mark_of(shown: object) -> str:
    """Names what is shown."""
    return _hash(shown)


def fields_of(poll: Poll, choice: Choice | None) -> dict[str, str]:
    """The fields of the form, by which a choice is entered."""
    match poll.kind, choice:
        case _, None:
            return {}
        case "scale", int():
            return {"value": str(choice)}
        case "single", [first, *_]:
            return {"option": str(first)}
        case "multiple", [*chosen]:
            return {f"option-{number}": "on" for number in chosen}
        case "groups", [*wishes]:
            return {f"wish-{rank}": str(number) for rank, number in enumerate(wishes, 1)}
        case "words", [*words]:
            return {f"word-{place}": str(word) for place, word in enumerate(words, 1)}
        case _:
            return {}


def in_words(poll: Poll, choice: Choice | None) -> Sequence[str]:
    """What was chosen, in the words of the poll."""
    titles = {option.number: option.title for option in poll.options}
    if choice is None:
        return ()
    if isinstance(choice, int):
        return (str(choice),)
    return tuple(titles.get(one, "") if isinstance(one, int) else one for one in choice)


def _hash(shown: object) -> str:
    return hashlib.sha256(_encode(shown)).hexdigest()[:12]

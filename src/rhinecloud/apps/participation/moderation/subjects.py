"""What can be reported and hidden: kinds of things that other areas register, named "proposal:12"."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from rhinecloud.city import City, Transaction

_SUBJECT: Final = re.compile(r"([a-z]{1,20}):([1-9][0-9]{0,17})", re.ASCII)


class Described(msgspec.Struct, frozen=True):
    """A thing as moderators and authors are told of it. `path`: where it stands, of this city; `author`: the id of an
    actor ("person:17"), a mail address, or None where nobody is known any more; `group`: the number of its theme
    group."""

    title: str
    path: str
    author: str | None = None
    group: int | None = None


Describe = Callable[[City, int], Awaitable[Described | None]]
Changed = Callable[[City, Transaction, int, bool], Awaitable[None]]


class _Kind(msgspec.Struct, frozen=True):
    describe: Describe
    changed: Changed | None


_kinds: Final[dict[str, _Kind]] = {}


def register(kind: str, describe: Describe, changed: Changed | None = None) -> None:
    """There are things of this kind: `await describe(city, number)` is one, None if it is not there, also where it is
    hidden. `await changed(city, transaction, number, hidden)` is called in the transaction that hides one or shows it
    again."""
    _kinds[kind] = _Kind(describe, changed)


def parse(subject: str) -> tuple[str, int] | None:
    """Kind and number of a subject, None for what is none of a kind that is there."""
    found = _SUBJECT.fullmatch(subject)
    return (found[1], int(found[2])) if found is not None and found[1] in _kinds else None


async def described(city: City, subject: str) -> Described | None:
    """What a subject is, None for what is not there."""
    parsed = parse(subject)
    return await _kinds[parsed[0]].describe(city, parsed[1]) if parsed is not None else None


async def changed(city: City, transaction: Transaction, subject: str, hidden: bool) -> None:
    """Tell whoever registered the kind that a thing is hidden from this transaction on, or shown again."""
    parsed = parse(subject)
    if parsed is not None and (tell := _kinds[parsed[0]].changed) is not None:
        await tell(city, transaction, parsed[1], hidden)

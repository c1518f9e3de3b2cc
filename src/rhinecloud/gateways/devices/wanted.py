"""What becomes of a wanted state: pure steps from one state to the next, each at a moment that is given.

    wanted ──► sent ──► confirmed | failed
       └────────┴─────► timed_out | superseded

`sent` means that somebody was subscribed to the topic when it was published. Steps on a state that has ended change
nothing, so that whatever comes late or twice does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

State = Literal["wanted", "sent", "confirmed", "failed", "timed_out", "superseded"]

PAUSES = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)  # seconds between attempts
SETTLING = timedelta(seconds=1)  # a device that has just connected is given time to subscribe
AWAY = timedelta(seconds=10)  # a device that was silent for so long after an attempt may have missed it
_YEAR_2020 = 1_577_836_800  # seconds after 1970


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A wanted state of a device; `version` only grows. `sends` are the attempts that met a listener. `detail` has
    what the device is told where its profile says it in other words (`told`), and what it said (`reported`, `said`)."""

    device: str
    version: int
    wanted: dict[str, Any]
    state: State = "wanted"
    actor: str
    created_at: datetime
    sent_at: datetime | None = None
    sends: int = 0
    attempts: int = 0  # since it was wanted, or since the device came back
    listening: bool = False  # whether the last attempt met a listener
    heard: bool = False  # whether the device said anything since the last attempt
    next_at: datetime
    due_at: datetime
    ended_at: datetime | None = None
    detail: dict[str, Any] = {}

    @property
    def open(self) -> bool:
        """Whether it still may change."""
        return self.ended_at is None


def next_version(last: int, now: datetime) -> int:
    """The version after `last`: the seconds since 2020, so that it also grows past what a restore took back."""
    return max(last + 1, int(now.timestamp()) - _YEAR_2020)


def attempted(one: Wanted, now: datetime, *, listening: bool) -> Wanted:
    """It was published. The next attempt comes after a pause that grows."""
    if not one.open:
        return one
    return msgspec.structs.replace(
        one,
        state="sent" if listening else one.state,
        sent_at=now if listening else one.sent_at,
        sends=one.sends + listening,
        attempts=one.attempts + 1,
        listening=listening,
        heard=False,
        next_at=min(now + _pause(one.attempts), one.due_at),
    )


def _pause(attempts: int) -> timedelta:
    """After so many earlier attempts."""
    return timedelta(seconds=PAUSES[max(0, min(attempts, len(PAUSES) - 1))])


def heard(one: Wanted, now: datetime) -> Wanted:
    """The device said something for the first time since the last attempt. If it met no listener, or was followed by a
    long silence, the device may have been away: it is told again now. Who talks all the time is told at growing pauses.
    """
    if not one.open or one.heard:
        return one
    missed = (
        not one.listening
        or one.sent_at is None
        or now - one.sent_at >= max(AWAY, _pause(one.attempts - 1) / 2)
    )
    return msgspec.structs.replace(one, heard=True, next_at=min(one.next_at, now) if missed else one.next_at)


def connected(one: Wanted, now: datetime) -> Wanted:
    """The device has connected: what was sent before may be lost. It is told in a moment, and pauses begin anew."""
    if not one.open:
        return one
    return msgspec.structs.replace(
        one, attempts=0, listening=False, heard=False, next_at=min(now + SETTLING, one.due_at)
    )


def confirmed(
    one: Wanted, now: datetime, version: int | None, result: str, detail: str, reported: Mapping[str, Any]
) -> Wanted:
    """The device says what became of a version, or (version None) what is so now: that confirms as soon as all that is
    wanted was reported, be it value by value, in the words in which it was told; until then it is kept in `detail`."""
    if not one.open:
        return one
    if version is not None and version != one.version:
        return one
    told: dict[str, Any] = dict(one.detail)
    if version is None and result == "done":
        before = told.get("reported", {})
        asked: dict[str, Any] = told.get("told", one.wanted)
        now_known = {**before, **{name: reported[name] for name in asked.keys() & reported.keys()}}
        if not agrees(asked, now_known):
            if now_known == before:
                return one
            return msgspec.structs.replace(one, detail={**told, "reported": now_known})
        told["reported"] = now_known
    elif reported:
        told["reported"] = dict(reported)
    if detail:
        told["said"] = detail
    return msgspec.structs.replace(
        one,
        state="confirmed" if result == "done" else "failed",
        # Who confirms has got it, whether or not we knew of a listener.
        sent_at=one.sent_at or now,
        ended_at=now,
        detail=told,
    )


def timed_out(one: Wanted, now: datetime) -> Wanted:
    """Its time is over. Before that nothing changes."""
    if not one.open or now < one.due_at:
        return one
    return msgspec.structs.replace(one, state="timed_out", ended_at=now)


def superseded(one: Wanted, now: datetime, by: int) -> Wanted:
    """A newer version is wanted."""
    if not one.open:
        return one
    return msgspec.structs.replace(
        one, state="superseded", ended_at=now, detail={**one.detail, "superseded_by": by}
    )


def agrees(wanted: Mapping[str, Any], reported: Mapping[str, Any]) -> bool:
    """Whether everything wanted is reported so. Numbers are compared as numbers, members of objects one by one."""
    return all(name in reported and _same(value, reported[name]) for name, value in wanted.items())


def _same(wanted: Any, reported: Any) -> bool:
    if isinstance(wanted, Mapping) and isinstance(reported, Mapping):
        return agrees(wanted, reported)
    if isinstance(wanted, bool) != isinstance(reported, bool):
        return False
    return bool(wanted == reported)

"""What does not fit of what hangs on posts: too much power, a contract that is over, a feeder without power. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final, Literal

import msgspec

from rhinecloud.app import Text

Kind = Literal["charging_point", "wifi", "sensor", "banner", "other"]
KINDS: Final[Mapping[Kind, Text]] = {
    "charging_point": ("Ladepunkt", "charging point"),
    "wifi": ("WLAN", "Wi-Fi"),
    "sensor": ("Sensor", "sensor"),
    "banner": ("Banner", "banner"),
    "other": ("Sonstiges", "other"),
}


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """Something that hangs on a post. `owner` is the name of whose it is, `organisation` its number where it is one of
    the city's; `power` in W that it may take at the most; `by_day`: whether it needs power by day; the contract counts
    from `since` to `until`, its last day (None: open). `when_off` and `when_replaced`: what happens when the post is
    switched off, or replaced."""

    number: int = 0
    kind: Kind
    lamp: str
    name: str
    owner: str
    organisation: int | None = None
    contract: str
    since: date
    until: date | None
    power: float
    by_day: bool
    when_off: str = ""
    when_replaced: str = ""


class Feeding(msgspec.Struct, frozen=True):
    """What feeds a lamp: `feeder` (None where it is not known) and whether there is power by day."""

    feeder: str | None = None
    by_day: bool = True


class Conflict(msgspec.Struct, frozen=True):
    """Something does not fit: `what` it is and in words of the page."""

    what: Literal["post_power", "feeder_power", "over", "not_begun", "unpowered_by_day", "no_lamp"]
    text: Text


def of_post(attachments: Iterable[Attachment], watts: float | None) -> Iterator[Conflict]:
    """Of all that hangs on one post, which may give so many watts beside its light (None: not known)."""
    needed = sum(one.power for one in attachments)
    if watts is not None and needed > watts:
        yield Conflict(
            "post_power",
            (
                f"Am Mast werden {_german(needed)} W gebraucht, {_german(watts)} W sind vorgesehen.",
                f"On the post {_english(needed)} W are needed, {_english(watts)} W are provided.",
            ),
        )


def of_feeder(attachments: Iterable[Attachment], watts: float | None) -> Iterator[Conflict]:
    """Of all that hangs on the posts of one feeder."""
    needed = sum(one.power for one in attachments)
    if watts is not None and needed > watts:
        yield Conflict(
            "feeder_power",
            (
                f"Am Abgang werden {_german(needed)} W gebraucht, {_german(watts)} W sind vorgesehen.",
                f"On the feeder {_english(needed)} W are needed, {_english(watts)} W are provided.",
            ),
        )


def of_one(one: Attachment, feeding: Feeding | None, today: date) -> Iterator[Conflict]:
    """Of one by itself; `feeding` None: its lamp is no longer there."""
    if one.until is not None and one.until < today:
        yield Conflict(
            "over",
            (f"Der Vertrag endete am {one.until:%d.%m.%Y}.", f"The contract ended on {one.until}."),
        )
    if one.since > today:
        yield Conflict(
            "not_begun",
            (
                f"Der Vertrag beginnt erst am {one.since:%d.%m.%Y}.",
                f"The contract does not begin before {one.since}.",
            ),
        )
    if feeding is None:
        yield Conflict("no_lamp", ("Diese Leuchte gibt es nicht mehr.", "This lamp is no longer there."))
    elif one.by_day and not feeding.by_day:
        yield Conflict(
            "unpowered_by_day",
            (
                "Braucht auch am Tag Strom; der Abgang ist dann abgeschaltet.",
                "Needs power by day, when the feeder has none.",
            ),
        )


class Grid(msgspec.Struct, frozen=True):
    """What is known of what carries: watts by lamp and by feeder, and what feeds each lamp that there is."""

    posts: Mapping[str, float] = {}
    feeders: Mapping[str, float] = {}
    feeding: Mapping[str, Feeding] = {}

    def on_feeder(self, attachments: Iterable[Attachment], feeder: str) -> list[Attachment]:
        """What hangs on the posts of a feeder."""
        return [one for one in attachments if self.feeding.get(one.lamp, Feeding()).feeder == feeder]


def conflicts(attachments: Sequence[Attachment], grid: Grid, today: date) -> dict[int, list[Conflict]]:
    """What does not fit of all that hangs in the city, by the numbers of those whom it concerns."""
    by_post, by_feeder = defaultdict(list), defaultdict(list)
    for one in attachments:
        by_post[one.lamp].append(one)
        by_feeder[grid.feeding.get(one.lamp, Feeding()).feeder].append(one)
    found: dict[int, list[Conflict]] = {}
    for one in attachments:
        feeding = grid.feeding.get(one.lamp)
        own = [*of_one(one, feeding, today), *of_post(by_post[one.lamp], grid.posts.get(one.lamp))]
        if feeding is not None and feeding.feeder is not None:
            own += of_feeder(by_feeder[feeding.feeder], grid.feeders.get(feeding.feeder))
        if own:
            found[one.number] = own
    return found


def _english(watts: float) -> str:
    return f"{watts:.1f}".removesuffix(".0")


def _german(watts: float) -> str:
    return _english(watts).replace(".", ",")

"""What became of targets that lamps were told: asked, sent, confirmed, contradicted, timed out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from rhinecloud.city import Change, City, Wanted
from rhinecloud.model import CORE

from ..demand import raising

State = Literal["asked", "sent", "confirmed", "contradicted", "timed_out"]
STATES: Final[tuple[State, ...]] = ("asked", "sent", "confirmed", "contradicted", "timed_out")
_PATIENCE: Final = timedelta(
    minutes=10
)  # then a lamp counts as timed out; it is told all the same when it comes back
_SETTLING: Final = timedelta(seconds=60)  # a lamp may be on its way to the level for so long
_TOLERANCE: Final = 5.0  # percent of the installed light
_LEVEL: Final = CORE.expand_term("illuminanceLevel")
_POWER: Final = CORE.expand_term("powerState")


class Told(NamedTuple):
    """What a lamp was told last."""

    lamp: str
    device: str
    level: float
    state: State
    wanted: int | None
    asked_at: datetime
    sent_at: datetime | None


_FIELDS: Final = "lamp, device, level, state, wanted, asked_at, sent_at"


async def look(city: City) -> tuple[int, int]:
    """Compare with what the devices confirmed; how many targets are on their way, and how many changed their state."""
    records = await city.db.pool.fetch(
        f"SELECT {_FIELDS} FROM target WHERE state IN ('asked', 'sent', 'timed_out') AND wanted IS NOT NULL"
    )
    told = [Told(*record) for record in records]
    if not told:
        return 0, 0
    wanted = await city.devices.wanted([one.device for one in told])
    now = city.clock.now()
    changed = []
    for one in told:
        state, trouble = settled(one, wanted.get(one.device), now)
        if state != one.state:
            changed.append((one.lamp, one.wanted, state, now, trouble))
    await _write(city, changed)
    still = {row[0]: row[2] for row in changed}
    return sum(still.get(one.lamp, one.state) in ("asked", "sent") for one in told), len(changed)


def settled(one: Told, wanted: Wanted | None, now: datetime) -> tuple[State, str | None]:
    """The state of a target, by that of what is wanted of its device, and what is wrong."""
    if wanted is None or one.wanted is None:
        return "timed_out", "nothing is wanted of the device any more"
    if wanted.version > one.wanted:
        return "contradicted", f"{wanted.actor} wants something else of the device"
    match wanted.state:
        case "confirmed":
            return "confirmed", None
        case "failed":
            return "contradicted", str(wanted.detail.get("said", "")) or None
        case "timed_out" | "superseded":
            return "timed_out", None
    if now - one.asked_at > _PATIENCE:
        return "timed_out", None
    return ("sent", None) if wanted.state == "sent" else ("asked", None)


async def _write(city: City, changed: Iterable[tuple[str, int | None, State, datetime, str | None]]) -> None:
    """Of those that were not told something else meanwhile."""
    rows = sorted(changed, key=lambda row: row[0])
    if not rows:
        return
    async with city.db.transaction() as connection:
        await connection.executemany(
            "UPDATE target SET state = $3, trouble = $5, "
            "sent_at = CASE WHEN $3 = 'asked' THEN NULL ELSE coalesce(sent_at, $4) END, "
            "settled_at = CASE WHEN $3 IN ('confirmed', 'contradicted', 'timed_out') THEN $4 END "
            "WHERE lamp = $1 AND wanted = $2",
            rows,
        )


async def follow_reports(city: City) -> None:
    """Lamps say at which level they are, whatever they confirmed before (a `Task`)."""
    demand = raising.NONE
    async for changes in city.watch("planning-reports", "Streetlight"):
        said = reports(changes)
        if not said:
            continue
        demand = await raising.current(city.db.pool, demand)
        records = await city.db.pool.fetch(
            f"SELECT {_FIELDS} FROM target WHERE lamp = ANY($1::text[]) AND wanted IS NOT NULL",
            list(said),
        )
        now = city.clock.now()
        changed = []
        for record in records:
            one = Told(*record)
            state = judged(one, *said[one.lamp], demand.most.get(one.lamp))
            if state is not None and state != one.state:
                trouble = None if state == "confirmed" else f"the lamp is at {said[one.lamp][0]:.0f} %"
                changed.append((one.lamp, one.wanted, state, now, trouble))
        await _write(city, changed)


def reports(changes: Iterable[Change]) -> Mapping[str, tuple[float, datetime]]:
    """lamp → level in percent and when it was measured, of those that said so."""
    found = {}
    for change in changes:
        if change.entity is not None and {_LEVEL, _POWER} & set(change.attributes):
            said = level_of(change.entity.attributes)
            if said is not None:
                found[change.entity_id] = said
    return found


def level_of(attributes: Mapping[str, Any]) -> tuple[float, datetime] | None:
    """The level in percent that a lamp says it has, and when; one that says it is off is at 0 whatever it is set to."""
    instances = [next(iter(attributes.get(name, ())), None) or {} for name in (_POWER, _LEVEL)]
    power: Mapping[str, Any] = instances[0]
    level: Mapping[str, Any] = instances[1]
    newer = level
    if power.get("value") == "off" and power.get("observedAt", "") >= level.get("observedAt", ""):
        newer = {**power, "value": 0.0}
    value, at = newer.get("value"), newer.get("observedAt")
    if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(at, str):
        return None
    try:
        return 100.0 * value, datetime.fromisoformat(at)
    except ValueError:
        return None


def raised(target: float, level: float, most: float | None) -> bool:
    """Whether a level is one that light on demand may have raised a lamp to above its target; `most`: how far it may
    (None: not at all). In percent."""
    return most is not None and target + _TOLERANCE < level <= most + _TOLERANCE


def judged(one: Told, level: float, at: datetime, most: float | None = None) -> State | None:
    """What a measured level says of a target; None: nothing, for it is from before, the lamp is on its way, or light on
    demand raised it (to `most` at most)."""
    if at < one.asked_at or raised(one.level, level, most):
        return None
    if abs(level - one.level) <= _TOLERANCE:
        return "confirmed"
    return "contradicted" if at >= (one.sent_at or one.asked_at) + _SETTLING else None

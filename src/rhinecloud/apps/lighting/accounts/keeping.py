"""Rows of the accounts: what was counted, factors, and sums of both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final

from rhinecloud.city import City
from rhinecloud.people import Actor

from .sums import Factor, Sums

Row = tuple[
    str, str, tuple[str, ...], float, float, float, float, float, float, float | None
]  # of a lamp and day

_SUMMED: Final = (
    "measured_seconds",
    "estimated_seconds",
    "unknown_seconds",
    "measured_wh",
    "estimated_wh",
    "burning_seconds",
    "baseline_wh",
)
_AREAS: Final = {
    "city": "''",
    "district": "place.district",
    "group": "unnest(place.groups)",
}


async def write_day(connection: Any, day: date, rows: Sequence[Row], now: datetime) -> None:
    """Put what lamps used on a day in the place of what was counted before; lamps that are gone keep theirs."""
    places = await _places(connection, {(row[1], row[2]) for row in rows})
    await connection.execute(
        "DELETE FROM energy_day WHERE day = $1 AND lamp = ANY($2::text[])", day, [row[0] for row in rows]
    )
    await connection.copy_records_to_table(
        "energy_day",
        records=[(row[0], day, places[row[1], row[2]], *row[3:]) for row in rows],
        columns=("lamp", "day", "place", *_SUMMED),
    )
    await connection.execute("DELETE FROM energy_area_day WHERE day = $1", day)
    for kind, area in _AREAS.items():
        await connection.execute(_AREA_DAY.format(kind=kind, area=area), day)
    await connection.execute(
        "INSERT INTO energy_counted (day, counted_at, lamps) VALUES ($1, $2, $3) "
        "ON CONFLICT (day) DO UPDATE SET counted_at = excluded.counted_at, lamps = excluded.lamps",
        day,
        now,
        len(rows),
    )


_AREA_DAY: Final = f"""
INSERT INTO energy_area_day (kind, area, day, lamps, {", ".join(_SUMMED)}, compared_wh)
SELECT '{{kind}}', area, $1::date, count(*),
       {", ".join(f"coalesce(sum({name}::double precision), 0)" for name in _SUMMED)},
       coalesce(sum(measured_wh + estimated_wh) FILTER (WHERE baseline_wh IS NOT NULL), 0)
FROM (SELECT energy_day.*, {{area}} AS area
      FROM energy_day JOIN energy_place AS place ON place.number = energy_day.place WHERE day = $1) AS lamp
GROUP BY area
"""


async def _places(
    connection: Any, wanted: Iterable[tuple[str, tuple[str, ...]]]
) -> dict[tuple[str, tuple[str, ...]], int]:
    await connection.executemany(
        "INSERT INTO energy_place (district, groups) VALUES ($1, $2::text[]) ON CONFLICT DO NOTHING",
        [(district, list(groups)) for district, groups in wanted],
    )
    records = await connection.fetch("SELECT district, groups, number FROM energy_place")
    return {(record[0], tuple(record[1])): record[2] for record in records}


async def forget(connection: Any, before: date) -> None:
    """Let rows of single lamps go that are older; sums of districts and groups stay."""
    await connection.execute("DELETE FROM energy_day WHERE day < $1", before)


async def counted(connection: Any, since: date) -> dict[date, datetime]:
    """When each day was counted last."""
    records = await connection.fetch("SELECT day, counted_at FROM energy_counted WHERE day >= $1", since)
    return {record[0]: record[1] for record in records}


async def months(connection: Any, since: date = date.min) -> list[date]:
    """First days of the months of which anything was counted, from that of `since` on, the newest first."""
    records = await connection.fetch(
        "SELECT DISTINCT date_trunc('month', day)::date FROM energy_counted "
        "WHERE day >= date_trunc('month', $1::date) ORDER BY 1 DESC",
        since,
    )
    return [record[0] for record in records]


# Sums ------------------------------------------------------------------------------------------------------------

_OF_AREA: Final = f"""
SELECT area, day, lamps, {", ".join(_SUMMED)}, compared_wh FROM energy_area_day
WHERE kind = $1 AND ($2::text IS NULL OR area = $2) AND day BETWEEN $3 AND $4
"""
_OF_LAMP: Final = f"""
SELECT lamp AS area, day, 1 AS lamps, {", ".join(_SUMMED)},
       CASE WHEN baseline_wh IS NULL THEN 0 ELSE measured_wh + estimated_wh END AS compared_wh FROM energy_day
WHERE $1 = 'lamp' AND lamp = $2 AND day BETWEEN $3 AND $4
"""
_FACTOR: Final = """LEFT JOIN LATERAL (
    SELECT CASE WHEN until IS NULL OR until >= one.day THEN value END AS value FROM energy_factor
    WHERE kind = '{kind}' AND since <= one.day ORDER BY since DESC LIMIT 1) AS {kind} ON true"""
_SUMS: Final = f"""
SELECT {{by}} AS of, max(lamps)::integer, count(DISTINCT day)::integer,
       {", ".join(f"coalesce(sum({name})::double precision, 0)" for name in (*_SUMMED, "compared_wh"))},
       coalesce(sum(wh * price.value) / 100000, 0), coalesce(sum(wh) FILTER (WHERE price.value IS NULL), 0),
       coalesce(sum(wh * co2.value) / 1000000, 0), coalesce(sum(wh) FILTER (WHERE co2.value IS NULL), 0)
FROM (SELECT *, measured_wh + estimated_wh AS wh FROM ({{source}}) AS found) AS one
{_FACTOR.format(kind="price")} {_FACTOR.format(kind="co2")}
GROUP BY 1 ORDER BY 1
"""
_BY: Final = {"area": "area", "day": "day", "month": "date_trunc('month', day)::date"}


async def sums(
    connection: Any, kind: str, area: str | None, first: date, last: date, by: str
) -> dict[Any, Sums]:
    """Sums of a lamp, a group, a district or the city (`kind`; `area`: its id or name, None for all) over the days from
    `first` to `last`, by `day`, `month` (its first day) or `area`."""
    source = _OF_LAMP if kind == "lamp" else _OF_AREA
    records = await connection.fetch(_SUMS.format(by=_BY[by], source=source), kind, area, first, last)
    return {
        record[0]: Sums(**dict(zip(Sums.__struct_fields__, tuple(record)[1:], strict=True)))
        for record in records
    }


async def areas(connection: Any, kind: str) -> list[str]:
    """All districts or groups of which anything was counted."""
    records = await connection.fetch(
        "SELECT DISTINCT area FROM energy_area_day WHERE kind = $1 ORDER BY 1", kind
    )
    return [record[0] for record in records]


# Factors ---------------------------------------------------------------------------------------------------------


async def factors(connection: Any) -> list[Factor]:
    """All, the newest first."""
    records = await connection.fetch(
        "SELECT kind, since, until, value, source, changed_by FROM energy_factor ORDER BY kind DESC, since DESC"
    )
    return [Factor(**dict(record)) for record in records]


async def set_factor(city: City, actor: Actor, factor: Factor) -> None:
    """Write one, in the place of one from the same day on; the reports of the months concerned follow."""
    async with city.transaction() as transaction:
        await transaction.connection.execute(
            "INSERT INTO energy_factor (kind, since, until, value, source, changed_at, changed_by) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, since) DO UPDATE SET until = excluded.until, "
            "value = excluded.value, source = excluded.source, changed_at = excluded.changed_at, "
            "changed_by = excluded.changed_by",
            factor.kind,
            factor.since,
            factor.until,
            factor.value,
            factor.source,
            city.clock.now(),
            actor.id,
        )
        detail = {"since": factor.since.isoformat(), "value": factor.value, "source": factor.source}
        await transaction.audit(actor.id, "lighting.factor.set", factor.kind, detail)
        await _tell_again(city, transaction, factor.since)


async def remove_factor(city: City, actor: Actor, kind: str, since: date) -> bool:
    """Take one away; false if there is none."""
    async with city.transaction() as transaction:
        found = await transaction.connection.fetchval(
            "DELETE FROM energy_factor WHERE kind = $1 AND since = $2 RETURNING kind", kind, since
        )
        if found is not None:
            await transaction.audit(actor.id, "lighting.factor.remove", kind, {"since": since.isoformat()})
            await _tell_again(city, transaction, since)
    return found is not None


async def _tell_again(city: City, transaction: Any, since: date) -> None:
    for month in await months(transaction.connection, since):
        await tell(city, transaction, month)


async def tell(city: City, transaction: Any, month: date) -> None:
    """Queue the entities of a month. Without a key: one that runs now may have read before this was counted."""
    await city.jobs.enqueue(transaction, "accounts-report", month)

"""Many numbers at once: what all entities of a type measured in some time, as arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Final

import asyncpg
import msgspec
import numpy as np
import numpy.typing as npt

from rhinecloud.model.sight import Sight
from rhinecloud.store import temporal, temporal_numbers, temporal_selection
from rhinecloud.store.queries import Query
from rhinecloud.store.temporal import Series, Window
from rhinecloud.store.temporal_selection import Selection

_ENTITIES: Final = 1_000  # in a portion


class Numbers(msgspec.Struct, frozen=True):
    """Plain numbers of one attribute (an IRI) of an entity, in the order of their times (µs since 1970). `unit` is ''
    for none; an attribute whose unit changed comes once for each."""

    entity: str
    attribute: str
    unit: str
    times: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


async def numbers(
    pool: asyncpg.Pool, asked: Query, since: Mapping[str, datetime], until: datetime, sight: Sight
) -> AsyncIterator[list[Numbers]]:
    """Of all entities that ids and types of a query select the plain numbers of the default instances of these
    attributes (IRIs), each from its `since` to before `until`. In portions in the order of their ids: all that is told
    of an entity is in one, and memory stays flat."""
    selection = Selection(asked, sight, None, tuple(since), ("",))
    async with temporal.snapshot(pool) as connection:
        entities: dict[str, list[Series]] = defaultdict(list)
        for number, entity, attribute, dataset, unit in await temporal_selection.series_of(
            connection, selection
        ):
            entities[entity].append(Series(number, entity, attribute, dataset, unit, True))
        ordered = sorted(entities)
        for start in range(0, len(ordered), _ENTITIES):
            series = [one for entity in ordered[start : start + _ENTITIES] for one in entities[entity]]
            yield await _portion(connection, series, since, until)


async def _portion(
    connection: asyncpg.Connection, series: list[Series], since: Mapping[str, datetime], until: datetime
) -> list[Numbers]:
    found: dict[int, list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]] = defaultdict(list)
    for attribute, begin in since.items():
        own = [one for one in series if one.attribute == attribute]
        if own:
            read = await temporal_numbers.numbers(connection, own, Window("own", begin, until))
            for number, times, values in read:
                found[number].append((times, values))
    return [
        Numbers(one.entity_id, one.attribute, one.unit, *_joined(found[one.id]))
        for one in series
        if one.id in found
    ]


def _joined(
    parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    times = np.concatenate([part[0] for part in parts])
    order = np.argsort(times, kind="stable")
    return times[order], np.concatenate([part[1] for part in parts])[order]

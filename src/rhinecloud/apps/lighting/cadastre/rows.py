"""Lamps as lines of lists and of a table for a spreadsheet. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np

from .fleet import POWERS, STATUSES, Fleet, Trouble
from .lamps import Lamp

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PORTION = 2_000
_HEAD = (
    *("id", "name", "street", "pole", "district", "lon", "lat", "category", "class", "sign_394"),
    *("group", "cabinet", "feeder", "model", "rated_power_w", "commissioned", "device", "gateway"),
    *("power_state", "level_percent", "power_w", "status", "faults"),
)


class Row(msgspec.Struct, frozen=True):
    """A lamp and what it says: `power` one of POWERS, `status` one of STATUSES, `level` in percent, `watts`;
    `troubles`: the open faults that concern it, the worst first."""

    lamp: Lamp
    power: str
    status: str
    level: float | None
    watts: float | None
    troubles: Sequence[Trouble] = ()


def row(fleet: Fleet, index: int) -> Row:
    """The line of a lamp."""
    level, watts = float(fleet.level[index]), float(fleet.watts[index])
    return Row(
        fleet.lamps[index],
        POWERS[fleet.power[index]],
        STATUSES[fleet.status[index]],
        None if np.isnan(level) else round(level, 1),
        None if np.isnan(watts) else round(watts, 1),
        fleet.troubles.get(index, ()),
    )


def as_csv(rows: Iterable[Row]) -> Iterator[str]:
    """A table (RFC 4180, UTF-8) in portions, with a heading."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_HEAD)
    for number, one in enumerate(rows, 1):
        writer.writerow([_tame(cell) for cell in _cells(one)])
        if number % _PORTION == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _cells(one: Row) -> tuple[object, ...]:
    lamp = one.lamp
    return (
        *(lamp.id, lamp.name, lamp.street, lamp.pole, lamp.district, lamp.lon, lamp.lat, lamp.category),
        *(lamp.installed_class, lamp.sign_394, " ".join(lamp.groups), lamp.cabinet, lamp.feeder, lamp.model),
        *(lamp.rated_power, lamp.commissioned, lamp.device, lamp.gateway),
        *(one.power, one.level, one.watts, one.status),
        " ".join(trouble.kind.value for trouble in one.troubles),
    )


def _tame(cell: object) -> object:
    """A spreadsheet takes a text that begins so for a formula."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell

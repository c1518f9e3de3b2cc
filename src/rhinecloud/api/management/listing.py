"""Lists of devices: JSON, or CSV as spreadsheets write it."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec

from rhinecloud.gateways.devices.registry import NewDevice
from rhinecloud.model import BadRequestData

from .exchange import CSV, Request

_MOST = 20_000  # devices in one list
_LISTS = ("publish", "subscribe")
_YES = {"": True, "true": True, "yes": True, "ja": True, "1": True}
_NO = {"false": False, "no": False, "nein": False, "0": False}


class Listed(msgspec.Struct, frozen=True):
    """Devices with their lines, and what is wrong with lines that are none."""

    devices: list[tuple[int, NewDevice]]
    problems: list[tuple[int, str]]


def read_devices(request: Request) -> Listed:
    """The devices of a body. Raises BadRequestData, ApiError 415."""
    if request.media_type() == CSV:
        try:
            text = request.body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadRequestData(f"the list is not UTF-8: {error}") from None
        return read_csv(text)
    items = request.document(list[msgspec.Raw])
    _check(len(items))
    devices, problems = [], []
    for line, item in enumerate(items, 1):
        try:
            devices.append((line, msgspec.json.decode(item, type=NewDevice)))
        except msgspec.ValidationError as error:
            problems.append((line, str(error)))
    return Listed(devices, problems)


def read_csv(text: str) -> Listed:
    """Devices from CSV. The first line names the columns: those of a device; `publish` and `subscribe` hold filters
    separated by spaces; a column `levels.NAME` gives a named level of topics. Commas and semicolons both separate.
    Raises BadRequestData."""
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",")
    try:
        names = [name.strip().lower() for name in next(rows, [])]
        known = {*NewDevice.__struct_fields__} - {"detail"}
        for name in names:
            if name not in known and not (name.startswith("levels.") and len(name) > len("levels.")):
                raise BadRequestData(f"there is no column {name!r:.60}; there are {', '.join(sorted(known))}")
        if "id" not in names or "type" not in names:
            raise BadRequestData("the first line names the columns; id and type are needed")
        devices: list[tuple[int, NewDevice]] = []
        problems: list[tuple[int, str]] = []
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            _check(len(devices) + len(problems) + 1)
            try:
                devices.append((rows.line_num, _device(names, row)))
            except (ValueError, msgspec.ValidationError) as error:
                problems.append((rows.line_num, str(error)))
    except csv.Error as error:
        raise BadRequestData(f"line {rows.line_num}: {error}") from None
    return Listed(devices, problems)


def _device(names: list[str], row: list[str]) -> NewDevice:
    if len(row) > len(names):
        raise ValueError(f"{len(row)} cells for {len(names)} columns")
    members: dict[str, Any] = {}
    levels: dict[str, str] = {}
    for name, cell in zip(names, (cell.strip() for cell in row), strict=False):
        if name == "enabled":
            word = cell.lower()
            if word not in _YES and word not in _NO:
                raise ValueError(f"enabled is true or false, not {cell!r:.40}")
            members[name] = word in _YES
        elif not cell:
            continue
        elif name in _LISTS:
            members[name] = cell.split()
        elif name.startswith("levels."):
            levels[name.removeprefix("levels.")] = cell
        else:
            members[name] = cell
    if levels:
        members["detail"] = {"levels": levels}
    return msgspec.convert(members, NewDevice)


def _check(count: int) -> None:
    if count > _MOST:
        raise BadRequestData(f"a list has {_MOST} devices at most; send it in parts")

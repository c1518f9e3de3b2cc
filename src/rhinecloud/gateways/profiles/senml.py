"""SenML packs (RFC 8428), JSON and CBOR: resolved into records that stand for themselves (§4.6)."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

import cbor2
import msgspec

MAX_RECORDS = 2_000
_RELATIVE = 2**28  # smaller times are seconds from now (§4.5.3)
_VERSION = 10
_decode = msgspec.json.Decoder().decode
_DEPTH = 16

# CBOR labels (§6, table 4) and the names of §4.3.
_LABELS = {
    -1: "bver",
    -2: "bn",
    -3: "bt",
    -4: "bu",
    -5: "bv",
    -6: "bs",
    0: "n",
    1: "u",
    2: "v",
    3: "vs",
    4: "vb",
    5: "s",
    6: "t",
    7: "ut",
    8: "vd",
}
_VALUES = {"v": "number", "vs": "text", "vb": "boolean", "vd": "data"}
_KNOWN = frozenset(_LABELS.values())
_BASE = frozenset({"bn", "bt", "bu", "bv", "bs"})
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:./_")

# Units of SenML (§12.1, and RFC 8798 for the secondary ones) → UN/CEFACT common codes (Recommendation 20).
UNITS = {
    "m": "MTR",
    "kg": "KGM",
    "g": "GRM",
    "s": "SEC",
    "A": "AMP",
    "K": "KEL",
    "cd": "CDL",
    "mol": "C34",
    "Hz": "HTZ",
    "rad": "C81",
    "sr": "D27",
    "N": "NEW",
    "Pa": "PAL",
    "J": "JOU",
    "W": "WTT",
    "C": "COU",
    "V": "VLT",
    "F": "FAR",
    "Ohm": "OHM",
    "S": "SIE",
    "Wb": "WEB",
    "T": "D33",
    "H": "81",
    "Cel": "CEL",
    "lm": "LUM",
    "lx": "LUX",
    "Bq": "BQL",
    "Gy": "A95",
    "Sv": "D13",
    "kat": "KAT",
    "m2": "MTK",
    "m3": "MTQ",
    "l": "LTR",
    "m/s": "MTS",
    "m/s2": "MSK",
    "m3/s": "MQS",
    "l/s": "G51",
    "W/m2": "D54",
    "cd/m2": "A24",
    "bit": "A99",
    "bit/s": "B10",
    "lat": "DD",
    "lon": "DD",
    "pH": "Q30",
    "dB": "2N",
    "count": "C62",
    "/": "C62",
    "%": "P1",
    "%RH": "P1",
    "%EL": "P1",
    "EL": "SEC",
    "1/s": "C97",
    "S/m": "D10",
    "VA": "D46",
    "var": "D44",
    "J/m": "B12",
    "kg/m3": "KMQ",
    "deg": "DD",
    "NTU": "NTU",
    "ms": "C26",
    "min": "MIN",
    "h": "HUR",
    "MHz": "MHZ",
    "kW": "KWT",
    "kVA": "KVA",
    "kvar": "KVR",
    "kvarh": "K3",
    "kVAh": "C79",
    "Ah": "AMH",
    "Wh": "WHR",
    "kWh": "KWH",
    "mV": "2Z",
    "mA": "4K",
    "dBm": "DBM",
    "ug/m3": "GQ",
    "mm/h": "H67",
    "m/h": "M60",
    "ppm": "59",
    "hPa": "A97",
    "mm": "MMT",
    "cm": "CMT",
    "km": "KMT",
    "km/h": "KMH",
    "GB": "E34",
    "Mbit/s": "E20",
}

_SUMMED = {"W": "J", "m/s": "m", "m3/s": "m3", "l/s": "l", "A": "C", "bit/s": "bit", "count": "count"}
"""A sum is over time in seconds (§4.3): its unit is that of the value times a second."""


def resolve(payload: bytes, arrived: datetime, *, lwm2m: bool = False) -> list[dict[str, Any]]:
    """The records of a pack, in order: `name` (base and own name), `base`, `own`, `label` (the last part of the own
    name, or of the base where there is none), `kind` (number, text, boolean, data or sum), `value`, `unit` (as SenML
    writes it; absent where there is none) and `time` (seconds since 1970).

    A sum (§4.3) is a record of its own, `_sum` behind its names. With `lwm2m` names begin with a slash, which SenML
    forbids (§4.5.1) and LwM2M does, and records with a link between objects (`vlo`) are left out. Raises ValueError
    with the reason.
    """
    pack = _pack(payload)
    if not isinstance(pack, list):
        raise ValueError("a SenML pack is an array of records")
    if not 0 < len(pack) <= MAX_RECORDS:
        raise ValueError(f"a SenML pack has 1 to {MAX_RECORDS} records, this one {len(pack)}")
    now = arrived.astimezone(UTC).timestamp()
    base: dict[str, Any] = {"bn": "", "bt": 0.0, "bu": None, "bv": None, "bs": None}
    records: list[dict[str, Any]] = []
    for index, given in enumerate(pack):
        try:
            records += _records(given, base, now, lwm2m)
        except ValueError as error:
            raise ValueError(f"record {index}: {error}") from None
    if not records:
        raise ValueError("the pack holds base values only")
    return records


def _pack(payload: bytes) -> Any:
    if payload[:1] and payload[0] >= 0x80:  # an array in CBOR; JSON begins with [ or white space
        try:
            return cbor2.loads(payload, max_depth=_DEPTH)
        except Exception as error:  # whatever a decoder of nested tags may raise
            raise ValueError(f"the payload is no CBOR: {error}") from None
    try:
        return _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the payload is no JSON: {error}") from None


def _records(given: Any, base: dict[str, Any], now: float, lwm2m: bool) -> list[dict[str, Any]]:
    if not isinstance(given, dict):
        raise ValueError("a record is an object")
    fields = _fields(given)
    version = fields.pop("bver", None)
    if version is not None and not (isinstance(version, int) and 0 < version <= _VERSION):
        raise ValueError(f"version {version!r:.40} of SenML is not known (§4.4)")
    for key in ("bn", "bu"):
        if key in fields:
            base[key] = _text(fields, key)
    for key in ("bt", "bv", "bs"):
        if key in fields:
            base[key] = _number(fields, key)
    if fields.keys() <= _BASE or (lwm2m and "vlo" in given):
        return []
    values = [key for key in _VALUES if key in fields]
    if not values and "s" not in fields and base["bv"] is not None:
        values, fields["v"] = ["v"], 0
    if len(values) > 1:
        raise ValueError("a record has one value (§4.2)")
    if not values and "s" not in fields:
        raise ValueError("a record has a value or a sum (§4.2)")
    own = _text(fields, "n") if "n" in fields else ""
    name = base["bn"] + own
    if not name or name.removeprefix("/" if lwm2m else "")[:1] in "-:./_" or not _NAME.issuperset(name):
        raise ValueError(f"{name!r:.80} is no name (§4.5.1)")
    unit = _text(fields, "u") if "u" in fields else base["bu"]
    time = base["bt"] + (_number(fields, "t") if "t" in fields else 0.0)
    label = re.split(r"[:/]", own.rstrip(":/") or base["bn"].rstrip(":/"))[-1]
    common = {"base": base["bn"], "time": time if time >= _RELATIVE else now + time}
    records = []
    if values:
        value = _value(fields, values[0], base)
        records.append({"name": name, "own": own, "label": label, "value": value, **common})
        records[0]["kind"] = _VALUES[values[0]]
        if unit:
            records[0]["unit"] = unit
    if "s" in fields:
        total = (base["bs"] or 0.0) + _number(fields, "s")
        summed = {"name": name + "_sum", "own": own + "_sum", "label": label + "_sum", "value": total}
        records.append({**summed, "kind": "sum", **common})
        if unit in _SUMMED:
            records[-1]["unit"] = _SUMMED[unit]
    return records


def _fields(given: dict[Any, Any]) -> dict[str, Any]:
    """Fields by their JSON names; what is not known is left aside unless it must be understood (§4.4)."""
    fields: dict[str, Any] = {}
    for key, value in given.items():
        name = _LABELS.get(key) if type(key) is int else key
        if isinstance(name, str) and name.endswith("_"):
            raise ValueError(f"{name!r:.40} must be understood, and is not known")
        if name in _KNOWN and isinstance(name, str):
            if name in fields:
                raise ValueError(f"{name} is given twice")
            fields[name] = value
    return fields


def _value(fields: dict[str, Any], key: str, base: dict[str, Any]) -> Any:
    if key == "v":
        number = _number(fields, "v")
        return number if base["bv"] is None else base["bv"] + number
    if key == "vb":
        if not isinstance(fields["vb"], bool):
            raise ValueError("vb is true or false")
        return fields["vb"]
    if key == "vd" and isinstance(fields["vd"], bytes):  # CBOR has bytes where JSON has base64url
        return (
            msgspec.json.decode(msgspec.json.encode(fields["vd"]), type=str).translate(_URL_SAFE).rstrip("=")
        )
    return _text(fields, key)


_URL_SAFE = str.maketrans("+/", "-_")


def _text(fields: dict[str, Any], key: str) -> str:
    value = fields[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is a text")
    return value


def _number(fields: dict[str, Any], key: str) -> Any:
    value = fields[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        try:
            value = float(value)  # a decimal fraction of CBOR
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{key} is a number") from None
        if isinstance(fields[key], bool | str | bytes):
            raise ValueError(f"{key} is a number")
    if not math.isfinite(value) or abs(value) > 1e300:
        raise ValueError(f"{key} is a finite number")
    return value

"""Signs of the units that cities meet most, by their UN/CEFACT code (Recommendation 20)."""

from __future__ import annotations

_SIGNS = {
    "CEL": "°C", "KEL": "K", "P1": "%", "C62": "", "MTR": "m", "CMT": "cm", "MMT": "mm", "KMT": "km", "KMH": "km/h",
    "MTS": "m/s", "KGM": "kg", "WTT": "W", "KWT": "kW", "KWH": "kWh", "WHR": "Wh", "VLT": "V", "AMP": "A", "HTZ": "Hz",
    "LUX": "lx", "LUM": "lm", "SEC": "s", "MIN": "min", "HUR": "h", "DAY": "d", "59": "ppm", "GQ": "µg/m³",
    "2N": "dB", "PAL": "Pa", "A97": "hPa", "LTR": "l", "MTQ": "m³", "MQH": "m³/h", "DD": "°", "MTK": "m²", "E34": "GB",
    "DBM": "dBm", "GM": "g/m²", "OHM": "Ω", "D54": "W/m²",
}  # fmt: skip


def symbol(code: object) -> str:
    """The sign of a unit; the code itself where we know none; "" for no unit."""
    return _SIGNS.get(code, code) if isinstance(code, str) else ""

"""Payloads for people: JSON set out, text as it is, anything else as hexadecimal figures; and back."""

from __future__ import annotations

import binascii
from typing import Literal

import msgspec

Form = Literal["json", "text", "hex"]
MOST_SHOWN = 16_384  # bytes
_ROW = 16


class Readable(msgspec.Struct, frozen=True):
    """A payload as it can be read. `left_out`: bytes at its end that are not shown."""

    form: Form
    text: str
    left_out: int = 0


def readable(payload: bytes) -> Readable:
    """A payload for people."""
    text = as_text(payload)
    if text is None:
        shown = payload[: MOST_SHOWN // 4]
        return Readable("hex", dump(shown), len(payload) - len(shown))
    if len(payload) <= MOST_SHOWN:
        try:
            msgspec.json.decode(payload)
            return Readable("json", msgspec.json.format(payload, indent=2).decode())
        except (msgspec.DecodeError, RecursionError):
            return Readable("text", text)
    return Readable("text", text[:MOST_SHOWN], len(payload) - len(text[:MOST_SHOWN].encode()))


def as_text(payload: bytes) -> str | None:
    """The text of a payload; None if it is none, or has signs in it that cannot be shown."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return None
    return text if all(sign.isprintable() or sign in "\r\n\t" for sign in text) else None


def dump(payload: bytes) -> str:
    """Position, figures, and signs where there are any."""
    rows = []
    for at in range(0, len(payload), _ROW):
        part = payload[at : at + _ROW]
        signs = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in part)
        rows.append(f"{at:06x}  {part.hex(' '):<{_ROW * 3 - 1}}  {signs}")
    return "\n".join(rows)


def written(text: str, form: str) -> bytes:
    """The payload that somebody wrote into a form, as `text` or `hex`. Raises ValueError, for a person."""
    if form != "hex":
        return text.encode()
    try:
        return binascii.unhexlify("".join(text.split()).replace(":", ""))
    except (binascii.Error, ValueError):
        raise ValueError("two hexadecimal figures a byte are expected, such as 01 ff 7a") from None

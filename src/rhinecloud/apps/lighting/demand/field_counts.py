"""What field gateways counted while the network was gone, told when it is back: whole quarters of an hour, without
small numbers. Strict as a detection is: nothing else has a place in it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Final, Literal

import msgspec

from .counting import FEWEST, QUARTER, Count
from .neighbours import Kind
from .passing import Placed

LONGEST: Final = 64 * 1024  # bytes of a message
OLDEST: Final = 7 * 86_400  # seconds: as long as a table waits for a gateway that is away
_AHEAD: Final = 30.0  # seconds: clocks differ
_MOST: Final = 20 * QUARTER  # passings that one detector may tell of in a quarter
Reason = Literal["size", "form", "detector", "number", "clock"]


class Refused(Exception):  # noqa: N818  # says what it is
    """A message that is no such report: which rule was broken, and nothing of what was in it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one quarter of an hour that began at `begin` (seconds since 1970): detector, kind, number."""

    begin: int
    counts: Annotated[tuple[tuple[str, Kind, int], ...], msgspec.Meta(max_length=1_000)]


_decode = msgspec.json.Decoder(Report).decode


def read(
    payload: bytes, detectors: Mapping[str, Placed], own: Collection[str], now: float
) -> tuple[int, list[Count]]:
    """When the quarter began, and its counts, all or none. `own`: detectors of the gateway's table. Raises Refused; a
    number below five refuses the whole, so that a gateway that tells them is noticed."""
    if len(payload) > LONGEST:
        raise Refused("size")
    try:
        said = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused("form") from None  # the error would name what it found
    if said.begin % QUARTER or not now - OLDEST <= said.begin <= now + _AHEAD - QUARTER:
        raise Refused("clock")
    cells = {(detector, kind) for detector, kind, _ in said.counts}
    if len(cells) < len(said.counts):
        raise Refused("form")
    for detector, kind, number in said.counts:
        if detector not in own or detector not in detectors or kind not in detectors[detector].kinds:
            raise Refused("detector")
        if not FEWEST <= number <= _MOST:
            raise Refused("number")
    return said.begin, [Count(detector, kind, said.begin, number) for detector, kind, number in said.counts]

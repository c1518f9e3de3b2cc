"""What a detector says, strictly: nothing but what a detection is has a place in it, least of all what names a person
or a machine (an address of a radio, a number plate, an id). Pure."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from .neighbours import Detector, Kind
from .reacting import STALE, Detection

LONGEST: Final = 200  # bytes of a message
KINDS: Final[tuple[Kind, ...]] = ("vehicle", "cyclist", "pedestrian")
Reason = Literal["size", "form", "kind", "clock"]


class Refused(Exception):  # noqa: N818  # says what it is
    """A message that is no detection. It says which rule was broken and nothing of what was in the message."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Passed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody passed. `speed` in metres a second, `at` in seconds since 1970 (else when it arrives), `forward` by the
    detector's bearing."""

    kind: Kind | None = None
    forward: bool | None = None
    speed: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None
    at: float | None = None


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A detector as the city knows it. `kinds`: whom it tells apart; the first is meant where it does not say."""

    id: str
    name: str
    lon: float
    lat: float
    kinds: tuple[Kind, ...]
    bearing: float | None = None
    street: str = ""

    def detector(self) -> Detector:
        """For the tables."""
        return Detector(self.id, (self.lon, self.lat), self.street, self.bearing)


_decode = msgspec.json.Decoder(Passed).decode


def read(payload: bytes, detector: Placed, now: float) -> Detection:
    """A detection of a message that came at `now`. Raises Refused."""
    if len(payload) > LONGEST:
        raise Refused("size")
    try:
        said = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused("form") from None  # the error would name what it found
    kind = said.kind or detector.kinds[0]
    if kind not in detector.kinds:
        raise Refused("kind")
    at = now if said.at is None else said.at
    if not abs(now - at) <= STALE:
        raise Refused("clock")
    return Detection(detector.id, at, kind, said.forward, said.speed)

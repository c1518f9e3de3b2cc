"""What an operator may set: RHINECLOUD_LIGHTING_… (docs/reference/talq.md)."""

from __future__ import annotations

from typing import Annotated

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """Files are PEM. `talq_certificate` and `talq_key` are shown to gateways that ask for a certificate;
    `talq_authority` are those who sign the certificates of gateways, in place of those that the system trusts. A
    gateway that is not heard for `talq_silent_minutes` raises an alarm."""

    talq_certificate: str | None = None
    talq_key: str | None = None
    talq_authority: str | None = None
    talq_silent_minutes: Annotated[int, msgspec.Meta(ge=1)] = 60

"""What an operator may set: RHINECLOUD_LIGHTING_… (docs/reference/talq.md, docs/reference/lighting-accounts.md)."""

from __future__ import annotations

from typing import Annotated

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """Files are PEM. `talq_certificate` and `talq_key` are shown to gateways that ask for a certificate;
    `talq_authority` are those who sign the certificates of gateways, in place of those that the system trusts. A
    gateway that is not heard for `talq_silent_minutes` raises an alarm.

    In the accounts a measured power holds for `accounts_power_minutes` at the most, and a level that a lamp told for
    `accounts_level_hours`; a lamp whose power is not measured is taken to need `accounts_controller_watts` day and
    night; rows of single lamps are kept for `accounts_lamp_days`."""

    talq_certificate: str | None = None
    talq_key: str | None = None
    talq_authority: str | None = None
    talq_silent_minutes: Annotated[int, msgspec.Meta(ge=1)] = 60
    accounts_power_minutes: Annotated[int, msgspec.Meta(ge=1)] = 30
    accounts_level_hours: Annotated[int, msgspec.Meta(ge=1)] = 18
    accounts_controller_watts: Annotated[float, msgspec.Meta(ge=0)] = 0.5
    accounts_lamp_days: Annotated[int, msgspec.Meta(ge=62)] = 1_100

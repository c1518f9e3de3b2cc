"""What an operator may set: RHINECLOUD_LIGHTING_… (docs/reference: talq, lighting-accounts, lighting-lorawan)."""

from __future__ import annotations

from typing import Annotated

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """Files are PEM. `talq_certificate` and `talq_key` are shown to gateways that ask for a certificate;
    `talq_authority` are those who sign the certificates of gateways, in place of those that the system trusts. With
    `talq_client_certificates` a gateway that calls has to show one that `tls_client_authority` signed for its name. A
    gateway that is not heard for `talq_silent_minutes` raises an alarm.

    In the accounts a measured power holds for `accounts_power_minutes` at the most, and a level that a lamp told for
    `accounts_level_hours`; a lamp whose power is not measured is taken to need `accounts_controller_watts` day and
    night; rows of single lamps are kept for `accounts_lamp_days`.

    `lorawan_networks` is a file (TOML) of LoRaWAN network servers. A schedule is sent to all lamps of a group
    `lorawan_rounds` times at the most, the first pause is `lorawan_pause_seconds`, each further one twice as long; a
    lamp whose clock is wrong by more than `lorawan_drift_seconds` raises an alarm."""

    talq_certificate: str | None = None
    talq_key: str | None = None
    talq_authority: str | None = None
    talq_client_certificates: bool = False
    talq_silent_minutes: Annotated[int, msgspec.Meta(ge=1)] = 60
    accounts_power_minutes: Annotated[int, msgspec.Meta(ge=1)] = 30
    accounts_level_hours: Annotated[int, msgspec.Meta(ge=1)] = 18
    accounts_controller_watts: Annotated[float, msgspec.Meta(ge=0)] = 0.5
    accounts_lamp_days: Annotated[int, msgspec.Meta(ge=62)] = 1_100
    lorawan_networks: str | None = None
    lorawan_rounds: Annotated[int, msgspec.Meta(ge=1, le=20)] = 4
    lorawan_pause_seconds: Annotated[float, msgspec.Meta(gt=0)] = 1_200
    lorawan_drift_seconds: Annotated[float, msgspec.Meta(gt=0)] = 60

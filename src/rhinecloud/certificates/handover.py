"""What the supervisor hands to the process that gets certificates."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Self

import msgspec

from rhinecloud.settings import Settings, from_json, to_json

_VARIABLE = "RHINECLOUD_CERTIFICATES"


class Handover(msgspec.Struct, frozen=True):
    """The settings, the socket that listens on `acme_port`, and the address that pages are served at."""

    settings: Settings
    listen_fd: int
    https: str

    def to_env(self) -> dict[str, str]:
        """The environment variable that carries this."""
        document = {"settings": to_json(self.settings), "listen_fd": self.listen_fd, "https": self.https}
        return {_VARIABLE: msgspec.json.encode(document).decode()}

    @classmethod
    def from_env(cls, environ: MutableMapping[str, str] | None = None) -> Self:
        """Take what `to_env` wrote; it names passwords, so that nothing started from here inherits it."""
        document = msgspec.json.decode((os.environ if environ is None else environ).pop(_VARIABLE))
        return cls(from_json(document["settings"]), document["listen_fd"], document["https"])

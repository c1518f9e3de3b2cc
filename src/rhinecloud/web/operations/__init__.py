"""The pages of those who look after the installation: devices, profiles, what was not understood, subscriptions,
jobs, mail.

Each module gives `routes(shell)`. A form posts to an address of its own and is answered by a redirection to the page
that shows what became of it (`?done=…`); what cannot be done is said on the page of the form, with status 422.
"""

from __future__ import annotations

from starlette.routing import BaseRoute

from ..shell import Shell
from . import device, devices, jobs, mail, profiles, subscriptions, unmapped


def routes(shell: Shell) -> list[BaseRoute]:
    """All pages of operations but the figures at /health."""
    return [
        *subscriptions.routes(shell),
        *devices.routes(shell),
        *device.routes(shell),
        *profiles.routes(shell),
        *unmapped.routes(shell),
        *jobs.routes(shell),
        *mail.routes(shell),
    ]


__all__ = ["routes"]

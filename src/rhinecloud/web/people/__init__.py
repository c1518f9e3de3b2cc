"""The pages of people: signing in, registering, one's own account, links and invitations, people and organisations.

Offers `routes(shell)`.
"""

from __future__ import annotations

from starlette.routing import BaseRoute

from rhinecloud.people.oidc import Oidc

from ..shell import Shell
from . import account, links, oidc, people, sign_in, tokens


def routes(shell: Shell) -> list[BaseRoute]:
    """All pages of people."""
    provider = Oidc.of(shell.people, shell.settings)
    return [
        *sign_in.routes(shell, provider),
        *oidc.routes(shell, provider),
        *links.routes(shell),
        *account.routes(shell),
        *people.routes(shell),
        *tokens.routes(shell),
    ]


__all__ = ["routes"]

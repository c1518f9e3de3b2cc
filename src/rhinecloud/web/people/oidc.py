"""Signing in by the city's own identity provider, and out of it again."""

from __future__ import annotations

import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from rhinecloud.people import PUBLIC
from rhinecloud.people.browsers import device_of
from rhinecloud.people.oidc import Oidc
from rhinecloud.people.oidc_provider import ProviderFails
from rhinecloud.people.passkeys import Refused
from rhinecloud.people.sessions import is_secure

from ..addresses import SIGN_IN, inside
from ..shell import Shell
from ..sight import PermittedRoute
from .browsing import base_of, secret_of, signed_in

PATH = f"{SIGN_IN}/oidc"
_LASTING = 600  # seconds for which the cookie of a sign-in that is under way is kept
_log = logging.getLogger(__name__)


def routes(shell: Shell, oidc: Oidc | None) -> list[BaseRoute]:
    """`/sign-in/oidc` and where the provider sends people back to; 404 where there is no provider."""
    # Lax: the provider leads back here from its own pages.
    cookie = "__Host-rhinecloud-oidc" if is_secure(shell.settings) else "rhinecloud-oidc"

    def provider() -> Oidc:
        if oidc is None:
            raise HTTPException(404)
        return oidc

    async def begin(request: Request) -> Response:
        back = inside(request.query_params.get("next"))
        try:
            address, state = await provider().begin(base_of(shell, request), back)
        except ProviderFails as error:
            return _failed(shell, request, error)
        response = RedirectResponse(address, 303, {"Cache-Control": "no-store"})
        response.set_cookie(
            cookie,
            state,
            max_age=_LASTING,
            path="/",
            secure=is_secure(shell.settings),
            httponly=True,
            samesite="lax",
        )
        return response

    async def enter(request: Request) -> Response:
        device = device_of(request.headers.get("user-agent", "")) or "Browser"
        try:
            entered = await provider().enter(
                base_of(shell, request),
                dict(request.query_params),
                request.cookies.get(cookie),
                device,
                shell.renderer.of(request).code,
                secret_of(shell, request),
            )
        except (ProviderFails, Refused) as error:
            return _failed(shell, request, error)
        response = RedirectResponse(entered.back, 303, {"Cache-Control": "no-store"})
        response.delete_cookie(cookie, path="/", secure=is_secure(shell.settings), httponly=True)
        return signed_in(shell, response, entered.session)

    return [
        PermittedRoute(PATH, begin, PUBLIC.name),
        PermittedRoute(f"{PATH}/callback", enter, PUBLIC.name),
    ]


def leaving(shell: Shell, request: Request, address: str) -> Response:
    """The page after a sign-out here that leads on to the provider's. Not by a redirect: browsers let forms lead to our
    own pages only (`form-action 'self'`)."""
    response = shell.renderer.page(request, "people/oidc.html", failed=False, address=address)
    response.headers["Refresh"] = f"0; url={address}"
    return response


def _failed(shell: Shell, request: Request, error: Exception) -> Response:
    _log.warning("a sign-in by the identity provider failed: %s", error)
    blocked = isinstance(error, Refused)
    return shell.renderer.page(
        request, "people/oidc.html", 403 if blocked else 502, failed=True, blocked=blocked, address=""
    )

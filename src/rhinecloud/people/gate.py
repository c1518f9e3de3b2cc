"""The gate before all parts: finds once who asks, and puts the actor into the ASGI scope.

A session's cookie, an API token (`Authorization: Bearer rc_…`), else anybody. What each may do the parts decide, route
by route (`permissions.py`). Other bearers are secrets of devices, which the route that takes them looks at.
"""

from __future__ import annotations

import asyncio
import functools
import json
import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from rhinecloud.settings import Settings

from .actors import ACTOR, OPEN, Actor
from .identities import Identities, Identity
from .limits import COUNT, Limits
from .origins import is_foreign, is_known, is_own, names_of
from .permissions import Permission
from .sessions import SCOPE, cookie_name

PREFIX: Final = "rc_"  # of API tokens
CHALLENGE: Final = (b"www-authenticate", b'Bearer realm="Rhine Cloud"')
_INVALID = (b"www-authenticate", b'Bearer realm="Rhine Cloud", error="invalid_token"')
MACHINES: Final = ("/ngsi-ld/", "/api/", "/metrics")  # paths to which programs come; all others are pages
WAIT: Final = "rhinecloud.wait"  # in the scope: seconds until who asks too often may ask again
_LIVE = "/live/"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class Denied(Exception):  # noqa: N818  # says what became of the request
    """The actor may not do this: 401 for anybody (who could sign in), 403 for others."""

    def __init__(self, actor: Actor, permission: str) -> None:
        anybody = actor.kind == "anonymous"
        self.status = 401 if anybody else 403
        self.title = "Unauthorized" if anybody else "Forbidden"
        self.headers: tuple[tuple[bytes, bytes], ...] = (CHALLENGE,) if anybody else ()
        needed = f"this needs the permission {permission}"
        super().__init__(f"{needed}: send an API token" if anybody else needed)


def demand(actor: Actor, permission: Permission) -> None:
    """Raises Denied unless the actor has the permission."""
    if not actor.may(permission):
        raise Denied(actor, permission.name)


class Gate:
    """ASGI middleware. `identities` is None for an installation that nobody signs in to; `tell` wakes other workers
    after something was done here that may have changed who may do what. `judged_by_app`: whether a request comes with a
    secret that an app judges itself; `known_to_app`: whether a page of an app knows who sends it."""

    def __init__(
        self,
        app: AsgiApp,
        settings: Settings,
        identities: Identities | None,
        limits: Limits,
        tell: Callable[[], Awaitable[None]],
        judged_by_app: Callable[[Scope], bool],
        known_to_app: Callable[[Scope], Awaitable[bool]],
    ) -> None:
        self._app = app
        self._judged_by_app = judged_by_app
        self._known_to_app = known_to_app
        self._identities = None if settings.open else identities
        self._limits = limits
        self._tell = tell
        self._cookie = cookie_name(settings)
        self._names = names_of(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the actor, or refuse: an unknown token (401), a foreign page (403), too often (429)."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        of_api = scope["path"].startswith(MACHINES)
        scope[COUNT] = functools.partial(self._limits.count, scope, headers)
        if self._identities is None:
            return await self._open(scope, receive, send, headers, of_api=of_api)
        token, cookie = _bearer(headers), _cookie(headers, self._cookie)
        if token is not None:
            identity = await self._identities.of_token(token)
            if identity is None:
                wait = self._limits.failed(scope, headers)
                if wait:
                    return await _too_often(send, wait)
                return await _refuse(send, 401, "Unauthorized", "no such API token (any more)", _INVALID)
        else:
            identity = await self._identities.of_session(cookie) if cookie else None
        identity = identity or await self._identities.anybody()
        safe = scope["method"] in _SAFE
        # A cookie comes with whatever a browser sends, also for others' pages: those must not act in its name. Pages
        # have the same check for everybody (web/forms.py), with an answer for people.
        if of_api and identity.session is not None and not safe and not is_own(headers):
            return await _refuse(send, 403, "Forbidden", "a page from elsewhere may not change anything here")
        scope[ACTOR] = identity.actor
        if identity.session is not None:
            scope[SCOPE] = identity.session
        anonymous = identity.actor.kind == "anonymous"
        if anonymous and not of_api and not safe and await self._known_to_app(scope):
            return await self._app(scope, receive, send)  # it has no session that could be changed
        if anonymous and of_api and self._judged_by_app(scope):
            wait = self._limits.take_unjudged(scope, headers)
        else:
            wait = self._limits.take(scope, headers, identity.actor, of_api=of_api)
        if wait:
            if of_api:
                return await _too_often(send, wait)
            scope[WAIT] = wait  # the pages say so in the reader's language, and do nothing else
            return await self._app(scope, receive, send)
        if scope["path"].startswith(_LIVE):
            return await self._watched(scope, receive, send, identity, token, cookie)
        if safe or scope["path"].startswith("/ngsi-ld/"):
            return await self._app(scope, receive, send)
        return await self._changing(scope, receive, send)

    async def _open(
        self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str], *, of_api: bool
    ) -> None:
        """Whoever reaches the address may do everything; but a page from elsewhere that runs in a browser of this
        machine may not, nor may one whose name was made to point here."""
        scope[ACTOR] = OPEN
        if of_api:
            host = headers.get("host", "")
            if not is_known(host, self._names):
                detail = f"this installation is not known as {host!r:.100}"
                return await _refuse(send, 403, "Forbidden", detail)
            if scope["method"] not in _SAFE and is_foreign(headers):
                detail = "a page from elsewhere may not change anything here"
                return await _refuse(send, 403, "Forbidden", detail)
        return await self._app(scope, receive, send)

    async def _changing(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Whatever is changed by a page may be a session, a token or a role: who asks after the answer is looked up
        again. Of other workers, once they hear of it."""
        assert self._identities is not None
        identities, told = self._identities, False

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal told
            if not told:
                told = True
                identities.forget()
                await self._tell()
            await send(message)

        await self._app(scope, receive, sending)

    async def _watched(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        identity: Identity,
        token: str | None,
        cookie: str | None,
    ) -> None:
        """A live view lasts: it ends when who looks is somebody else by now (signed out, another role)."""
        assert self._identities is not None
        identities = self._identities
        over = asyncio.Event()

        async def watch() -> None:
            while True:
                await identities.changed()
                if token is not None:
                    now = await identities.of_token(token)
                else:
                    now = await identities.of_session(cookie) if cookie else None
                if (now or await identities.anybody()).actor != identity.actor:
                    over.set()
                    return

        async def receiving() -> MutableMapping[str, Any]:
            if over.is_set():
                return {"type": "http.disconnect"}
            message = asyncio.ensure_future(receive())
            ending = asyncio.ensure_future(over.wait())
            try:
                await asyncio.wait({message, ending}, return_when=asyncio.FIRST_COMPLETED)
                return message.result() if message.done() else {"type": "http.disconnect"}
            finally:
                message.cancel()
                ending.cancel()

        watching = asyncio.create_task(watch(), name="watch of a live view")
        try:
            await self._app(scope, receiving, send)
        finally:
            watching.cancel()


def _bearer(headers: dict[str, str]) -> str | None:
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    secret = secret.strip()
    return secret if scheme.lower() == "bearer" and secret.startswith(PREFIX) else None


def _cookie(headers: dict[str, str], name: str) -> str | None:
    given = headers.get("cookie", "")
    if name not in given:
        return None
    for part in given.split(";"):
        key, _, value = part.partition("=")
        if key.strip() == name:
            return value.strip()
    return None


async def _too_often(send: Send, wait: float) -> None:
    seconds = str(max(1, math.ceil(wait))).encode()
    await _refuse(send, 429, "Too many requests", "too often; try again later", (b"retry-after", seconds))


async def _refuse(send: Send, status: int, title: str, detail: str, *headers: tuple[bytes, bytes]) -> None:
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body = json.dumps(problem).encode()
    fields = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})

"""Forms that change something: whence they may come, how large they may be, what is in them.

A form is taken from our own pages only. Browsers say where a request began (Sec-Fetch-Site, where the connection is
secure or local; Origin otherwise); a request that says neither is refused, for programs have the APIs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rhinecloud.people.origins import is_known, is_own

MOST_BYTES = 5_000_000
_MOST_FIELDS = 2_000
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
Refuse = Callable[[Request, int], Awaitable[Response]]


class OwnForms:
    """ASGI middleware that lets only our own pages change something.

    `hosts` are the names by which this installation is known, None for any: an attacker's name that was made to point
    at a loopback address (DNS rebinding) is of its own origin and would pass otherwise.
    """

    def __init__(self, app: ASGIApp, refuse: Refuse, hosts: frozenset[str] | None) -> None:
        self._app = app
        self._refuse = refuse
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is safe or ours; 403 for what came from elsewhere, 413 for what is too large."""
        if scope["type"] != "http" or scope["method"] in _SAFE:
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        if not (is_own(headers) and is_known(headers.get("host", ""), self._hosts)):
            return await (await self._refuse(Request(scope), 403))(scope, receive, send)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return await (await self._refuse(Request(scope), 413))(scope, receive, send)
        left = MOST_BYTES

        async def limited() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413)
            return message

        return await self._app(scope, limited, send)


async def fields(request: Request) -> dict[str, str]:
    """The fields of an urlencoded form, the last of each name. Raises HTTPException 400."""
    body = await request.body()
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise HTTPException(400) from error
    # Browsers send line ends as CR LF.
    return {name: value.replace("\r\n", "\n") for name, value in pairs}


async def upload(request: Request, name: str) -> tuple[FormData, bytes]:
    """A form with a file, and the file's content (b"" if none was chosen). Raises HTTPException 400."""
    form = await request.form(max_files=1, max_fields=20, max_part_size=MOST_BYTES)
    file = form.get(name)
    return form, await file.read() if isinstance(file, UploadFile) else b""

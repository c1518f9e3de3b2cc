"""Forms with files (multipart/form-data, RFC 7578), read as they arrive: no file is ever whole in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from rhinecloud.tasks import stop

from .checks import Refused, Rules
from .files import Files, Upload

_MOST_FIELDS = 200
_MOST_TEXT = 1_000_000  # bytes of all fields that are no files
_LARGEST_HEADER = 8_192  # bytes of one part's headers
_MOST_HEADERS = 20
_PATIENCE = 1_800.0  # seconds for the whole form


class Form(msgspec.Struct, frozen=True):
    """What was sent: the fields (the last value of each name), and the files by the name of their field."""

    fields: dict[str, str]
    uploads: dict[str, list[Upload]]


async def receive_form(
    files: Files, content_type: str, body: AsyncIterable[bytes], rules: Rules | None = None
) -> Form:
    """Read a form; its files are checked by `rules` and stored, to be kept by `Files.keep` within a day.

    A file input that was left empty gives no upload. Raises Refused for the first file that is not taken ("too-many"
    among the reasons, "malformed" for a body that is no form), and what `Files.receive` raises.
    """
    rules = rules or Rules()
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise Refused("malformed", "the body is no multipart/form-data")
    parts = _Parts(options[b"boundary"])
    try:
        async with asyncio.timeout(_PATIENCE), aclosing(parts.read(body)) as found:
            return await _collect(files, found, rules)
    except TimeoutError:
        raise Refused("too-slow", "the form did not arrive in time") from None


async def _collect(files: Files, parts: AsyncIterator[_Part], rules: Rules) -> Form:
    fields: dict[str, str] = {}
    uploads: dict[str, list[Upload]] = {}
    count = texts = 0
    async for part in parts:
        if part.filename is None:
            value = b""
            async for block in part.content():
                value += block
                texts += len(block)
                if texts > _MOST_TEXT:
                    raise Refused("too-large", "the form's texts are too long", limit=_MOST_TEXT)
            if len(fields) >= _MOST_FIELDS:
                raise Refused("too-many", f"the form has more than {_MOST_FIELDS} fields", limit=_MOST_FIELDS)
            fields[part.name] = value.decode("utf-8", "replace")
        elif part.filename == "":
            async for _ in part.content():
                raise Refused("malformed", "a file has no name")
        else:
            count += 1
            if count > rules.count:
                raise Refused("too-many", f"there are more than {rules.count} files", limit=rules.count)
            upload = await files.receive(part.filename, part.content(), rules)
            uploads.setdefault(part.name, []).append(upload)
    return Form(fields, uploads)


class _Part:
    """One part of a form; its content is read before the next part comes."""

    def __init__(self, name: str, filename: str | None) -> None:
        self.name = name
        self.filename = filename
        # One block ahead: who sends faster than we store is slowed by the connection.
        self.blocks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(1)

    async def content(self) -> AsyncIterator[bytes]:
        while (block := await self.blocks.get()) is not None:
            if isinstance(block, Exception):
                raise block
            yield block


class _Parts:
    """Turns the parser's calls into parts that can be awaited."""

    def __init__(self, boundary: bytes) -> None:
        self._events: list[tuple[str, bytes]] = []
        event = self._events.append
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": lambda: event(("begin", b"")),
                "on_part_data": lambda data, start, end: event(("data", data[start:end])),
                "on_part_end": lambda: event(("end", b"")),
                "on_header_field": lambda data, start, end: event(("field", data[start:end])),
                "on_header_value": lambda data, start, end: event(("value", data[start:end])),
                "on_header_end": lambda: event(("header", b"")),
                "on_headers_finished": lambda: event(("headers", b"")),
                "on_end": lambda: event(("over", b"")),
            },
        )
        self._found: asyncio.Queue[_Part | Exception | None] = asyncio.Queue(1)
        self._open: _Part | None = None

    async def read(self, body: AsyncIterable[bytes]) -> AsyncGenerator[_Part, None]:
        """The parts; each one's content must be read before the next is asked for."""
        feeding = asyncio.create_task(self._feed(body), name="form")
        try:
            while (part := await self._found.get()) is not None:
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            await stop(feeding)

    async def _feed(self, body: AsyncIterable[bytes]) -> None:
        try:
            await self._parse(body)
        except FormParserError as error:
            await self._fail(Refused("malformed", f"the form cannot be read: {error}"))
        except Exception as error:
            await self._fail(error)
        else:
            await self._found.put(None)

    async def _fail(self, error: Exception) -> None:
        """Whoever waits hears of it: the reader of the part that is open, else who asks for the next."""
        if self._open is not None:
            await self._open.blocks.put(error)
        else:
            await self._found.put(error)

    async def _parse(self, body: AsyncIterable[bytes]) -> None:
        headers: dict[bytes, bytes] = {}
        field = value = b""
        over = False
        async for block in body:
            self._parser.write(block)
            for kind, data in self._events:
                if kind == "data" and self._open is not None:
                    await self._open.blocks.put(data)
                elif kind == "begin":
                    headers, field, value = {}, b"", b""
                elif kind == "field":
                    field += data
                elif kind == "value":
                    value += data
                elif kind == "header":
                    headers[field.lower()] = value
                    field = value = b""
                elif kind == "headers":
                    part = _part_of(headers)
                    await self._found.put(part)
                    self._open = part
                elif kind == "end" and self._open is not None:
                    ended, self._open = self._open, None
                    await ended.blocks.put(None)
                elif kind == "over":
                    over = True
                if len(field) + len(value) > _LARGEST_HEADER or len(headers) > _MOST_HEADERS:
                    raise Refused("malformed", "the headers of a part are too long")
            self._events.clear()
        if not over:
            raise Refused("malformed", "the form is not complete")


def _part_of(headers: dict[bytes, bytes]) -> _Part:
    _, options = parse_options_header(headers.get(b"content-disposition", b""))
    name = options.get(b"name")
    if name is None:
        raise Refused("malformed", "a part of the form has no name")
    filename = options.get(b"filename")
    return _Part(
        name.decode("utf-8", "replace"), filename.decode("utf-8", "replace") if filename is not None else None
    )

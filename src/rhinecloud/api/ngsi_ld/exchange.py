"""One request and its answer: content negotiation, @context, parameters (CIM 009 §6.3)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import msgspec

from rhinecloud.broker.contexts import Contexts
from rhinecloud.broker.outbound import Allowed
from rhinecloud.model import CORE, CORE_CONTEXT_URL, BadRequestData, Context, InvalidRequest, NgsiLdError
from rhinecloud.model.sight import Sight
from rhinecloud.people import Actor

JSON = "application/json"
LD_JSON = "application/ld+json"
GEO_JSON = "application/geo+json"
MERGE_PATCH = "application/merge-patch+json"
CONTEXT_RELATION = "http://www.w3.org/ns/json-ld#context"

_LINK = re.compile(r"<([^<>]*)>\s*((?:;[^,]*)*)")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_MAX_LIMIT = 1_000
_APPLIED = (b"preference-applied", b"ngsi-ld=1.8")


class HttpError(NgsiLdError):
    """What HTTP itself has to say, in the form of the standard's errors (CIM 009 §6.3.4)."""

    def __init__(
        self, status: int, title: str, detail: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status  # type: ignore[misc]
        self.title = title  # type: ignore[misc]
        self.headers = headers

    @property
    def type(self) -> str:
        return "about:blank"


class Answer(msgspec.Struct, frozen=True):
    """Status, JSON body (None for none) and headers. Errors are plain JSON too (§6.3.3)."""

    status: int
    body: Any = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    media_type: str = JSON


class Exchange:
    """A request whose body has been read and whose parameters are those of its route. `segments` are the decoded
    parts of the path below /ngsi-ld/v1/, `actor` is who asks, `sight` what they may read of the tenant's graph."""

    __slots__ = (
        "_contexts",
        "_shared",
        "actor",
        "body",
        "headers",
        "method",
        "parameters",
        "segments",
        "sight",
    )

    def __init__(
        self,
        method: str,
        segments: list[str],
        parameters: dict[str, str],
        headers: dict[bytes, bytes],
        body: bytes,
        contexts: Contexts,
        actor: Actor,
        sight: Sight,
    ) -> None:
        self.actor = actor
        self.sight = sight
        self.method = method
        self.segments = segments
        self.headers = headers
        self.body = body
        self.parameters = parameters
        self._contexts = contexts
        self._shared: Context | None = None

    # Parameters -----------------------------------------------------------------------------------------------

    def list_of(self, name: str) -> tuple[str, ...]:
        """A comma-separated parameter."""
        return tuple(part.strip() for part in self.parameters.get(name, "").split(",") if part.strip())

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 0 to `most`. Raises BadRequestData."""
        text = self.parameters.get(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > 20 or int(text) > most:
            raise BadRequestData(f"{name} is a whole number from 0 to {most}, not {text!r:.40}", field=name)
        return int(text)

    def flag(self, name: str) -> bool:
        """Whether an option is on: `options=name`, or `name=true`."""
        return name in self.list_of("options") or self.parameters.get(name, "").lower() == "true"

    def limit(self) -> int:
        """Entities a page: 20 unless asked otherwise, 1,000 at most (§5.5.9)."""
        return self.number("limit", 20, _MAX_LIMIT)

    # What comes in --------------------------------------------------------------------------------------------

    def media_type(self) -> str:
        return self.headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()

    def document(self) -> Any:
        """The body as JSON. Raises HttpError 415, InvalidRequest, BadRequestData."""
        media_type = self.media_type()
        if media_type not in (JSON, LD_JSON) and not (media_type == MERGE_PATCH and self.method == "PATCH"):
            accepted = f"{JSON} or {LD_JSON}"
            raise HttpError(
                415,
                "Unsupported media type",
                f"the body is {media_type or 'untyped'}, not {accepted}",
                ((b"accept", f"{JSON}, {LD_JSON}".encode()),),
            )
        if b"\\u0000" in self.body:
            raise BadRequestData("texts with the character U+0000 cannot be stored")
        try:
            return _decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"the body is not JSON: {error}") from None
        except RecursionError:
            raise BadRequestData("the body is nested too deeply") from None

    def linked_context(self) -> str | None:
        """The @context that the Link header names (§6.3.5). Raises BadRequestData if it names several."""
        header = self.headers.get(b"link")
        if header is None:
            return None
        found = [
            match.group(1)
            for match in _LINK.finditer(header.decode("latin-1"))
            if CONTEXT_RELATION in match.group(2)
        ]
        if len(found) > 1:
            raise BadRequestData("the Link header names more than one @context", field="Link")
        return found[0] if found else None

    async def context(self) -> Context:
        """The @context of a request without a body, or with one that does not carry its own."""
        if self._shared is None:
            link = self.linked_context()
            self._shared = CORE if link is None else await self._contexts.get(link)
        return self._shared

    @property
    def allowed(self) -> Allowed:
        """Which hosts may be called."""
        return self._contexts.allowed

    @property
    def contexts(self) -> Contexts:
        """The @contexts that are stored here."""
        return self._contexts

    def context_url(self, local_id: str) -> str:
        """Where the client of this request reaches a stored @context."""
        return self._contexts.url_of(local_id, self.headers.get(b"host", b"").decode("latin-1"))

    async def named_context(self, url: str) -> Context:
        """The @context at a URL that a member names. Raises LdContextNotAvailable, BadRequestData."""
        return await self._contexts.get(url)

    async def shared_context(self) -> Context | None:
        """The @context of all items of a body, from the Link header; None for JSON-LD, where each has its own
        (§6.3.5). Raises BadRequestData for JSON-LD with a Link header."""
        if self.media_type() != LD_JSON:
            return await self.context()
        if self.linked_context() is not None:
            raise BadRequestData("application/ld+json carries its @context in the body, not in a Link header")
        return None

    async def context_of(self, document: Any) -> Context:
        """The @context of a body or of one item of it; it is taken out of the document (§6.3.5)."""
        shared = await self.shared_context()
        embedded = isinstance(document, dict) and "@context" in document
        if shared is None:
            if not embedded:
                raise BadRequestData("application/ld+json must carry an @context", field="/@context")
            return await self._contexts.get(document.pop("@context"))
        if embedded:
            raise BadRequestData(
                "application/json names its @context in a Link header, not in the body", field="/@context"
            )
        return shared

    def preferences(self) -> list[str]:
        """What the Prefer header says (§6.3.6)."""
        return [part.strip() for part in self.headers.get(b"prefer", b"").decode("latin-1").split(",")]

    # What goes out --------------------------------------------------------------------------------------------

    def accepted(self, *, geo: bool = False) -> str:
        """The media type to answer in (§6.3.6). Raises HttpError 406."""
        header = self.headers.get(b"accept")
        if header is None:
            return JSON
        offered = (JSON, LD_JSON, GEO_JSON) if geo else (JSON, LD_JSON)
        ranges: dict[str, float] = {}
        for part in header.decode("latin-1").split(","):
            media_type, *options = (piece.strip().lower() for piece in part.split(";"))
            ranges[media_type] = 1.0
            for option in options:
                if option.startswith("q="):
                    try:
                        ranges[media_type] = float(option[2:])
                    except ValueError:
                        ranges[media_type] = 0.0
        best, best_weight = "", 0.0
        for media_type in offered:  # of equals the first
            near = (r for r in (media_type, "application/*", "*/*") if r in ranges)
            weight = ranges.get(next(near, ""), 0.0)
            if weight > best_weight:
                best, best_weight = media_type, weight
        if not best:
            raise HttpError(406, "Not acceptable", f"the answer can be {', '.join(offered)}")
        return best


def page_links(
    exchange: Exchange, limit: int, offset: int, *, more: bool, media_type: str
) -> list[tuple[bytes, bytes]]:
    """Links to the next and the previous page of a list (§6.3.10); `more`: whether there is a next."""
    path = "/ngsi-ld/v1/" + "/".join(exchange.segments)
    links = []
    for relation, start, there in (
        ("next", offset + limit, more and limit > 0),
        ("prev", max(0, offset - limit), offset > 0),
    ):
        if there:
            parameters = urlencode({**exchange.parameters, "limit": limit, "offset": start})
            links.append(f'<{path}?{parameters}>;rel="{relation}";type="{media_type}"')
    return [(b"link", link.encode()) for link in links]


def respond(
    exchange: Exchange, body: Any, context: Context, media_type: str, *headers: tuple[bytes, bytes]
) -> Answer:
    """A 200 whose names are those of the context: in the body for JSON-LD, in a Link header otherwise (§6.3.6). Who
    prefers a version of NGSI-LD is told which one this is (§4.3.6.8)."""
    if any(one.startswith("ngsi-ld=") for one in exchange.preferences()):
        headers = (*headers, _APPLIED)
    if media_type == LD_JSON:
        member = context.as_member()
        if isinstance(body, list):
            body = [{"@context": member, **item} for item in body]
        else:
            body = {"@context": member, **body}
        return Answer(200, body, headers, LD_JSON)
    url = context.urls[0] if context.urls else CORE_CONTEXT_URL
    link = f'<{url}>; rel="{CONTEXT_RELATION}"; type="{LD_JSON}"'.encode()
    if media_type == GEO_JSON:
        if "body=json" not in exchange.preferences():
            body = {**body, "@context": context.as_member()}
        return Answer(200, body, ((b"link", link), *headers), GEO_JSON)
    return Answer(200, body, ((b"link", link), *headers), JSON)


def encode(body: Any) -> bytes:
    """JSON as it is sent."""
    return _encode(body)


def decode_query(query: bytes) -> dict[str, str]:
    """The parameters of a query string; of a repeated name the last counts."""
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else {}


def decode_segments(path: str) -> list[str]:
    """The parts of a raw path, each percent-decoded by itself, so that an encoded slash stays in its part."""
    return [unquote(part) for part in path.split("/")]

"""Compiled @contexts: names to IRIs and back by dictionary (CIM 009 §4.4, §5.5.5, §5.5.7; JSON-LD 1.1 §4).

A list of user contexts is compiled once into flat tables. The core context is always taken last and no user
term changes it. Fetching is not done here: remote contexts come through the `loader` that the caller gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urljoin

from rhinecloud.model import core_context
from rhinecloud.model.core_context import CORE_CONTEXT_URL, DEFAULT_VOCABULARY
from rhinecloud.model.errors import BadRequestData, LdContextNotAvailable

Loader = Callable[[str], Any]
"""URL of a remote context → its JSON document, an object with the member @context."""

MAX_DEPTH: Final = 32
MAX_REMOTE: Final = 64
MAX_INCLUDED: Final = 1_000  # how often documents are taken in, one of them several times too
MAX_TERMS: Final = 50_000
MAX_DEFINITIONS: Final = 100_000  # of all documents as often as they are taken in
MAX_CACHED: Final = 4_000
MAX_NAME: Final = 1024

# §4.6.2: a letter, then letters, numbers and underscores; a prefix or a whole IRI is accepted too.
_NAME = re.compile(r"[^\W\d_]\w*")
_PREFIXED_NAME = re.compile(r"[^\W\d_]\w*:[^\W\d_]\w*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`\x00-\x20]+")
_KEYWORD = re.compile(r"@[A-Za-z]+")
_PREFIX_END = tuple(":/?#[]@")
_CONTEXT_KEYWORDS = frozenset(
    {"@version", "@base", "@vocab", "@language", "@direction", "@propagate", "@protected"}
)


def is_name(text: str) -> bool:
    """Whether the text is a plain name of the grammar of CIM 009 §4.6.2 (no prefix)."""
    return _NAME.fullmatch(text) is not None


def is_iri(text: str) -> bool:
    """Whether the text has the form of an absolute URI or IRI (scheme, then no blanks or delimiters)."""
    return _IRI.fullmatch(text) is not None


def _is_writable_name(text: str) -> bool:
    """What a document may name a type or an attribute by: a name, a prefixed name, an IRI, or a keyword."""
    known = text in core_context.KEYWORD_ALIASES.values()
    return known or is_name(text) or is_iri(text) or _PREFIXED_NAME.fullmatch(text) is not None


class Context:
    """One compiled @context, immutable but for its caches. made by `Context.compile`."""

    __slots__ = (
        "_coercions",
        "_compacted",
        "_expanded",
        "_member",
        "_names",
        "_prefixes",
        "_terms",
        "documents",
        "urls",
    )

    def __init__(
        self,
        documents: tuple[Any, ...],
        terms: dict[str, str | None],
        coercions: dict[str, str],
        prefixes: dict[str, str],
        *,
        ends_with_core: bool,
    ) -> None:
        self.documents = documents
        self.urls: tuple[str, ...] = tuple(
            part for part in documents if isinstance(part, str) and not _is_core(part)
        )
        self._terms = terms
        self._coercions = coercions
        self._prefixes = prefixes
        self._expanded: dict[str, str] = {term: iri for term, iri in terms.items() if iri is not None}
        self._names: dict[str, str] = {}
        self._compacted = _shortest_terms(self._expanded)
        named = documents if ends_with_core else (*documents, CORE_CONTEXT_URL)
        self._member = named[0] if len(named) == 1 else list(named)

    @staticmethod
    def compile(documents: Sequence[Any] | Any, loader: Loader | None = None) -> Context:
        """Compile user contexts: URLs, context objects, documents with an @context, or lists of these.

        Raises BadRequestData for an invalid context and for scoped ones (§5.5.7), LdContextNotAvailable for
        a URL without a loader; what the loader raises passes through.
        """
        parts = tuple(_user_parts(documents))
        builder = _Builder(loader)
        builder.add(list(parts), base=None, chain=())
        terms, coercions, prefixes = builder.tables()
        return Context(parts, terms, coercions, prefixes, ends_with_core=builder.ends_with_core)

    @property
    def size(self) -> int:
        """The number of its terms, those of the core context among them."""
        return len(self._terms)

    def expand_term(self, term: str) -> str:
        """The IRI (or the keyword) that a term means; an unknown term falls into the default vocabulary."""
        iri = self._expanded.get(term)
        return self._expand_unseen(term) if iri is None else iri

    def expand_name(self, name: str) -> str:
        """As `expand_term` for the name of a type or an attribute; BadRequestData if it is none (§4.6.2)."""
        iri = self._names.get(name)
        if iri is not None:
            return iri
        if len(name) > MAX_NAME:
            raise BadRequestData(f"a name is longer than {MAX_NAME} characters")
        if not _is_writable_name(name):
            raise BadRequestData(f"{name!r} is no valid name: a letter, then letters, digits and underscores")
        iri = self.expand_term(name)
        if len(self._names) < MAX_CACHED:
            self._names[name] = iri
        return iri

    expand_type = expand_name

    def compact_iri(self, iri: str) -> str:
        """The shortest name for an IRI, or the IRI itself where the context has none (§5.5.7)."""
        name = self._compacted.get(iri)
        return self._compact_unseen(iri) if name is None else name

    def coercion(self, term: str) -> str | None:
        """The type coercion of a term: ``@id``, ``@vocab``, ``@json`` or the IRI of a datatype."""
        return self._coercions.get(term)

    def as_member(self) -> Any:
        """What to write as @context into a JSON-LD body: the user's contexts as given and, unless their
        documents end with it already, the core one; a single one by itself (§5.2.3, §4.4)."""
        return self._member

    def _expand_unseen(self, term: str) -> str:
        if term in self._terms:
            raise BadRequestData(f"the @context gives {term!r} no meaning (it is mapped to null)")
        iri = _expand(term, self._prefixes, DEFAULT_VOCABULARY)
        if len(self._expanded) < MAX_TERMS + MAX_CACHED:
            self._expanded[term] = iri
        return iri

    def _compact_unseen(self, iri: str) -> str:
        name = self._shorten(iri)
        if len(self._compacted) < MAX_TERMS + MAX_CACHED:
            self._compacted[iri] = name
        return name

    def _shorten(self, iri: str) -> str:
        if iri.startswith(DEFAULT_VOCABULARY):
            suffix = iri[len(DEFAULT_VOCABULARY) :]
            if (
                suffix
                and suffix not in self._terms
                and _expand(suffix, self._prefixes, DEFAULT_VOCABULARY) == iri
            ):
                return suffix
        candidates = [
            f"{prefix}:{iri[len(namespace) :]}"
            for prefix, namespace in self._prefixes.items()
            if len(iri) > len(namespace) and iri.startswith(namespace)
        ]
        # "x://…" would read as an absolute IRI, and a term of that very name has its own meaning.
        usable = [name for name in candidates if "://" not in name and name not in self._terms]
        return min(usable, key=lambda name: (len(name), name), default=iri)


def _user_parts(documents: Any) -> list[Any]:
    """The user's contexts in order, one level deep, without what a null behind it makes void, and without the core
    context at the end, where it is implied. Between others it stays: it ends the vocabulary of those before it."""
    parts: list[Any] = []
    _collect(documents, parts, 0)
    while parts and _is_core(parts[-1]):
        parts.pop()
    return parts


def _is_core(part: Any) -> bool:
    return isinstance(part, str) and core_context.is_core_context_url(part)


def _collect(documents: Any, parts: list[Any], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadRequestData(f"@contexts are nested more than {MAX_DEPTH} deep", field="/@context")
    if documents is None:
        parts.clear()
    elif isinstance(documents, list | tuple):
        for document in documents:
            _collect(document, parts, depth + 1)
    elif isinstance(documents, str):
        if parts or not _is_core(documents):  # in the first place it says nothing
            parts.append(documents)
    elif not isinstance(documents, dict):
        raise BadRequestData("an @context is a URL, an object or a list of these", field="/@context")
    elif "@context" in documents:
        _collect(documents["@context"], parts, depth + 1)
    else:
        parts.append(documents)


def _shortest_terms(expanded: dict[str, str]) -> dict[str, str]:
    """IRI → term, the shortest and then the least one (JSON-LD 1.1 API §4.3); keywords by their alias."""
    compacted: dict[str, str] = {}
    for term, iri in expanded.items():
        rival = compacted.get(iri)
        if rival is None or (len(term), term) < (len(rival), rival):
            compacted[iri] = term
    compacted["@id"], compacted["@type"] = "id", "type"
    return compacted


def _expand(term: str, prefixes: dict[str, str], vocabulary: str) -> str:
    """JSON-LD 1.1 API §5.2.2 for a term that the context does not define."""
    if term.startswith("@") and _KEYWORD.fullmatch(term):
        return term
    prefix, colon, suffix = term.partition(":")
    if not colon:
        return vocabulary + term
    if prefix == "_" or suffix.startswith("//"):
        return term
    namespace = prefixes.get(prefix)
    if namespace is not None:
        return namespace + suffix
    return term if _SCHEME.fullmatch(prefix) else vocabulary + term


class _Builder:
    """Collects the definitions of nested context documents in order; later ones win."""

    def __init__(self, loader: Loader | None) -> None:
        self.loader = loader
        self.loaded: dict[str, Any] = {}
        self.included = 0
        self.definitions = 0
        self.begin()

    def begin(self) -> None:
        """Only the core context is in force: so does each begin, and null means (JSON-LD 1.1 API §4.1)."""
        self.terms: dict[str, str | None] = {**core_context.TERMS, **core_context.KEYWORD_ALIASES}
        self.coercions: dict[str, str] = {}
        self.prefixes: dict[str, str] = dict(core_context.PREFIXES)
        self.vocabulary = DEFAULT_VOCABULARY
        self.ends_with_core = False

    def tables(self) -> tuple[dict[str, str | None], dict[str, str], dict[str, str]]:
        return self.terms, {**self.coercions, **core_context.COERCIONS}, self.prefixes

    def add(self, context: Any, base: str | None, chain: tuple[str, ...]) -> None:
        """Take in one context value. `base` resolves relative URLs, `chain` names the documents we are in."""
        if len(chain) > MAX_DEPTH:
            raise BadRequestData(f"@contexts are nested more than {MAX_DEPTH} deep", field="/@context")
        if context is None:
            self.begin()
        elif isinstance(context, list):
            for part in context:
                self.add(part, base, (*chain, ""))
        elif isinstance(context, str):
            self.add_remote(urljoin(base, context) if base else context, chain)
        elif isinstance(context, dict):
            self.add_definitions(context.get("@context", context), base, chain)
        else:
            raise BadRequestData("an @context is a URL, an object or a list of these", field="/@context")

    def add_remote(self, url: str, chain: tuple[str, ...]) -> None:
        if core_context.is_core_context_url(url):
            self.ends_with_core = True
            self.vocabulary = DEFAULT_VOCABULARY
            return
        if not is_iri(url):
            raise BadRequestData(f"{url!r} is no URL of an @context", field="/@context")
        if url in chain:
            raise BadRequestData(f"the @context {url} includes itself", field="/@context")
        if url not in self.loaded:
            if self.loader is None:
                raise LdContextNotAvailable(f"the @context {url} cannot be fetched here", field="/@context")
            if len(self.loaded) >= MAX_REMOTE:
                raise BadRequestData(f"more than {MAX_REMOTE} remote @contexts", field="/@context")
            self.loaded[url] = self.loader(url)
        self.included += 1
        if self.included > MAX_INCLUDED:
            raise BadRequestData(
                f"@contexts include others more than {MAX_INCLUDED} times", field="/@context"
            )
        document = self.loaded[url]
        if not isinstance(document, dict) or "@context" not in document:
            raise BadRequestData(f"the document {url} holds no @context", field="/@context")
        self.add(document["@context"], url, (*chain, url))

    def add_definitions(self, context: Any, base: str | None, chain: tuple[str, ...]) -> None:
        if not isinstance(context, dict):
            self.add(context, base, (*chain, ""))
            return
        self.ends_with_core = False
        if "@import" in context:
            raise BadRequestData("@import in an @context is not supported", field="/@context/@import")
        if "@vocab" in context:
            vocabulary = context["@vocab"]
            if vocabulary is not None and not isinstance(vocabulary, str):
                raise BadRequestData("@vocab is an IRI", field="/@context/@vocab")
            self.vocabulary = self.resolve(vocabulary, {}, set()) if vocabulary else DEFAULT_VOCABULARY
        self.definitions += len(context)
        if len(self.terms) + len(context) > MAX_TERMS or self.definitions > MAX_DEFINITIONS:
            raise BadRequestData(f"the @context defines more than {MAX_TERMS} terms", field="/@context")
        done: set[str] = set()
        for term in context:
            if term not in _CONTEXT_KEYWORDS:
                self.define(term, context, done, ())

    def define(self, term: str, context: dict[str, Any], done: set[str], chain: tuple[str, ...]) -> None:
        """JSON-LD 1.1 API §4.2, create term definition, for what NGSI-LD uses of it."""
        if term in done or term in core_context.TERMS or term in core_context.KEYWORD_ALIASES:
            return
        if term in chain or len(chain) > MAX_DEPTH:
            raise _invalid(term, "is defined by itself")
        if not term or _KEYWORD.fullmatch(term):
            return
        definition = context[term]
        simple = isinstance(definition, str)
        if definition is None or simple:
            definition = {"@id": definition}
        if not isinstance(definition, dict):
            raise _invalid(term, "is defined by neither text nor object")
        if "@context" in definition:
            raise _invalid(
                term, "has an @context of its own, which user contexts shall not have (CIM 009 §5.5.7)"
            )
        chain = (*chain, term)
        iri = self.meaning(term, definition, context, done, chain)
        self.terms[term] = iri
        self.coercions.pop(term, None)
        self.prefixes.pop(term, None)
        coercion = definition.get("@type")
        if coercion is not None:
            if not isinstance(coercion, str):
                raise _invalid(term, "has a @type that is no text")
            self.coercions[term] = self.resolve(coercion, context, done, chain)
        if iri is not None and self.is_prefix(term, iri, simple, definition):
            self.prefixes[term] = iri
        done.add(term)

    def meaning(
        self,
        term: str,
        definition: dict[str, Any],
        context: dict[str, Any],
        done: set[str],
        chain: tuple[str, ...],
    ) -> str | None:
        if "@reverse" in definition:
            return None
        identifier = definition.get("@id", term)
        if identifier is None:
            return None
        if not isinstance(identifier, str):
            raise _invalid(term, "has an @id that is no text")
        if identifier != term:
            return self.resolve(identifier, context, done, chain)
        if ":" in term[1:]:
            return self.resolve(term, context, done, chain, as_term=False)
        return self.vocabulary + term

    def resolve(
        self,
        text: str,
        context: dict[str, Any],
        done: set[str],
        chain: tuple[str, ...] = (),
        *,
        as_term: bool = True,
    ) -> str:
        """Expand text inside a context that is still being read, defining first what it depends on."""
        if text.startswith("@") and _KEYWORD.fullmatch(text):
            return text
        if as_term:
            if text in context:
                self.define(text, context, done, chain)
            known = self.terms.get(text)
            if known is not None:
                return known
        prefix, colon, suffix = text.partition(":")
        if colon and not suffix.startswith("//") and prefix in context:
            self.define(prefix, context, done, chain)
        return _expand(text, self.prefixes, self.vocabulary)

    @staticmethod
    def is_prefix(term: str, iri: str, simple: bool, definition: dict[str, Any]) -> bool:
        if ":" in term or "/" in term or iri.startswith("@"):
            return False
        if "@prefix" in definition:
            return definition["@prefix"] is True
        return simple and iri.endswith(_PREFIX_END)


def _invalid(term: str, reason: str) -> BadRequestData:
    return BadRequestData(f"the term {term!r} of the @context {reason}", field="/@context")


CORE: Final = Context.compile(())
"""The core @context alone: what is in force when a request brings none (§5.5.5)."""

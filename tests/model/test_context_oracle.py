"""Whole documents against a general JSON-LD processor: pyld says what the names of an entity mean.

What NGSI-LD has otherwise than JSON-LD is taken out of what pyld is asked, and named where that is done:

- the core @context is implied, in force for user contexts too, and no user term changes it (CIM 009 §4.4, §5.5.7);
- lists of contexts may lie in lists, which JSON-LD forbids;
- a term that a context maps to null is refused (§5.5.7 knows no attribute without a name), JSON-LD drops it;
- a name is shortened by any term for its IRI, whatever the term's type coercion says of values: an attribute is never
  the bare value that the coercion speaks of (§4.5.1). JSON-LD looks for a term that suits the value;
- an IRI whose scheme is a prefix of the answer's context is written as it is, JSON-LD refuses to write it: an entity
  can be read in any context;
- a type that a document names twice, by two names, is one (§4.3.1);
- @base has nothing to resolve: ids and objects are URIs (§4.6.3), names are resolved by the vocabulary.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyld import jsonld

from rhinecloud.model import BadRequestData, Context, Entity, parse_entity, render
from rhinecloud.model.core_context import (
    CORE_CONTEXT_URL,
    CORE_CONTEXT_URLS,
    DEFAULT_VOCABULARY,
    KEYWORD_ALIASES,
    NGSI_LD,
    TERMS,
    core_document,
    is_core_context_url,
)

CORE_TERMS = [*KEYWORD_ALIASES, *TERMS]
REMOTE = [f"https://remote.example/{name}.jsonld" for name in ("one", "two", "three")]

OWN_TERMS = ["a", "b", "cd", "Ex", "prefix", "über", "x_1", "kind", "Lamp", "ex"]
own_terms = st.sampled_from(OWN_TERMS)
terms = st.one_of(
    own_terms, own_terms, st.sampled_from(["location", "type", "value", "ngsi-ld", "name", "Property"])
)
suffixes = st.sampled_from(["a", "b", "cd", "deep/er", "x#y", "Lamp"])
namespaces = st.sampled_from(
    [
        "https://ex.org/",
        "https://ex.org/a#",
        "urn:ex:",
        "https://ex.org/plain",
        "https://uri.etsi.org/ngsi-ld/",
    ]
)
identifiers = st.one_of(
    st.builds("{}{}".format, namespaces, suffixes),
    namespaces,
    st.builds("{}:{}".format, st.one_of(own_terms, st.just("ngsi-ld")), suffixes),
    own_terms,
)
coercions = st.sampled_from(["@id", "@vocab", "https://uri.etsi.org/ngsi-ld/DateTime", "prefix:type", "Ex"])
definitions = st.one_of(
    identifiers,
    identifiers,
    st.none(),
    st.fixed_dictionaries({}, optional={"@id": identifiers, "@type": coercions, "@prefix": st.booleans()}),
)
objects = st.builds(
    lambda found, extra: {**found, **extra},
    st.dictionaries(terms, definitions, max_size=6),
    st.fixed_dictionaries(
        {},
        optional={
            "@vocab": st.sampled_from(["https://vocab.org/", "urn:v:", "prefix:v/"]),
            "@base": st.just("https://base.example/"),
            "@version": st.just(1.1),
        },
    ),
)
core_urls = st.sampled_from(sorted(CORE_CONTEXT_URLS))
flat = st.one_of(objects, objects, core_urls, st.none())
lists = st.lists(st.one_of(flat, st.sampled_from(REMOTE), st.lists(flat, max_size=2)), max_size=4)
# Each document may name those behind it: no circles.
remotes = st.tuples(
    st.lists(st.one_of(flat, st.sampled_from([*REMOTE[1:], "two.jsonld"])), max_size=3),
    st.lists(st.one_of(flat, st.just("three.jsonld")), max_size=3),
    st.one_of(objects, st.lists(flat, max_size=2)),
).map(lambda found: dict(zip(REMOTE, found, strict=True)))

# What the document says by these names, and a few beside them.
names = st.one_of(
    own_terms,
    st.sampled_from(["other", "deep", "location"]),
    st.builds("{}:{}".format, st.one_of(own_terms, st.just("ngsi-ld")), st.sampled_from(["a", "b", "Lamp"])),
    st.builds("{}{}".format, namespaces, suffixes),
)


def attributes(inner: st.SearchStrategy[Any] | None) -> st.SearchStrategy[Any]:
    kinds = st.one_of(
        st.builds(lambda value: {"type": "Property", "value": value}, st.integers(0, 9)),
        st.just({"type": "Relationship", "object": "urn:x:2"}),
        st.just({"type": "VocabProperty", "vocab": "urn:x:word"}),
    )
    if inner is None:
        return kinds
    return st.builds(lambda one, more: {**more, **one}, kinds, st.dictionaries(names, inner, max_size=2))


LOCATION = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1.5, 2.5]}}
entities = st.builds(
    lambda found, types: {
        **{name: LOCATION if name == "location" else value for name, value in found.items()},
        "id": "urn:x:1",
        "type": types,
    },
    st.dictionaries(names, attributes(attributes(None)), max_size=4),
    st.one_of(names, st.lists(names, min_size=1, max_size=3, unique=True)),
)


def for_the_oracle(context: Any) -> list[Any]:
    """A context as pyld takes it: the lists in lists opened, nothing said of the terms of the core context."""
    if isinstance(context, list):
        return [part for one in context for part in for_the_oracle(one)]
    if isinstance(context, str) and is_core_context_url(context):
        return [core_document()["@context"]]
    if context is None:
        return [None, core_document()["@context"]]
    if isinstance(context, dict):
        return [{term: meaning for term, meaning in context.items() if term not in CORE_TERMS}]
    return [context]


class Oracle:
    """pyld with the documents that the contexts name."""

    def __init__(self, remote: dict[str, Any]) -> None:
        self._remote = {url: for_the_oracle(context) for url, context in remote.items()}

    def load(self, url: str, _: Any) -> dict[str, Any]:
        document = {"@context": copy.deepcopy(self._remote[url])}
        return {
            "contextUrl": None,
            "documentUrl": url,
            "document": document,
            "contentType": "application/ld+json",
        }

    def expand(self, document: dict[str, Any], context: Any) -> dict[str, Any]:
        core = core_document()["@context"]
        # Ours is in force before the user's contexts as well: their terms may use its prefixes.
        whole = {**document, "@context": [core, *for_the_oracle(context), core]}
        found = jsonld.expand(
            whole, {"processingMode": "json-ld-1.1", "documentLoader": self.load, "base": ""}
        )
        return dict(found[0]) if found else {}


def meanings(expanded: dict[str, Any]) -> Any:
    """Names and types of an expanded node as a tree, without the values."""
    return {
        "types": sorted(set(expanded.get("@type", []))),
        **{
            name: sorted(
                (meanings(one) for one in nodes if isinstance(one, dict) and "@type" in one), key=repr
            )
            for name, nodes in expanded.items()
            if not name.startswith("@")
            and not (name.startswith(f"{NGSI_LD}has") and name.removeprefix(NGSI_LD) in MEMBERS)
        },
    }


MEMBERS = frozenset({"hasValue", "hasObject", "hasVocab"})
PLAIN = {"type", "value", "object", "vocab"}


def of_entity(entity: Entity) -> Any:
    def node(kinds: list[str], found: dict[str, Any]) -> Any:
        return {
            "types": sorted(set(kinds)),
            **{
                name: sorted(
                    (
                        node(
                            [NGSI_LD + one["type"]],
                            {sub: value for sub, value in one.items() if sub not in PLAIN},
                        )
                        for one in instances
                    ),
                    key=repr,
                )
                for name, instances in found.items()
            },
        }

    return node(list(entity.types), entity.attributes)


@settings(max_examples=100)
@given(lists, remotes, entities)
def test_a_document_means_what_a_general_processor_reads(
    context: list[Any], remote: dict[str, Any], document: dict[str, Any]
) -> None:
    oracle = Oracle(remote)
    try:
        theirs = oracle.expand(document, context)
    except jsonld.JsonLdError:
        return  # Whether we are as strict is for other tests to say.
    ours = Context.compile(context, lambda url: {"@context": remote[url]})
    try:
        entity = parse_entity(copy.deepcopy(document), ours)
    except BadRequestData as error:
        assert "mapped to null" in str(error) or "twice" in str(error), error
        return
    assert of_entity(entity) == meanings(theirs)


@settings(max_examples=100)
@given(lists, remotes, lists, entities)
def test_a_general_processor_reads_from_an_answer_what_was_meant(
    context: list[Any], remote: dict[str, Any], asked_in: list[Any], document: dict[str, Any]
) -> None:
    """Written in one context and answered in another, with what the answer names as its @context."""
    oracle = Oracle(remote)
    try:
        meant = oracle.expand(document, context)
        answering = Context.compile(asked_in, lambda url: {"@context": remote[url]})
        entity = parse_entity(
            copy.deepcopy(document), Context.compile(context, lambda url: {"@context": remote[url]})
        )
        answer = render(entity, answering)
        read = oracle.expand(answer, answering.as_member())
    except (jsonld.JsonLdError, BadRequestData):
        return
    if not schemes(meanings(meant)) & set(OWN_TERMS):
        assert meanings(read) == meanings(meant)


def schemes(tree: Any) -> set[str]:
    """The schemes of all names in a tree of meanings."""
    if isinstance(tree, str):
        return {tree.partition(":")[0]}
    return {
        scheme
        for part in [*tree, *(tree.values() if isinstance(tree, dict) else ())]
        for scheme in schemes(part)
    }


uncoerced = st.dictionaries(own_terms, st.one_of(identifiers, st.none()), max_size=6)


@settings(max_examples=100)
@given(st.lists(uncoerced, max_size=3), st.lists(uncoerced, max_size=3), entities)
def test_names_in_an_answer_are_those_of_a_general_processor(
    context: list[Any], asked_in: list[Any], document: dict[str, Any]
) -> None:
    """Where no term has a type coercion: the same term for each name, the shortest one (JSON-LD 1.1 API §4.3)."""
    core = core_document()["@context"]
    oracle = Oracle({})
    try:
        expanded = oracle.expand(document, context)
        whole = {"@context": [core, *asked_in, core]}
        theirs = jsonld.compact(expanded, whole, {"processingMode": "json-ld-1.1", "base": ""})
        entity = parse_entity(copy.deepcopy(document), Context.compile(context))
    except (jsonld.JsonLdError, BadRequestData):
        return
    theirs.pop("@context", None)
    if meanings(oracle.expand(theirs, asked_in)) != meanings(expanded):
        return  # A name in the vocabulary that reads as a prefixed one: it is not what was meant.
    ours = render(entity, Context.compile(asked_in))
    assert ours.keys() == theirs.keys()
    assert names_of(ours["type"]) == names_of(theirs["type"])


def names_of(types: Any) -> list[str]:
    return sorted({types} if isinstance(types, str) else set(types))


def test_each_url_of_the_core_context_names_it_and_no_other_does() -> None:
    folder = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context"
    for version in ("", *(f"-v1.{minor}" for minor in range(9))):
        assert f"{folder}{version}.jsonld" in CORE_CONTEXT_URLS
    assert CORE_CONTEXT_URL in CORE_CONTEXT_URLS
    for url in (
        f"{folder}-v1.77.jsonld",
        f"{folder}-non-existing.jsonld",
        f"{folder}.jsonld?",
        "https://evil.example/",
    ):
        assert not is_core_context_url(url)


def test_null_makes_void_what_was_said_before_but_never_the_core_context() -> None:
    term = {"a": "https://ex.org/a"}
    for source in ([term, None], [[term], [None, {}]], [term, "https://remote.example/"]):
        context = Context.compile(source, lambda url: {"@context": [{"b": "https://ex.org/b"}, None]})
        assert context.compact_iri("https://ex.org/a") == "https://ex.org/a", source
        assert context.expand_term("location") == f"{NGSI_LD}location"
    assert Context.compile([None, term]).expand_term("a") == "https://ex.org/a"
    assert Context.compile([term, None]).as_member() == CORE_CONTEXT_URL


def test_the_core_context_between_others_ends_their_vocabulary() -> None:
    source = [
        CORE_CONTEXT_URL,
        {"@vocab": "https://vocab.org/", "a": {}},
        CORE_CONTEXT_URL,
        {"b": {}},
        CORE_CONTEXT_URL,
    ]
    context = Context.compile(source)
    assert context.expand_term("a") == "https://vocab.org/a"
    assert context.expand_term("b") == f"{DEFAULT_VOCABULARY}b"
    assert context.as_member() == source[1:]
    read = Oracle({}).expand({"id": "urn:x:1", "type": ["a", "b"]}, context.as_member())
    assert read["@type"] == ["https://vocab.org/a", f"{DEFAULT_VOCABULARY}b"]
    url = "https://remote.example/"
    assert Context.compile([CORE_CONTEXT_URL, url], lambda _: {"@context": {}}).urls == (url,)


def test_contexts_that_grow_when_they_are_opened_are_refused() -> None:
    """Few and small documents that include each other many times."""
    documents = {f"https://x.example/{n}": [f"https://x.example/{n + 1}"] * 50 for n in range(10)}
    documents["https://x.example/10"] = []
    with pytest.raises(BadRequestData, match="times"):
        Context.compile("https://x.example/0", lambda url: {"@context": documents[url]})
    many = {f"t{n}": f"https://ex.org/{n}" for n in range(2_000)}
    with pytest.raises(BadRequestData, match="terms"):
        Context.compile(["https://x.example/many"] * 900, lambda url: {"@context": many})

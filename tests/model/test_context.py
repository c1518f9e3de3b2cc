"""Names to IRIs and back, with the general JSON-LD library pyld as the oracle."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyld import jsonld

from rhinecloud.model import CORE, CORE_CONTEXT_URL, BadRequestData, Context, LdContextNotAvailable
from rhinecloud.model.core_context import COERCIONS, KEYWORD_ALIASES, TERMS
from rhinecloud.model.core_context import DEFAULT_VOCABULARY as DEFAULT

# What the core context says, in the words that pyld understands.
CORE_DOCUMENT: dict[str, Any] = {
    "@version": 1.1,
    **KEYWORD_ALIASES,
    **{term: iri for term, iri in TERMS.items() if term not in COERCIONS},
    **{term: {"@id": TERMS[term], "@type": COERCIONS[term]} for term in COERCIONS},
    "@vocab": DEFAULT,
}


def oracle(*contexts: Any) -> Any:
    """pyld's active context for the user's contexts with the core one last."""
    processor = jsonld.JsonLdProcessor()
    return processor.process_context(
        processor._get_initial_context({"processingMode": "json-ld-1.1"}),
        {"@context": [*contexts, CORE_DOCUMENT]},
        {"processingMode": "json-ld-1.1"},
    )


def oracle_expands(active: Any, term: str) -> str:
    return str(jsonld.JsonLdProcessor()._expand_iri(active, term, vocab=True))


def test_core_terms_have_the_iris_of_the_standard() -> None:
    assert CORE.expand_term("location") == "https://uri.etsi.org/ngsi-ld/location"
    assert CORE.expand_term("description") == "http://purl.org/dc/terms/description"
    assert CORE.expand_term("value") == "https://uri.etsi.org/ngsi-ld/hasValue"
    assert CORE.expand_term("Point") == "https://purl.org/geojson/vocab#Point"
    assert CORE.expand_term("ngsi-ld:Property") == "https://uri.etsi.org/ngsi-ld/Property"
    assert (CORE.expand_term("id"), CORE.expand_term("type")) == ("@id", "@type")
    assert CORE.coercion("observedAt") == "https://uri.etsi.org/ngsi-ld/DateTime"
    assert CORE.coercion("object") == "@id"


def test_unknown_terms_fall_into_the_default_vocabulary_and_come_back() -> None:
    iri = CORE.expand_name("powerState")
    assert iri == DEFAULT + "powerState"
    assert CORE.compact_iri(iri) == "powerState"
    # "status" is a core term, so the same name in the default vocabulary needs its prefix.
    assert CORE.compact_iri(DEFAULT + "status") == "ngsi-ld:default-context/status"


def test_user_terms_prefixes_and_vocabulary() -> None:
    context = Context.compile(
        {
            "ex": "https://ex.org/",
            "lamp": "ex:Streetlight",
            "brand": {"@id": "ex:brand", "@type": "@vocab"},
            "ex:odd": {},
            "kind": "@type",
            "@vocab": "https://vocabulary.org/",
            "own": {"@type": "@id"},
        }
    )
    assert context.expand_term("lamp") == "https://ex.org/Streetlight"
    assert context.expand_term("ex:more") == "https://ex.org/more"
    assert context.expand_term("ex:odd") == "https://ex.org/odd"
    assert context.expand_term("own") == "https://vocabulary.org/own"
    assert context.expand_term("kind") == "@type"
    assert context.coercion("brand") == "@vocab"
    # The core context stands last, and its vocabulary with it (CIM 009 §4.4).
    assert context.expand_term("unknown") == DEFAULT + "unknown"
    assert context.compact_iri("https://ex.org/Streetlight") == "lamp"
    assert context.compact_iri("https://ex.org/more") == "ex:more"
    assert context.compact_iri("https://elsewhere.org/x") == "https://elsewhere.org/x"


def test_no_user_term_overrides_the_core() -> None:
    evil = {
        "value": "https://evil.org/value",
        "ngsi-ld": "https://evil.org/",
        "type": "https://evil.org/type",
    }
    context = Context.compile([CORE_CONTEXT_URL, evil])
    assert all(context.expand_term(term) == iri for term, iri in TERMS.items())
    assert context.expand_term("type") == "@type"
    assert context.expand_term("ngsi-ld:x") == "https://uri.etsi.org/ngsi-ld/x"


def test_later_contexts_win_over_earlier_ones() -> None:
    context = Context.compile([{"a": "https://one.org/a"}, {"a": "https://two.org/a"}])
    assert context.expand_term("a") == "https://two.org/a"
    assert context.compact_iri("https://one.org/a") == "https://one.org/a"


def test_remote_contexts_come_through_the_loader_once() -> None:
    asked: list[str] = []
    remote = {
        "https://ex.org/all.jsonld": {"@context": ["parts/one.jsonld", {"b": "https://ex.org/b"}]},
        "https://ex.org/parts/one.jsonld": {"@context": [CORE_CONTEXT_URL, {"a": "https://ex.org/a"}]},
    }

    def load(url: str) -> Any:
        asked.append(url)
        return remote[url]

    context = Context.compile(
        ["https://ex.org/all.jsonld", "https://ex.org/all.jsonld", CORE_CONTEXT_URL], load
    )
    assert (context.expand_term("a"), context.expand_term("b")) == ("https://ex.org/a", "https://ex.org/b")
    assert asked == ["https://ex.org/all.jsonld", "https://ex.org/parts/one.jsonld"]
    assert context.urls == ("https://ex.org/all.jsonld", "https://ex.org/all.jsonld")
    assert context.as_member() == [*context.urls, CORE_CONTEXT_URL]
    assert CORE.as_member() == CORE_CONTEXT_URL


def test_the_core_context_is_named_once() -> None:
    remote = {
        "https://ex.org/own.jsonld": {"@context": {"a": "https://ex.org/a"}},
        "https://ex.org/with.jsonld": {"@context": ["own.jsonld", CORE_CONTEXT_URL]},
        "https://ex.org/before.jsonld": {"@context": [CORE_CONTEXT_URL, "own.jsonld"]},
    }

    def member(*documents: Any) -> Any:
        return Context.compile(documents, remote.__getitem__).as_member()

    own, whole, before = remote
    assert member(whole) == whole
    assert member(own) == [own, CORE_CONTEXT_URL]
    assert member(own, CORE_CONTEXT_URL) == [own, CORE_CONTEXT_URL]
    assert member(own, whole) == [own, whole]
    assert member(whole, whole) == [whole, whole]
    # What stands behind the core context could have another meaning without it at the end (§4.4).
    assert member(before) == [before, CORE_CONTEXT_URL]
    assert member(whole, own) == [whole, own, CORE_CONTEXT_URL]
    assert member({"a": "https://ex.org/a"}) == [{"a": "https://ex.org/a"}, CORE_CONTEXT_URL]


def test_only_what_is_published_is_the_core_context() -> None:
    for name in ("ngsi-ld-core-context.jsonld", "ngsi-ld-core-context-v1.3.jsonld"):
        for folder in ("https://uri.etsi.org/ngsi-ld/v1/", "http://uri.etsi.org/ngsi-ld/"):
            assert Context.compile(folder + name).as_member() == CORE_CONTEXT_URL
    for url in (
        CORE_CONTEXT_URL.replace("v1.8", "non-existing"),
        CORE_CONTEXT_URL + "?x",
        CORE_CONTEXT_URL.replace("uri.etsi.org", "uri.etsi.org.example.org"),
        CORE_CONTEXT_URL.replace("etsi.org", "etsi.org:81"),
    ):
        with pytest.raises(LdContextNotAvailable):
            Context.compile(url)


def test_a_url_without_a_loader_is_not_available() -> None:
    with pytest.raises(LdContextNotAvailable):
        Context.compile("https://ex.org/context.jsonld")


@pytest.mark.parametrize(
    "context",
    [
        5,
        ["not a url"],
        {"a": 5},
        {"a": {"@id": 5}},
        {"a": {"@id": "https://ex.org/a", "@type": 5}},
        {"a": {"@id": "https://ex.org/a", "@context": {"b": "https://ex.org/b"}}},
        {"a": "b:x", "b": "a:y"},
        {"@vocab": 5},
        {"@import": "https://ex.org/x"},
        [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],
    ],
)
def test_invalid_contexts_are_refused(context: Any) -> None:
    with pytest.raises(BadRequestData):
        Context.compile(context)


def test_remote_contexts_that_include_themselves_or_are_none_are_refused() -> None:
    with pytest.raises(BadRequestData, match="includes itself"):
        Context.compile("https://ex.org/a", lambda url: {"@context": url})
    with pytest.raises(BadRequestData, match="holds no @context"):
        Context.compile("https://ex.org/a", lambda url: {"other": 1})
    with pytest.raises(BadRequestData, match="remote"):
        Context.compile([f"https://ex.org/{n}" for n in range(99)], lambda url: {"@context": {}})


def test_a_term_mapped_to_null_has_no_meaning() -> None:
    context = Context.compile({"secret": None})
    with pytest.raises(BadRequestData, match="secret"):
        context.expand_name("secret")
    assert context.compact_iri(DEFAULT + "secret") == "ngsi-ld:default-context/secret"


@pytest.mark.parametrize(
    "name", ["", "9lives", "a b", "a<b", "_x", "a-b", "x" * 2000, "ex:", "@none", "ex: y"]
)
def test_names_follow_the_grammar(name: str) -> None:
    with pytest.raises(BadRequestData):
        CORE.expand_name(name)


terms = st.sampled_from(["a", "b", "cd", "Ex", "prefix", "über", "x_1", "kind"])
suffixes = st.sampled_from(["a", "b", "cd", "deep/er", "x#y", ""])
namespaces = st.sampled_from(
    ["https://ex.org/", "https://ex.org/a#", "urn:ex:", "https://ex.org/plain", DEFAULT]
)
identifiers = st.one_of(
    st.builds("{}{}".format, namespaces, suffixes),
    st.builds("{}:{}".format, terms, suffixes.filter(bool)),
    terms,
    st.just("@type"),
)
definitions = st.one_of(
    identifiers,
    st.none(),
    st.fixed_dictionaries(
        {"@id": identifiers.filter(lambda iri: iri != "@type")},
        optional={"@type": st.sampled_from(["@id", "@vocab", "@json"]), "@prefix": st.booleans()},
    ),
)
user_contexts = st.dictionaries(terms, definitions, max_size=6).flatmap(
    lambda found: st.sampled_from([found, {**found, "@vocab": "https://vocab.org/"}])
)


@settings(max_examples=400)
@given(st.lists(user_contexts, max_size=3), terms, suffixes)
def test_expanding_agrees_with_pyld(contexts: list[Any], term: str, suffix: str) -> None:
    try:
        active = oracle(*contexts)
    except jsonld.JsonLdError:
        return  # Whether we are as strict is for other tests to say.
    ours = Context.compile(contexts)
    for text in (term, f"{term}:{suffix}", f"https://ex.org/{suffix}"):
        theirs = oracle_expands(active, text)
        if theirs == "None":
            with pytest.raises(BadRequestData):
                ours.expand_term(text)
        else:
            assert ours.expand_term(text) == theirs


@settings(max_examples=400)
@given(st.lists(user_contexts, max_size=3), namespaces, suffixes)
def test_compacting_means_the_same_iri_and_is_as_short_as_with_pyld(
    contexts: list[Any], namespace: str, suffix: str
) -> None:
    try:
        active = oracle(*contexts)
    except jsonld.JsonLdError:
        return
    ours = Context.compile(contexts)
    iri = namespace + suffix
    name = ours.compact_iri(iri)
    assert ours.expand_term(name) == iri
    assert oracle_expands(active, name) == iri
    # Without a value to describe, pyld passes over terms with a type coercion; so do not ask it about these.
    coerced = any(
        isinstance(one, dict) and "@type" in one for context in contexts for one in context.values()
    )
    if not coerced:
        assert name == jsonld.JsonLdProcessor()._compact_iri(active, iri, vocab=True)

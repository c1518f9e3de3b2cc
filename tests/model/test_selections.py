"""Selecting entities by type and by scope, and the form of errors."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.model import (
    CORE,
    AlreadyExists,
    BadRequestData,
    LdContextNotAvailable,
    ScopePattern,
    TooComplexQuery,
    TooManyResults,
    TypeSelection,
    parse_scope_q,
    parse_type_selection,
    print_type_selection,
)
from rhinecloud.model.core_context import DEFAULT_VOCABULARY as DEFAULT
from rhinecloud.model.scope_query import ScopeQuery

from . import strategies

HOME, VEHICLE, MOTORHOME = (DEFAULT + name for name in ("Home", "Vehicle", "Motorhome"))


@pytest.mark.parametrize(
    ("text", "alternatives"),
    [
        ("Home", ((HOME,),)),
        ("Home|Vehicle", ((HOME,), (VEHICLE,))),
        ("Home,Vehicle", ((HOME,), (VEHICLE,))),
        ("(Home;Vehicle)", ((HOME, VEHICLE),)),
        ("(Home;Vehicle)|Motorhome", ((HOME, VEHICLE), (MOTORHOME,))),
        ("( Home ; Vehicle ) , Motorhome", ((HOME, VEHICLE), (MOTORHOME,))),
        (HOME, ((HOME,),)),
        ("*", ()),
        # Beyond the grammar, in the only sense that it can have.
        ("Home;Vehicle", ((HOME, VEHICLE),)),
        ("(Home|Vehicle)", ((HOME,), (VEHICLE,))),
        ("((Home;Vehicle))", ((HOME, VEHICLE),)),
        ("(Home|Vehicle);Motorhome", ((HOME, MOTORHOME), (VEHICLE, MOTORHOME))),
        ("Home|Vehicle;Motorhome", ((HOME,), (VEHICLE, MOTORHOME))),
    ],
)
def test_type_selections(text: str, alternatives: tuple[tuple[str, ...], ...]) -> None:
    selection = parse_type_selection(text, CORE)
    assert selection == TypeSelection(alternatives)
    assert parse_type_selection(print_type_selection(selection, CORE), CORE) == selection


def test_an_entity_needs_all_types_of_some_alternative() -> None:
    selection = parse_type_selection("(Home;Vehicle)|Motorhome", CORE)
    assert selection.matches([MOTORHOME])
    assert selection.matches([VEHICLE, "urn:other", HOME])
    assert not selection.matches([HOME])
    assert parse_type_selection("*", CORE).matches([HOME])


@pytest.mark.parametrize(
    "text", ["", ";B", "(A;B", "A||B", "A,", "(A|)", "()", "(A;B))", "A;", "9", "A B", "@type", "A<B"]
)
def test_wrong_type_selections_are_refused(text: str) -> None:
    with pytest.raises(BadRequestData) as caught:
        parse_type_selection(text, CORE)
    assert caught.value.field == "type"


def test_the_size_of_selections_is_limited() -> None:
    for parse in (lambda text: parse_type_selection(text, CORE), parse_scope_q):
        with pytest.raises(TooComplexQuery):
            parse("/a|" * 10_000)
        with pytest.raises(TooComplexQuery):
            parse("(" * 20 + "/a" + ")" * 20)
        with pytest.raises(TooComplexQuery):
            parse(";".join(["(/a|/b)"] * 20))


@pytest.mark.parametrize(
    ("text", "scopes", "selected"),
    [
        ("/Madrid", ["/Madrid"], True),
        ("/Madrid", ["Madrid"], True),
        ("/Madrid", ["/Madrid/Gardens"], False),
        ("/Madrid/Gardens/#", ["/Madrid/Gardens"], True),
        ("/Madrid/Gardens/#", ["/Madrid/Gardens/ParqueNorte/Parterre1"], True),
        ("/Madrid/Gardens/#", ["/Madrid/Gardens2", "/Madrid"], False),
        ("/Madrid/+/ParqueNorte", ["/Madrid/Sights/ParqueNorte"], True),
        ("/Madrid/+/ParqueNorte", ["/Madrid/ParqueNorte"], False),
        ("(/Madrid/Districts;/CompanyA)|CompanyB", ["/CompanyA", "/Madrid/Districts"], True),
        ("(/Madrid/Districts;/CompanyA),/CompanyB", ["/CompanyA"], False),
        ("/#", ["/any"], True),
        ("/#", [], False),
        ("/+/#", ["/any/thing"], True),
    ],
)
def test_scope_queries(text: str, scopes: list[str], selected: bool) -> None:
    query = parse_scope_q(text)
    assert query.matches(scopes) is selected
    assert parse_scope_q(str(query)) == query


@pytest.mark.parametrize("text", ["", "/", "#", "/a/#/b", "/a#", "a;", "(/a", "/9", "/a b", "//a", "/a-b"])
def test_wrong_scope_queries_are_refused(text: str) -> None:
    with pytest.raises(BadRequestData) as caught:
        parse_scope_q(text)
    assert caught.value.field == "scopeQ"


levels = st.lists(st.one_of(st.sampled_from(["a", "ab", "ö1"]), strategies.names), min_size=1, max_size=3)


@given(st.lists(st.sampled_from(["a", "ab", "ö1", "+"]), max_size=3), st.booleans(), levels, st.booleans())
def test_the_regular_expression_of_a_pattern_means_the_same(
    wanted: list[str], below: bool, scope: list[str], slash: bool
) -> None:
    pattern = ScopePattern(tuple(wanted), below or not wanted)
    text = "/" * slash + "/".join(scope)
    assert (re.search(pattern.regex(), text) is not None) == pattern.matches(text)
    assert parse_scope_q(str(pattern)) == ScopeQuery(((pattern,),))


def test_errors_are_problem_details() -> None:
    assert BadRequestData("no uri", field="/id").problem() == {
        "type": "https://uri.etsi.org/ngsi-ld/errors/BadRequestData",
        "title": "Bad request data",
        "status": 400,
        "detail": "no uri",
        "field": "/id",
    }
    problem = AlreadyExists("it is there", instance="urn:a:b").problem()
    assert (problem["status"], problem["instance"], "field" in problem) == (409, "urn:a:b", False)
    assert (LdContextNotAvailable.status, TooManyResults.status) == (503, 403)
    assert str(BadRequestData("no uri", field="/id")) == "no uri (at /id)"

"""Regular expressions of queries: two engines that agree, and neither of them for ever."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rhinecloud.model.automaton import Automaton
from rhinecloud.model.patterns import compile_pattern

PIECES = [
    "a",
    "b",
    "é",
    ".",
    "(",
    ")",
    "|",
    "*",
    "+",
    "?",
    "{2}",
    "{1,}",
    "{0,2}",
    "[ab]",
    "[^a]",
    r"\.",
    "^",
    "$",
    r"\d",
]


@settings(max_examples=600)
@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=8),
    st.text(st.sampled_from("ab.é1\n"), max_size=6),
)
def test_the_automaton_agrees_with_pythons_engine(parts: list[str], text: str) -> None:
    try:
        compile_pattern("".join(parts))
    except ValueError:
        assume(False)
    expected = (
        re.search("".join(r"\Z" if part == "$" else part for part in parts), text, re.DOTALL) is not None
    )
    assert Automaton(parts).found_in(text) == expected
    assert compile_pattern("".join(parts)).found_in(text) == expected


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "^(a|aa)*$", "a*a*a*a*a*a*a*b$", "(a?){30}a{30}$", ".*.*.*=.*x"]
)
def test_no_expression_takes_for_ever(pattern: str) -> None:
    # One that looks back would take longer than the world is old, and end with the patience of the tests.
    assert not compile_pattern(pattern).found_in("a" * 20_000 + "!")


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^Car", "Car 1", True),
        ("^Car", "A Car", False),
        ("x$", "x\n", False),
        ("[[:alpha:]]{3}", "12abc", True),
        ("^[^[:digit:]]+$", "a1", False),
        ("^([a-z]+\\.)+de$", "www.duisburg.de", True),
        ("", "", True),
    ],
)
def test_what_is_found(pattern: str, text: str, found: bool) -> None:
    assert compile_pattern(pattern).found_in(text) is found

"""The query languages: sentences of their grammars are read, and reading undoes printing (CIM 009 §4.9, §4.17, §4.19).

`orderBy` (§4.23), `pick` (§4.21) and temporal queries (§4.11) have no printer: nobody needs their text again. Of them
it is asked that the whole means what its parts mean.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.model import (
    CORE,
    Context,
    NgsiLdError,
    parse_order_by,
    parse_q,
    parse_scope_q,
    parse_type_selection,
    print_q,
    print_type_selection,
)
from rhinecloud.model.core_context import DEFAULT_VOCABULARY as DEFAULT
from rhinecloud.model.projection import parse_projection
from rhinecloud.model.temporal_query import parse_temporal_query

from .effort import effort, long_enough

pytestmark = long_enough

CONTEXTS = [
    CORE,
    Context.compile({"ex": "https://x.example/", "speed": "ex:v", "a": "ex:a-b"}),
    Context.compile({"@vocab": "https://x.example/#", "d": DEFAULT, "b": {"@id": DEFAULT + "a"}}),
]
contexts = st.sampled_from(CONTEXTS)

terms = st.sampled_from(["a", "b", "speed", "größe", "x_1", "名前", "A", "true1", "T00"])
names = st.one_of(
    terms,
    st.sampled_from(
        ["ex:a", "d:b", "<https://x.example/a>", "<urn:x:y>", "https://x.example/p/q.r#s", "unknown:a"]
    ),
)


def blank(*tokens: str) -> st.SearchStrategy[str]:
    """The tokens with or without blanks between them."""
    gaps = st.lists(st.sampled_from(["", "", " ", "  "]), min_size=len(tokens), max_size=len(tokens))
    return gaps.map(lambda given: "".join(gap + token for gap, token in zip(given, tokens, strict=True)))


# ---- q

json_paths = st.lists(st.sampled_from(["b", "*", "en", "a b", "ö", "1"]), min_size=1, max_size=3).map(
    lambda parts: f"[{'.'.join(parts)}]"
)
sub_paths = st.lists(st.one_of(names, st.sampled_from(["observedAt", "unitCode", "objectType"])), max_size=2)
plain_paths = st.builds(
    lambda name, sub, json: ".".join([name, *sub]) + json,
    names,
    sub_paths,
    st.one_of(st.just(""), json_paths),
)
paths = st.recursive(
    plain_paths,
    lambda inner: st.builds(
        lambda name, types, path: f"{name}{{{types}{path}}}",
        names,
        st.sampled_from(["", "A:", "A,B:", "<https://x.example/T>:"]),
        inner,
    ),
    max_leaves=2,
)
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
).filter(lambda text: text.isprintable())  # fmt: skip
numbers = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["0", "-0", "1E5", "1e-5", "0.10", "-0.0"]),
)
moments = st.sampled_from(
    ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.500Z", "2026-01-31T12:00:00,5+02:00", "2026-01-31", "12:30:00Z",
     "12:30:00.25Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"]
)  # fmt: skip
comparable = st.one_of(texts, numbers, moments)
values = st.one_of(comparable, st.sampled_from(["true", "false", "urn:x:1", "https://x.example/a?b=c"]))
lists = st.lists(values, min_size=2, max_size=3).flatmap(
    lambda many: blank(*[token for value in many for token in (",", value)][1:])
)
ranges = st.one_of(
    *(st.tuples(same, st.just(".."), same).flatmap(lambda three: blank(*three)) for same in (texts, numbers))
)
patterns = st.sampled_from(
    ["^a.*b$", '"a|b;c"', '"say \\"hi\\""', "(a|b)c", "[)|;]x", r"\.\d+", "a{2,3}", "[^a-z]", r"\)", "ä+"]
)
comparisons = st.one_of(
    st.tuples(paths, st.sampled_from(["==", "!="]), st.one_of(values, lists, ranges)),
    st.tuples(paths, st.sampled_from([">", "<", ">=", "<="]), comparable),
    st.tuples(paths, st.sampled_from(["~=", "!~="]), patterns),
).flatmap(lambda three: blank(*three))
sentences = st.recursive(
    st.one_of(paths, comparisons),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([";", "|"]), inner).flatmap(lambda three: blank(*three)),
        inner.flatmap(lambda one: blank("(", one, ")")),
    ),
    max_leaves=6,
)


def outcome(parse: Callable[[], Any]) -> Any:
    """What is read, or None for what is refused; anything else than a refusal is a fault."""
    try:
        return parse()
    except NgsiLdError:
        return None


@effort(400)
@given(sentences, contexts)
def test_q(text: str, context: Context) -> None:
    read = outcome(lambda: parse_q(text, context))
    if read is not None:
        printed = print_q(read, context)
        assert parse_q(printed, context) == read
        assert print_q(parse_q(printed, context), context) == printed
        for other in CONTEXTS:  # a tree has no context: any can print it, and read that again
            assert parse_q(print_q(read, other), other) == read


@effort(200)
@given(st.lists(comparisons, min_size=1, max_size=4), st.lists(comparisons, min_size=1, max_size=4), contexts)
def test_a_sentence_of_q_whose_parts_are_read_is_read(
    left: list[str], right: list[str], context: Context
) -> None:
    parts = [*left, *right]
    refused = [part for part in parts if outcome(lambda part=part: parse_q(part, context)) is None]
    both = f"({';'.join(left)})|{';'.join(right)}"
    assert (outcome(lambda: parse_q(both, context)) is None) == bool(refused)


@effort(200)
@given(st.text(st.sampled_from(list('ab"\\()[]{}<>=!~;|,.:*+-1T20Zé% \t\n')), max_size=30), contexts)
def test_noise_in_q_is_read_or_refused(text: str, context: Context) -> None:
    read = outcome(lambda: parse_q(text, context))
    assert read is None or parse_q(print_q(read, context), context) == read


# ---- types and scopes


def selections(elements: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """`A`, `A|B`, `A,B`, `(A;B)|C`, with blanks."""
    all_of = st.lists(elements, min_size=2, max_size=3).map(lambda many: f"({';'.join(many)})")
    alternative = st.one_of(elements, all_of)
    joined = st.lists(st.tuples(st.sampled_from("|,"), alternative), min_size=1, max_size=4)
    return joined.flatmap(lambda pairs: blank(*[token for pair in pairs for token in pair][1:]))


types = st.one_of(terms, st.sampled_from(["ex:a", "https://x.example/T", "d:b"]))
scopes = st.lists(st.sampled_from(["A", "b1", "+", "ö"]), min_size=1, max_size=3).flatmap(
    lambda levels: st.sampled_from(["/" + "/".join(levels), "/".join(levels), "/" + "/".join(levels) + "/#"])
)


@effort(200)
@given(st.one_of(selections(types), st.just("*"), st.text("AB;|,()* :", max_size=12)), contexts)
def test_types(text: str, context: Context) -> None:
    read = outcome(lambda: parse_type_selection(text, context))
    if read is not None:
        assert parse_type_selection(print_type_selection(read, context), context) == read


@effort(200)
@given(
    st.one_of(selections(scopes), st.just("/#"), st.text("A/+#;|,() ", max_size=12)),
    st.lists(scopes, max_size=3),
)
def test_scopes(text: str, present: list[str]) -> None:
    read = outcome(lambda: parse_scope_q(text))
    if read is not None:
        again = parse_scope_q(str(read))
        assert again == read
        assert again.matches(present) == read.matches(present)


@effort(100)
@given(selections(types), contexts)
def test_every_sentence_of_types_is_read(text: str, context: Context) -> None:
    assert parse_type_selection(text, context).alternatives


@effort(100)
@given(selections(scopes))
def test_every_sentence_of_scopes_is_read(text: str) -> None:
    assert parse_scope_q(text).alternatives


# ---- what has no printer

keys = st.builds(
    lambda path, direction: path + direction,
    st.one_of(plain_paths, st.sampled_from(["id", "type", "scope", "createdAt"])),
    st.sampled_from(["", ";asc", ";desc", "; desc", ";dist-asc"]),
)


@effort(200)
@given(st.lists(keys, min_size=1, max_size=4), contexts)
def test_the_order_by_several_is_that_by_each(parts: list[str], context: Context) -> None:
    def read(text: str) -> Any:
        return outcome(lambda: parse_order_by(text, context, coordinates="[6.7,51.4]"))

    each = [read(part) for part in parts]
    whole = read(",".join(parts))
    if None in each:
        assert whole is None
    else:
        assert whole == tuple(key for one in each for key in one)


@effort(100)
@given(st.lists(names, min_size=1, max_size=4), contexts)
def test_picking_several_is_picking_each(parts: list[str], context: Context) -> None:
    each = [outcome(lambda part=part: parse_projection(part, None, context)) for part in parts]
    whole = outcome(lambda: parse_projection(",".join(parts), None, context))
    if None in each:
        assert whole is None
    else:
        assert whole.pick == frozenset().union(*(one.pick for one in each))


instants = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))


@effort(100)
@given(instants, instants)
def test_between_is_after_the_one_and_before_the_other(start: datetime, end: datetime) -> None:
    def read(timerel: str, at: datetime, until: datetime | None = None) -> Any:
        given = {"timerel": timerel, "timeAt": at.isoformat().replace("+00:00", "Z")}
        if until is not None:
            given["endTimeAt"] = until.isoformat().replace("+00:00", "Z")
        return parse_temporal_query(given)

    between = read("between", start, end)
    assert between.since == read("after", start).since == start
    assert between.until == read("before", end).until == end

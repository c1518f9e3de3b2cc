"""What consumers pick and omit (CIM 009 §4.21), and the entities that are joined to what they see (§4.5.23)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.model import CORE, BadRequestData, Entity, NgsiLdError, TooManyResults, parse_entity, render
from rhinecloud.model.core_context import DEFAULT_VOCABULARY as DEFAULT
from rhinecloud.model.linked import Join, flattened, missing, parse_join
from rhinecloud.model.projection import (
    EVERYTHING,
    Members,
    Projection,
    only_attributes,
    parse_members,
    parse_projection,
    print_members,
)


def link(*ids: str) -> dict[str, Any]:
    return {"type": "Relationship", "object": ids[0] if len(ids) == 1 else list(ids)}


def entity(name: str, **attributes: Any) -> Entity:
    return parse_entity({"id": f"urn:x:{name}", "type": "T", "name": name, **attributes}, CORE)


HOUSE = entity("house", at=link("urn:x:city"), rooms=link("urn:x:a", "urn:x:gone", "urn:x:b"), size=3)
CITY = entity("city", within=link("urn:x:country"), mayor=link("urn:x:house"))
COUNTRY = entity("country", capital=link("urn:x:city"))
ROOMS = [entity("a"), entity("b")]
KNOWN = {one.id: one for one in (HOUSE, CITY, COUNTRY, *ROOMS)} | {"urn:x:gone": None}


def shown(pick: str = "", omit: str = "", form: Any = "inline", level: int = 2, **settings: Any) -> Any:
    join = Join(form, level)
    projection = parse_projection(pick, omit, CORE)
    if form == "inline":
        return render(
            HOUSE, CORE, format="simplified", projection=projection, join=join, known=KNOWN, **settings
        )
    return [
        render(one, CORE, format="simplified", projection=inner, join=join, known=KNOWN)
        for one, inner in flattened([HOUSE], projection, join, KNOWN)
    ]


@pytest.mark.parametrize(
    "text",
    [
        *[
            "a,,b",
            "a;b",
            "a{b",
            "a{{b}",
            "a{,b}",
            "a{}",
            "{a}",
            ",a",
            "a,",
            "a}b",
            "id{a}",
            "@id",
            "createdAt{a}",
        ],
        "a b",
    ],
)
def test_what_is_no_projection_is_refused(text: str) -> None:
    for pick, omit, field in ((text, None, "pick"), (None, text, "omit")):
        with pytest.raises(BadRequestData) as raised:
            parse_projection(pick, omit, CORE)
        assert raised.value.field == field


def test_members_are_read() -> None:
    assert parse_projection("id , a|createdAt,<urn:x:y,z>", "scope", CORE) == Projection(
        frozenset({"id", DEFAULT + "a", "createdAt", "urn:x:y,z"}), frozenset({"scope"})
    )
    nested = parse_projection("a{b,c{d}}", "a{e}", CORE)
    assert nested.depth == 2
    assert nested.behind(DEFAULT + "a").pick == {DEFAULT + "b", DEFAULT + "c"}
    assert nested.behind(DEFAULT + "a").omit == {DEFAULT + "e"}
    assert nested.behind(DEFAULT + "other") is EVERYTHING
    assert parse_projection("", None, CORE) == EVERYTHING


def test_one_member_is_not_picked_and_omitted() -> None:
    for pick, omit in (("a", "b,a"), ("a{b}", "a"), ("a{b,c}", "a{c}"), ("id", "id")):
        with pytest.raises(BadRequestData):
            parse_projection(pick, omit, CORE)
    assert parse_projection("a", "a{b}", CORE).shows(DEFAULT + "a")


def test_which_attributes_are_needed_for_anything_to_be_seen() -> None:
    assert parse_projection("a,b", "", CORE).needed == {DEFAULT + "a", DEFAULT + "b"}
    for pick, omit in (("a,id", ""), ("", "a"), ("a,createdAt", "")):
        assert parse_projection(pick, omit, CORE).needed is None
    assert only_attributes({"urn:a:b"}).needed is None


names = st.sampled_from(["id", "type", "createdAt", DEFAULT + "a", "urn:x:b", "https://e.x/a,b#c"])
attributes = st.sampled_from([DEFAULT + "a", "urn:x:b", "https://e.x/a,b#c"])
members: st.SearchStrategy[Members] = st.recursive(
    st.dictionaries(names, st.just({}), min_size=1, max_size=3),
    lambda inner: st.dictionaries(attributes, inner, min_size=1, max_size=2),
    max_leaves=5,
)


@given(members)
def test_printing_and_reading_a_projection_undo_each_other(given_members: Members) -> None:
    text = ",".join(print_members(given_members, CORE))
    assert parse_members(text, CORE, "pick") == given_members


@given(st.text("ab,|{}<> id:@1", max_size=20))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    try:
        projection = parse_projection(text, "", CORE)
    except NgsiLdError as error:
        assert error.field == "pick"
    else:
        assert projection == EVERYTHING if not text else projection.pick


def test_inline_entities_stand_in_place_of_their_ids() -> None:
    country = {"id": "urn:x:country", "type": "T", "name": "country", "capital": "urn:x:city"}
    city = {"id": "urn:x:city", "type": "T", "name": "city", "within": country, "mayor": "urn:x:house"}
    rooms = [
        {"id": "urn:x:a", "type": "T", "name": "a"},
        "urn:x:gone",
        {"id": "urn:x:b", "type": "T", "name": "b"},
    ]
    assert shown() == {
        "id": "urn:x:house",
        "type": "T",
        "name": "house",
        "at": city,
        "rooms": rooms,
        "size": 3,
    }
    assert shown(level=1)["at"]["within"] == "urn:x:country"
    assert shown("at{id,within{name}}") == {"at": {"id": "urn:x:city", "within": {"name": "country"}}}
    assert shown("at", "at{type,within,mayor}") == {"at": {"id": "urn:x:city", "name": "city"}}
    assert shown("at{missing}") == {"at": "urn:x:city"}


def test_inline_entities_stand_within_their_relationships() -> None:
    whole = render(
        HOUSE, CORE, join=Join("inline"), known=KNOWN, projection=parse_projection("at{name},rooms", "", CORE)
    )
    name = {"type": "Property", "value": "city"}
    assert whole["at"] == {"type": "Relationship", "object": "urn:x:city", "entity": {"name": name}}
    assert [one["id"] for one in whole["rooms"]["entity"]] == ["urn:x:a", "urn:x:b"]
    concise = render(HOUSE, CORE, join=Join("inline"), known=KNOWN, format="concise")
    assert concise["at"]["entity"]["name"] == "city"
    several = entity(
        "route",
        stops={"type": "ListRelationship", "objectList": ["urn:x:b", "urn:x:a"]},
        by=[link("urn:x:a"), {**link("urn:x:b"), "datasetId": "urn:d"}],
    )
    document = render(several, CORE, join=Join("inline"), known=KNOWN)
    assert [one["id"] for one in document["stops"]["entityList"]] == ["urn:x:b", "urn:x:a"]
    assert [one["entity"]["id"] for one in document["by"]] == ["urn:x:a", "urn:x:b"]
    document = render(several, CORE, join=Join("inline"), known=KNOWN, format="simplified")
    assert document["by"]["dataset"]["urn:d"]["name"] == "b"
    assert document["stops"][1]["name"] == "a"


def test_flat_entities_follow_once_and_the_nearest_first() -> None:
    assert [one["id"][6:] for one in shown(form="flat")] == ["house", "city", "a", "b", "country"]
    assert [one["id"][6:] for one in shown(form="flat", level=1)] == ["house", "city", "a", "b"]
    assert shown("id,at{name}", form="flat") == [{"id": "urn:x:house", "at": "urn:x:city"}, {"name": "city"}]
    assert shown("id,name", form="flat") == [{"id": "urn:x:house", "name": "house"}]


def test_what_was_met_before_is_not_followed() -> None:
    join = Join("inline", 3, frozenset({"urn:x:city"}))
    assert render(HOUSE, CORE, join=join, known=KNOWN)["at"] == {
        "type": "Relationship",
        "object": "urn:x:city",
    }
    assert "urn:x:city" not in missing([HOUSE], EVERYTHING, join, {})


def test_ids_are_asked_for_level_by_level() -> None:
    join, known = Join("flat", 3), {HOUSE.id: HOUSE}
    rounds = []
    while ids := missing([HOUSE], EVERYTHING, join, known):
        rounds.append(ids)
        known |= {one: KNOWN[one] for one in ids}
    assert rounds == [{"urn:x:city", "urn:x:a", "urn:x:b", "urn:x:gone"}, {"urn:x:country"}]


def test_an_answer_holds_a_limited_number_of_linked_entities() -> None:
    ids = [f"urn:x:{number}" for number in range(30)]
    clique = {one: parse_entity({"id": one, "type": "T", "all": link(*ids)}, CORE) for one in ids}
    with pytest.raises(TooManyResults):
        render(clique[ids[0]], CORE, join=Join("inline", 8), known=clique)
    many = entity("many", all=link(*(f"urn:y:{number}" for number in range(10_001))))
    with pytest.raises(TooManyResults):
        missing([many], EVERYTHING, Join("flat"), {})


def test_joins_are_read() -> None:
    assert parse_join("flat") == Join("flat", 1)
    assert parse_join("inline", "2", ["urn:x:a"]) == Join("inline", 2, frozenset({"urn:x:a"}))
    assert parse_join("@none", 2) is parse_join(None, "x") is None
    for join, level in (
        ("deep", None),
        ("flat", 0),
        ("flat", "-1"),
        ("flat", "1.5"),
        ("flat", 17),
        ("flat", True),
        (1, 1),
    ):
        with pytest.raises(BadRequestData):
            parse_join(join, level)

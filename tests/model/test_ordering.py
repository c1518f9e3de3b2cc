"""The order of entities: its grammar, and its meaning for every kind of value (CIM 009 §4.23)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from rhinecloud.model import (
    CORE,
    BadRequestData,
    Entity,
    NgsiLdError,
    OperationNotSupported,
    OrderKey,
    ordered,
    parse_entity,
    parse_order_by,
)
from rhinecloud.model.core_context import DEFAULT_VOCABULARY as DEFAULT
from rhinecloud.model.query_tree import AttributePath


def entity(name: str, **attributes: Any) -> Entity:
    return parse_entity({"id": f"urn:x:{name}", "type": "T", **attributes}, CORE, system=True)


def names(entities: list[Entity]) -> str:
    return " ".join(one.id.removeprefix("urn:x:") for one in entities)


def order(text: str, *entities: Entity, **origin: Any) -> str:
    return names(ordered(entities, parse_order_by(text, CORE, **origin)))


def test_members_are_read_with_their_directions() -> None:
    assert parse_order_by("type;asc, name.sub;desc ,address[a.b]", CORE) == (
        OrderKey(AttributePath("type")),
        OrderKey(AttributePath(DEFAULT + "name", (DEFAULT + "sub",)), "desc"),
        OrderKey(AttributePath(DEFAULT + "address", json_path=("a", "b"))),
    )


@pytest.mark.parametrize(
    "text",
    ["", ",", "a,", "a,,b", "a;up", "a;", ";asc", "a b", "a{b}", "a;asc;desc", "a;dist-asc", "1", "a[b"],
)
def test_what_is_no_order_is_refused(text: str) -> None:
    with pytest.raises(BadRequestData) as raised:
        parse_order_by(text, CORE)
    assert raised.value.field in ("orderBy", "orderFrom")


@pytest.mark.parametrize(
    ("coordinates", "geometry"),
    [("[8", "Point"), ("[8]", "Point"), ("[8,40]", "LineString"), ("[8,40]", "Spot")],
)
def test_an_origin_is_a_geometry(coordinates: str, geometry: str) -> None:
    with pytest.raises(BadRequestData) as raised:
        parse_order_by("location;dist-asc", CORE, coordinates=coordinates, geometry=geometry)
    assert raised.value.field in ("orderFrom", "orderGeometry")


def test_unlike_kinds_stand_in_the_order_of_the_standard_in_both_directions() -> None:
    kinds = {
        "number": 5,
        "text": "x",
        "object": {"a": 1},
        "array": [1],
        "boolean": True,
        "time": "10:00:00Z",
        "date": "2026-01-01",
        "dateTime": "2026-01-01T00:00:00Z",
        "null": None,
    }
    given = [
        entity(
            name,
            p={
                "type": "JsonProperty" if name == "null" else "Property",
                "json" if name == "null" else "value": value,
            },
        )
        for name, value in reversed(kinds.items())
    ]
    given.insert(3, entity("absent"))
    expected = " ".join([*kinds, "absent"])
    assert order("p", *given) == expected
    assert order("p;desc", *given) == expected


def test_values_of_one_kind() -> None:
    numbers = [entity(str(index), n=value) for index, value in enumerate((3, 20, 1.5))]
    assert order("n", *numbers) == "2 0 1"
    assert order("n;desc", *numbers) == "1 0 2"
    words = [entity(str(index), n=value) for index, value in enumerate(("zoo", "Äpfel", "apfel", "Birne"))]
    assert order("n", *words) == "2 1 3 0"
    times = [
        entity("a", n="2026-01-01T00:00:00.5Z"),
        entity("b", n={"type": "Property", "value": {"@type": "DateTime", "@value": "2026-01-01T00:00:00Z"}}),
    ]
    assert order("n", *times) == "b a"


def test_collations() -> None:
    words = ("Mahler", "Mühle", "muhle", "Mueller", "Müll")
    given = [entity(str(index), n=value) for index, value in enumerate(words)]
    assert order("n", *given) == "0 3 2 1 4"
    assert order("n;desc", *given) == "4 1 2 3 0"
    assert order("n", *given, collation="de-u-co-phonebk") == "0 1 4 3 2"
    upper = [entity("b", n="a"), entity("a", n="A"), entity("c", n="á")]
    assert order("n", *upper) == "b a c"
    assert order("n", *upper, collation="und-u-ks-level2") == "a b c"
    assert order("n", *reversed(upper), collation="und-u-ks-level1") == "a b c"
    assert order("n", *given, collation="und-x-icu") == order("n", *given, collation="en-US-u-ks-identic")
    for tag in ("sv", "de-u-co-eor", "und-u-ks", "und-u-kn-true", "und-u-ks-level9"):
        with pytest.raises(OperationNotSupported):
            parse_order_by("n", CORE, collation=tag)
    with pytest.raises(BadRequestData):
        parse_order_by("n", CORE, collation="?")


def test_several_keys_sub_attributes_and_members_of_the_entity() -> None:
    given = [
        entity("a", n={"type": "Property", "value": 1, "s": 2}, createdAt="2026-01-02T00:00:00Z"),
        entity("b", n={"type": "Property", "value": 1, "s": 1}, createdAt="2026-01-03T00:00:00Z"),
        entity(
            "c", n={"type": "Property", "value": 0, "s": 3, "unitCode": "X"}, createdAt="2026-01-01T00:00:00Z"
        ),
    ]
    assert order("n,n.s", *given) == "c b a"
    assert order("n;desc,n.s;desc", *given) == "a b c"
    assert order("createdAt", *given) == "c a b"
    assert order("id;desc", *given) == "c b a"
    assert order("type", *given) == "a b c"
    assert order("n.unitCode", *given) == "c a b"


def test_the_default_instance_counts() -> None:
    several = entity(
        "a", n=[{"type": "Property", "value": 0, "datasetId": "urn:d"}, {"type": "Property", "value": 9}]
    )
    assert order("n", several, entity("b", n=5)) == "b a"


def test_distances() -> None:
    def at(name: str, *position: float) -> Entity:
        return entity(
            name, location={"type": "GeoProperty", "value": {"type": "Point", "coordinates": list(position)}}
        )

    given = [
        at("far", 7, 52),
        at("near", 6.7, 51.5),
        at("nearest", 6.76, 51.43),
        entity("none"),
        entity("x", location=1),
    ]
    assert order("location;dist-asc", *given, coordinates="[6.76,51.43]") == "nearest near far x none"
    assert order("location;dist-desc", *given, coordinates=[6.76, 51.43]) == "far near nearest x none"
    line = {"coordinates": "[[7,52],[7.1,52.1]]", "geometry": "LineString"}
    assert order("location;dist-asc", *given, **line) == "far near nearest x none"


@examples(st.text("ab,;.[]{}<> dist-asc:@1", max_size=20))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    try:
        keys = parse_order_by(text, CORE, coordinates=[1, 2])
    except NgsiLdError as error:
        assert error.field == "orderBy"
    else:
        assert ordered([entity("b"), entity("a")], keys)[0].id in ("urn:x:a", "urn:x:b")

"""The query language: its grammar, its meaning, and that printing and reading undo each other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhinecloud.model import (
    CORE,
    And,
    AttributePath,
    BadRequestData,
    Comparison,
    Context,
    Entity,
    Exists,
    LinkedPath,
    NgsiLdError,
    Or,
    Pattern,
    Q,
    Range,
    Temporal,
    TooComplexQuery,
    Uri,
    ValueList,
    matches,
    parse_entity,
    parse_q,
    print_q,
)
from rhinecloud.model.core_context import DEFAULT_VOCABULARY as DEFAULT

from . import strategies


def path(
    attribute: str, *sub: str, json: tuple[str, ...] = (), linked: LinkedPath | None = None
) -> AttributePath:
    """A path with names in the default vocabulary, but for core members."""
    names = [
        name if name in ("observedAt", "unitCode", "modifiedAt") else DEFAULT + name
        for name in (attribute, *sub)
    ]
    return AttributePath(names[0], tuple(names[1:]), json, linked)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("temperature", Exists(path("temperature"))),
        ("temperature==20", Comparison(path("temperature"), "==", 20)),
        ("temperature>-1.5e1", Comparison(path("temperature"), ">", -15.0)),
        ('brandName!="Mercedes"', Comparison(path("brandName"), "!=", "Mercedes")),
        (r'a=="say \"hi\" \u00fc"', Comparison(path("a"), "==", 'say "hi" ü')),
        ("on==true", Comparison(path("on"), "==", True)),
        ("t==10..20", Comparison(path("t"), "==", Range(10, 20))),
        ('t!="a".."b"', Comparison(path("t"), "!=", Range("a", "b"))),
        ('color!= "black", "red"', Comparison(path("color"), "!=", ValueList(("black", "red")))),
        ("a==1,true,urn:x:y", Comparison(path("a"), "==", ValueList((1, True, Uri("urn:x:y"))))),
        ("a<=2026-01-31", Comparison(path("a"), "<=", Temporal("date", "2026-01-31"))),
        ("a<=10:00:00,50Z", Comparison(path("a"), "<=", Temporal("time", "10:00:00.5Z"))),
        (
            "t.observedAt>=2017-12-24T12:00:00.0Z",
            Comparison(path("t", "observedAt"), ">=", Temporal("dateTime", "2017-12-24T12:00:00Z")),
        ),
        (
            'modifiedAt>"2017-12-24T12:00:00Z"',
            Comparison(path("modifiedAt"), ">", Temporal("dateTime", "2017-12-24T12:00:00Z")),
        ),
        ('t.unitCode=="CEL"', Comparison(path("t", "unitCode"), "==", "CEL")),
        ('address[city]=="Berlin"', Comparison(path("address", json=("city",)), "==", "Berlin")),
        (
            "sensor.rawdata[airquality.particulate]==40",
            Comparison(path("sensor", "rawdata", json=("airquality", "particulate")), "==", 40),
        ),
        ('color[*]=="red"', Comparison(path("color", json=("*",)), "==", "red")),
        ("sensor{humidity}==40", Comparison(path("sensor", linked=LinkedPath(path("humidity"))), "==", 40)),
        (
            "sensor{Device,Thing:by{x.y[z]}}",
            Exists(
                path(
                    "sensor",
                    linked=LinkedPath(
                        path("by", linked=LinkedPath(path("x", "y", json=("z",)))),
                        (DEFAULT + "Device", DEFAULT + "Thing"),
                    ),
                )
            ),
        ),
        ("a==urn:ngsi-ld:X:1", Comparison(path("a"), "==", Uri("urn:ngsi-ld:X:1"))),
        (
            "a~=^Car.*(a|b;c)[)];b",
            And((Comparison(path("a"), "~=", Pattern("^Car.*(a|b;c)[)]")), Exists(path("b")))),
        ),
        (r'a!~="x\"y\d"|b', Or((Comparison(path("a"), "!~=", Pattern(r'x"y\d')), Exists(path("b"))))),
        (
            "a;b|c;d",
            Or((And((Exists(path("a")), Exists(path("b")))), And((Exists(path("c")), Exists(path("d")))))),
        ),
        (
            "a;(b|c);d",
            And((Exists(path("a")), Or((Exists(path("b")), Exists(path("c")))), Exists(path("d")))),
        ),
        ("((a;b);((c)))", And((Exists(path("a")), Exists(path("b")), Exists(path("c"))))),
        ("https://ex.org/a.b#c==1", Comparison(AttributePath("https://ex.org/a.b#c"), "==", 1)),
        ("<https://ex.org/a>.<urn:x:y>", Exists(AttributePath("https://ex.org/a", ("urn:x:y",)))),
        ("größe>5", Comparison(path("größe"), ">", 5)),
    ],
)
def test_the_grammar(text: str, tree: Q) -> None:
    assert parse_q(text, CORE) == tree
    assert parse_q(print_q(tree, CORE), CORE) == tree


def test_names_and_expanded_values_follow_the_context() -> None:
    context = Context.compile({"ex": "https://ex.org/", "speed": "ex:speed", "Male": "ex:Male"})
    tree = parse_q("speed>1;ex:x.speed;gender==Male", context, expand_values={"gender"})
    assert tree == And(
        (
            Comparison(AttributePath("https://ex.org/speed"), ">", 1),
            Exists(AttributePath("https://ex.org/x", ("https://ex.org/speed",))),
            Comparison(path("gender"), "==", Uri("https://ex.org/Male")),
        )
    )
    assert print_q(tree, context) == "speed>1;<https://ex.org/x>.speed;gender==https://ex.org/Male"
    assert parse_q('gender=="Male"', context, expand_values=["gender"]) == tree.terms[2]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a==",
        "a==b",
        "(a",
        "a)",
        "a;",
        "|a",
        "a=1",
        "a===1",
        "a==1 2",
        "()",
        "a{b",
        "a{b}.c",
        "a[b",
        "a[]",
    ]
    + [
        "type==1",
        "id",
        "scope",
        "observedAt>1",
        "a.value==1",
        "a.observedAt.b",
        "a>true",
        "a>urn:x:y",
        "a>1..2",
    ]
    + ['a==1.."x"', "a==true..false", "a==1..2,3", "a==2026-13-01", "a==2026-02-30T00:00:00Z", "a==1e999"]
    + [
        r'a=="\x"',
        'a=="x',
        "a~=",
        "a~=(",
        'a~="a**"',
        'a~="(a{99}){99}"',
        r"a~=(x)\1",
        "a~=(?i)x",
        "9a",
        "a..b",
        "a==01",
    ]
    + [r'a=="\u0000"', "a~=" + "x" * 999, "a~=" + "(" * 99 + "x" + ")" * 99],
)
def test_what_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(BadRequestData) as caught:
        parse_q(text, CORE)
    assert caught.value.field == "q"


@pytest.mark.parametrize(
    "text",
    [
        "(" * 500 + "a" + ")" * 500,
        "a{" * 100 + "b" + "}" * 100,
        "|".join(["a{b{c}}==1"] * 17),
        "a;" * 20_000 + "a",
    ],
)
def test_size_and_nesting_are_limited(text: str) -> None:
    with pytest.raises(TooComplexQuery):
        parse_q(text, CORE)


@settings(max_examples=300)
@given(strategies.queries, st.booleans())
def test_reading_undoes_printing(q: Q, short: bool) -> None:
    context = Context.compile({"ex": DEFAULT, "en": DEFAULT + "speed"}) if short else CORE
    assert parse_q(print_q(q, context), context) == q


@settings(max_examples=500)
@given(st.text(st.sampled_from(list('ab"\\()[]{}<>=!~;|,.:*+-1T20Zé ')), max_size=20))
def test_whatever_comes_is_read_or_refused(text: str) -> None:
    try:
        q = parse_q(text, CORE)
    except NgsiLdError:
        return
    assert parse_q(print_q(q, CORE), CORE) == q


ENTITY = parse_entity(
    {
        "id": "urn:x:car",
        "type": "Car",
        "speed": [
            {"value": 50, "observedAt": "2026-01-31T12:00:00.5Z"},
            {"value": 80, "datasetId": "urn:d:gps"},
        ],
        "brand": "Opel",
        "doors": {"value": ["left", "right"], "unitCode": "X"},
        "on": True,
        "checked": {"value": {"@type": "DateTime", "@value": "2026-01-31T12:00:00Z"}},
        "born": "2001-05-05",
        "address": {
            "value": {"city": "Duisburg", "at": {"no": 7}, "none": None},
            "by": {"value": 1, "of": 2},
        },
        "color": {"languageMap": {"en": ["red", "cat"], "de": "rot"}},
        "kind": {"vocab": ["Fast", "https://ex.org/x"]},
        "owner": {"object": "urn:x:me", "objectType": "Person"},
        "wheels": {"objectList": ["urn:x:w1", "urn:x:w2"]},
        "raw": {"json": {"id": "5", "n": [1, 2]}},
        "steps": {"valueList": [1, 2, 3]},
    },
    CORE,
)
PERSON = parse_entity({"id": "urn:x:me", "type": "Person", "age": 40, "boss": {"object": "urn:x:me"}}, CORE)


def resolve(entity_id: str) -> Entity | None:
    return PERSON if entity_id == "urn:x:me" else None


@pytest.mark.parametrize(
    "text",
    ["speed", "speed==50", "speed==80", "speed>79", "speed==70..80", "speed!=50", "speed==1,80", "speed<=50"]
    + [
        'brand=="Opel"',
        'brand!="Fiat"',
        "brand!=5",
        'brand>"Op"',
        'brand=="A".."Z"',
        "brand~=^O",
        "brand!~=x",
    ]
    + ['doors=="left"', 'doors!="up"', 'doors=="up","right"', 'doors.unitCode=="X"', "doors~=^le"]
    + ["on==true", "on!=false", "on!=1", "checked>=2026-01-31T12:00:00Z", "checked<2026-01-31T12:00:00.1Z"]
    + ["speed.observedAt>2026-01-31T12:00:00Z", "speed.observedAt<2026-01-31T12:00:01Z", "born<2002-01-01"]
    + ['address[city]=="Duisburg"', "address[at.no]==7", "address[none]", "address.by==1", "address.by.of>1"]
    + [
        'color=="red"',
        'color[*]=="rot"',
        'color[en]=="cat"',
        'color[de]!="red"',
        "color[de]~=^r",
        "color~=ca",
    ]
    + [
        f'kind=="{DEFAULT}Fast"',
        "kind==https://ex.org/x",
        'owner=="urn:x:me"',
        "owner==urn:x:me",
        "wheels==urn:x:w2",
    ]
    + ["owner!=urn:x:you", f'owner.objectType=="{DEFAULT}Person"', 'raw[id]=="5"', "raw[n]==2", "steps==3"]
    + ["owner{age}==40", "owner{Person:age}>30", "owner{boss{boss{age}}}", "owner{Cat,Person:age}"]
    + ["brand;on", "brand|nothing", "(nothing|on);speed>60", "nothing;on|on"],
)
def test_what_matches(text: str) -> None:
    assert matches(parse_q(text, CORE), ENTITY, resolve)


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "speed==60",
        "speed>80",
        'speed=="50"',
        "speed==51..79",
        "nothing!=1",
        "on==1",
        "on>0",
        "brand>5",
    ]
    + [
        'brand!="Opel"',
        "brand~=^x",
        "brand!~=el$",
        "speed~=5",
        "speed!~=9",
        'doors!="left","up"',
        'doors!="right"',
    ]
    + ["checked>2026-01-31T12:00:00Z", "brand<2026-01-31T12:00:00Z", "born<2002-01-01T00:00:00Z"]
    + ["address[town]", "address[city.x]", "address.at", "address[nothing.none]!=1", "speed[x]"]
    + ['color[fr]=="red"', 'color[en]=="rot"', 'color[*]!="rot"', 'color[en]!="cat"', "color[en.x]"]
    + ["owner>urn", "owner~=urn", "wheels!~=x", "wheels!=urn:x:w1", "kind==Fast", "raw[n]>0", "steps>0"]
    + [
        "owner{Cat:age}",
        "owner{age}==41",
        "brand{age}",
        "wheels{age}",
        "owner.unitCode",
        "modifiedAt>2000-01-01T00:00:00Z",
    ],
)
def test_what_does_not_match(text: str) -> None:
    context = CORE
    if text in ("owner>urn", "kind==Fast"):  # Not in the grammar as such.
        text = text.replace("urn", '"urn"').replace("Fast", '"Fast"')
    assert not matches(parse_q(text, context), ENTITY, resolve)


def test_times_of_the_entity() -> None:
    entity = Entity(id="urn:a:b", types=(DEFAULT + "T",), modified_at="2026-01-31T12:00:00Z")
    assert matches(parse_q("modifiedAt>=2026-01-31T12:00:00Z", CORE), entity)
    assert not matches(parse_q("createdAt", CORE), entity)


@settings(max_examples=150)
@given(strategies.queries, strategies.entities)
def test_and_or_and_unequal_mean_what_they_say(q: Q, entity: Entity) -> None:
    def holds(part: Any) -> bool:
        return matches(part, entity)

    if isinstance(q, And):
        assert holds(q) == all(map(holds, q.terms))
    elif isinstance(q, Or):
        assert holds(q) == any(map(holds, q.terms))
    elif isinstance(q, Comparison) and holds(q):
        assert holds(Exists(q.path))


# Each production of the grammar, in the words of the clause where it has an example.
PRODUCTIONS = {
    "Query": ['a==1;b==2|c==3;d==4', 'speed>50;brandName!="Mercedes"'],
    "QueryTermAssoc": ['(speed>50|rpm>3000);brandName=="Mercedes"', "a;(b|c==1;d)"],
    "QueryTerm": ["temperature", "temperature==20", 'a>"x"', "a<=10:00:00.5Z", "a<2020-01-01", 'a~="^b.*"', 'a!~="b"'],
    "LinkedEntityRelation": ["sensor{humidity}==40", "sensor{Device:humidity}==40", "sensor{Device,Other:humidity}"],
    "LinkedEntityPath": ["a{b{c}}", "a{T:b{U,V:c}}>=2", "a{b.c[d.e]}==1"],
    "ValuePath": ['address[city]=="Berlin"', "sensor.rawdata[airquality.particulate]==40", "a.b.c.d",
                  'color[*]=="red"'],
    "OtherValue": ["a==true", "a!=false"],
    "Range": ["a==10..20", 'a!="a".."b"', "a==2020-01-01..2020-12-31", "a==10:00:00Z..11:00:00Z",
              "a==2020-01-01T00:00:00Z..2020-01-02T00:00:00Z"],
    "ValueList": ['color!="black","red"', "a==1,true,-2.5", "a==2020-01-01T00:00:00Z,2020-01-02T00:00:00Z"],
    "URI": ["color==http://example.com/red", "color==http://example/black,urn:x:red"],
    "AttrName": ["ä_1", "名前==1"],
    "quotedStr": [r'a=="say \"hi\""', 'a==";|()"'],
    "members": ["a.observedAt>=2017-12-24T12:00:00Z", 'a.unitCode=="CEL"', "a.datasetId==urn:x:d",
                "createdAt>2020-01-01T00:00:00Z"],
}  # fmt: skip


@pytest.mark.parametrize("production", PRODUCTIONS)
def test_each_production_is_read_and_printed_as_it_is_written(production: str) -> None:
    for text in PRODUCTIONS[production]:
        assert print_q(parse_q(text, CORE), CORE) == text
    for text in PRODUCTIONS[production]:
        for broken in (text + ";", "|" + text, f"({text}", text + ")", text + " =="):
            with pytest.raises(BadRequestData):
                parse_q(broken, CORE)


def test_values_are_expanded_for_the_attributes_that_are_named() -> None:
    context = Context.compile({"Male": "https://e.x/Male", "gender": "https://e.x/gender"})
    male = Uri("https://e.x/Male")
    for text, names in (
        ("gender==Male", ["gender"]),
        ('gender=="Male"', ["https://e.x/gender"]),
        ("a.gender==Male", ["a.gender"]),
        ("a{gender}==Male", ["gender"]),
    ):
        q = parse_q(text, context, expand_values=names)
        assert isinstance(q, Comparison) and q.value == male
    q = parse_q('a.gender=="Male"', context, expand_values=["gender"])
    assert isinstance(q, Comparison) and q.value == "Male"
    for expand, json_keys, field in (
        (["g"], ["g"], "jsonKeys"),
        (["1"], [], "expandValues"),
        ([], ["a["], "jsonKeys"),
    ):
        with pytest.raises(BadRequestData) as raised:
            parse_q("g==1", context, expand_values=expand, json_keys=json_keys)
        assert raised.value.field == field

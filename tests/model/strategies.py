"""Hypothesis strategies: names, JSON values, attributes and entities as documents, and queries as trees."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from rhinecloud.model import (
    CORE,
    NULL,
    And,
    AttributePath,
    Comparison,
    Entity,
    Exists,
    LinkedPath,
    Or,
    Pattern,
    Range,
    Temporal,
    Uri,
    ValueList,
    normal_time,
    parse_entity,
)
from rhinecloud.model.core_context import KEYWORD_ALIASES, TERMS
from rhinecloud.model.query_tree import PATH_MEMBERS

# A few names that clash on purpose, some beyond ASCII, the rest at random.
names = st.one_of(
    st.sampled_from(["temperature", "speed", "größe", "名前", "refDevice", "powerState"]),
    st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,8}", fullmatch=True),
).filter(lambda name: name not in TERMS and name not in KEYWORD_ALIASES)

uris = st.from_regex(r"urn:ngsi-ld:[A-Z][a-z]{1,6}:[a-zA-Z0-9]{1,6}", fullmatch=True)
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12).filter(
    lambda text: text != NULL
)
numbers = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
times = st.datetimes().map(lambda moment: normal_time(moment.isoformat() + "Z")).filter(bool)
scalars = st.one_of(st.booleans(), numbers, texts)

json_values = st.recursive(
    st.one_of(scalars, st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(texts, st.sampled_from(["type", "value", "object", "@value"])), inner, max_size=3
        ),
    ),
    max_leaves=6,
)
property_values = json_values.filter(lambda value: value is not None)

longitudes = st.floats(-180, 180)
latitudes = st.floats(-90, 90)
positions = st.tuples(longitudes, latitudes).map(list)
geometries = st.one_of(
    positions.map(lambda at: {"type": "Point", "coordinates": at}),
    st.lists(positions, min_size=2, max_size=4).map(lambda line: {"type": "LineString", "coordinates": line}),
    st.lists(positions, min_size=3, max_size=5).map(
        lambda ring: {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    ),
)
languages = st.dictionaries(
    st.sampled_from(["de", "en", "fr-CH", "tr", "@none"]),
    st.one_of(texts, st.lists(texts, min_size=1, max_size=2)),
    min_size=1,
    max_size=3,
)
vocabulary_terms = st.one_of(names, st.lists(names, min_size=1, max_size=2))


def _instances(inner: st.SearchStrategy[Any] | None) -> st.SearchStrategy[dict[str, Any]]:
    """Normalized instances of every type of attribute; `inner` makes sub-attributes."""
    kinds = st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("Property"), "value": property_values},
            optional={"unitCode": st.sampled_from(["CEL", "MTR"]), "valueType": names},
        ),
        st.fixed_dictionaries({"type": st.just("GeoProperty"), "value": geometries}),
        st.fixed_dictionaries(
            {
                "type": st.just("Relationship"),
                "object": st.one_of(uris, st.lists(uris, min_size=1, max_size=2)),
            },
            optional={"objectType": names},
        ),
        st.fixed_dictionaries({"type": st.just("LanguageProperty"), "languageMap": languages}),
        st.fixed_dictionaries({"type": st.just("VocabProperty"), "vocab": vocabulary_terms}),
        st.fixed_dictionaries({"type": st.just("JsonProperty"), "json": json_values}),
        st.fixed_dictionaries(
            {"type": st.just("ListProperty"), "valueList": st.lists(property_values, max_size=3)}
        ),
        st.fixed_dictionaries(
            {
                "type": st.just("ListRelationship"),
                "objectList": st.lists(uris.map(lambda uri: {"object": uri}), max_size=2),
            }
        ),
    )
    details: dict[str, Any] = {"observedAt": times, "datasetId": uris}
    subs = st.dictionaries(names, inner, max_size=2) if inner is not None else st.just({})
    return st.builds(
        lambda instance, more, sub: {**instance, **more, **sub},
        kinds,
        st.fixed_dictionaries({}, optional=details),
        subs,
    )


def _one_or_many(instance: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Any]:
    several = st.lists(instance, min_size=2, max_size=3, unique_by=lambda one: one.get("datasetId"))
    return st.one_of(instance, several)


attributes = _one_or_many(_instances(_one_or_many(_instances(None))))

documents = st.builds(
    lambda head, members: {**members, **head},
    st.fixed_dictionaries(
        {"id": uris, "type": st.one_of(names, st.lists(names, min_size=1, max_size=2, unique=True))},
        optional={"scope": st.lists(names.map(lambda name: "/" + name), min_size=1, max_size=2, unique=True)},
    ),
    st.dictionaries(names, attributes, max_size=4),
)

entities: st.SearchStrategy[Entity] = documents.map(lambda document: parse_entity(document, CORE))

# ---- queries

iris = st.one_of(
    names.map(CORE.expand_name), st.sampled_from(["https://example.org/a/b#c.d", "urn:x:y", "ex:name"])
)
paths = st.deferred(lambda: st.one_of(plain_paths, linked_paths))
plain_paths = st.builds(
    AttributePath,
    iris,
    st.one_of(
        st.lists(iris, max_size=2),
        st.builds(
            lambda subs, last: [*subs, last],
            st.lists(iris, max_size=1),
            st.sampled_from(sorted(PATH_MEMBERS)),
        ),
    ).map(tuple),
    st.lists(st.sampled_from(["city", "en", "a-b", "große Straße", "0"]), max_size=2).map(tuple),
)
linked_paths = st.builds(
    lambda attribute, path, types: AttributePath(attribute, linked=LinkedPath(path, tuple(types))),
    iris,
    paths,
    st.lists(iris, max_size=2),
)
temporals = st.one_of(
    times.map(lambda text: Temporal("dateTime", text)),
    times.map(lambda text: Temporal("date", text[:10])),
    times.map(lambda text: Temporal("time", text[11:])),
)
singles = st.one_of(scalars, temporals, uris.map(Uri))
ranges = st.one_of(
    *(
        st.tuples(values, values)
        for values in (numbers, texts, times.map(lambda text: Temporal("dateTime", text)))
    )
).map(lambda ends: Range(*ends))
patterns = st.sampled_from(
    [
        "^Car.*",
        "[^;|)]+$",
        'say "(hi|ho)"',
        r"\.\d{2,3}",
        r"back\\slash",
        "a;b|c)".replace(")", r"\)"),
        "[]]x",
    ]
).map(Pattern)
comparisons = st.one_of(
    st.builds(
        Comparison,
        paths,
        st.sampled_from(["==", "!="]),
        st.one_of(
            singles,
            ranges,
            st.lists(singles, min_size=2, max_size=3).map(lambda many: ValueList(tuple(many))),
        ),
    ),
    st.builds(
        Comparison, paths, st.sampled_from([">", ">=", "<", "<="]), st.one_of(numbers, texts, temporals)
    ),
    st.builds(Comparison, paths, st.sampled_from(["~=", "!~="]), patterns),
)


def _joined(kind: type[And] | type[Or], inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    terms = inner.filter(lambda term: not isinstance(term, kind))
    return st.lists(terms, min_size=2, max_size=3).map(lambda many: kind(tuple(many)))


queries = st.recursive(
    st.one_of(comparisons, st.builds(Exists, paths)),
    lambda inner: st.one_of(_joined(And, inner), _joined(Or, inner)),
    max_leaves=6,
)

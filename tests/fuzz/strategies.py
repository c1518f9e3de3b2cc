"""What is sent: documents that are nearly right, words that are nearly known, and plain noise.

Whatever may look like the address of a host is one of this machine: nothing that is generated leaves it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from ..model import strategies as some

NOWHERE = "http://127.0.0.1:1/context"  # nobody listens there

MEMBERS = [
    "id", "type", "@id", "@type", "@context", "value", "object", "languageMap", "vocab", "json", "valueList",
    "objectList", "objectType", "entity", "datasetId", "instanceId", "observedAt", "unitCode", "scope", "location",
    "createdAt", "modifiedAt", "deletedAt", "expiresAt", "a", "b", "@none", "@value", "@list", "@graph", "@vocab",
    "coordinates", "https://x.example/a#b", "", "entities", "watchedAttributes", "notification", "endpoint", "uri",
    "accept", "q", "geoQ", "temporalQ", "scopeQ", "timerel", "timeAt", "endTimeAt", "lastN", "georel", "geometry",
    "idPattern", "attrs", "attributes", "timeInterval", "throttling", "notificationTrigger", "format", "lang",
    "receiverInfo", "notifierInfo", "key", "jsonldContext", "isActive", "join", "joinLevel", "pick", "omit", "values",
]  # fmt: skip
WORDS = [
    "urn:ngsi-ld:null", "urn:x:1", "urn:x:fuzz", "Property", "Relationship", "GeoProperty", "LanguageProperty",
    "ListProperty", "JsonProperty", "VocabProperty", "ListRelationship", "Subscription", "Query", "Point", "Polygon",
    "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-02-30T00:00:00Z", "/A/B",
    "/#", "\x00", "\ud800", "ex:a", "Fuzz", "*", "", " ", "a" * 5000, "near;maxDistance==10", "within", "PT1H", "P1D",
    "entityUpdated", "normalized", "keyValues", "concise", "flat", "inline", "avg,max", "-INF", "a b", "é",
    "\U0001f600",
]  # fmt: skip
NUMBERS = [0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, -0.0, 1e-320, 0.1, 181, 90.0001]

leaves = st.one_of(
    st.sampled_from([None, True, False, *NUMBERS]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(WORDS),
)
names = st.one_of(st.sampled_from(MEMBERS), st.text(max_size=4))
noise = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=5)),
    max_leaves=20,
)


# ---- documents that are right, and what a small slip makes of them

contexts = st.one_of(
    st.just({"ex": "https://x.example/", "a": "ex:a"}),
    st.dictionaries(names, st.one_of(st.text(max_size=6), st.just(None), noise), max_size=4),
    st.lists(st.dictionaries(names, leaves, max_size=2), max_size=3),
    st.just(NOWHERE),
    noise.filter(lambda value: not isinstance(value, str)),
)
entities = some.documents.map(lambda document: {**document, "id": "urn:x:fuzz", "type": "Fuzz"})
geo_queries = st.fixed_dictionaries(
    {
        "geometry": st.sampled_from(["Point", "Polygon", "LineString", "MultiPoint"]),
        "coordinates": st.sampled_from([[6.7, 51.4], [[[0, 0], [1, 0], [1, 1], [0, 0]]], "[1,2]", []]),
        "georel": st.sampled_from(["near;maxDistance==1e6", "within", "intersects", "disjoint", "equals"]),
    },
    optional={"geoproperty": st.sampled_from(["location", "a"])},
)
temporal_queries = st.fixed_dictionaries(
    {"timerel": st.sampled_from(["before", "after", "between"]), "timeAt": st.just("2026-01-01T00:00:00Z")},
    optional={
        "endTimeAt": st.just("2027-01-01T00:00:00Z"),
        "timeproperty": st.sampled_from(["observedAt", "modifiedAt", "deletedAt", "a"]),
        "lastN": st.sampled_from([1, 0, "2", 2**31]),
    },
)
selectors = st.fixed_dictionaries(
    {"type": st.sampled_from(["Fuzz", "*", "(Fuzz;B)|C", "A,B"])},
    optional={"id": st.just("urn:x:fuzz"), "idPattern": st.sampled_from([".*", "urn:.*", "(a|b)+c"])},
)
attribute_names = st.lists(
    st.sampled_from(["a", "b", "location", "https://x.example/a"]), min_size=1, max_size=3
)
q_texts = st.sampled_from(
    ["a", "a>1", 'a=="x";b|a.b', "a~=^x", "a[b]==1..2", "a{b}", "createdAt>2020-01-01T00:00:00Z"]
)
queries = st.fixed_dictionaries(
    {"type": st.just("Query"), "entities": st.lists(selectors, min_size=1, max_size=2)},
    optional={
        "q": q_texts, "geoQ": geo_queries, "temporalQ": temporal_queries, "attrs": attribute_names,
        "scopeQ": st.sampled_from(["/A", "/A/#"]), "lang": st.just("de,en"), "pick": attribute_names,
        "omit": attribute_names, "join": st.sampled_from(["inline", "flat"]), "joinLevel": st.sampled_from([1, 99]),
        "ordering": st.dictionaries(names, leaves, max_size=2), "csf": st.just("a==1"),
    },
)  # fmt: skip
subscriptions = st.fixed_dictionaries(
    {
        "type": st.just("Subscription"),
        "notification": st.fixed_dictionaries(
            {
                "endpoint": st.fixed_dictionaries(
                    {"uri": st.sampled_from([NOWHERE, "mqtt://127.0.0.1:1/t"])},
                    optional={
                        "accept": st.sampled_from(["application/ld+json", "application/geo+json"]),
                        "receiverInfo": st.lists(st.fixed_dictionaries({"key": names, "value": names}), max_size=2),
                        "cooldown": st.sampled_from([0, 1000]), "timeout": st.sampled_from([0, 1, 1e9]),
                    },
                )
            },
            optional={
                "attributes": attribute_names, "format": st.sampled_from(["normalized", "keyValues", "concise"]),
                "join": st.just("inline"), "sysAttrs": st.booleans(), "showChanges": st.booleans(),
            },
        ),
    },
    optional={
        "id": st.just("urn:x:subscription"), "entities": st.lists(selectors, min_size=1, max_size=2),
        "watchedAttributes": attribute_names, "q": q_texts, "geoQ": geo_queries, "throttling": st.sampled_from([1, 60]),
        "expiresAt": st.just("2030-01-01T00:00:00Z"), "isActive": st.booleans(), "lang": st.just("de"),
        "temporalQ": temporal_queries, "scopeQ": st.just("/A"), "jsonldContext": st.just(NOWHERE),
        "notificationTrigger": st.just(["entityUpdated"]), "subscriptionName": st.text(max_size=5),
    },
)  # fmt: skip


@st.composite
def slipped(draw: Callable[..., Any], documents: st.SearchStrategy[Any]) -> Any:
    """A document of which up to three places were changed: replaced, left out, doubled or renamed."""
    document = json.loads(json.dumps(draw(documents)))
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(document))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "remove", "double", "rename", "wrap"])):
            case "replace":
                holder[key] = draw(noise)
            case "remove":
                del holder[key]
            case "double":
                holder[key] = [holder[key], holder[key]]
            case "wrap":
                holder[key] = {draw(names): holder[key]}
            case "rename" if isinstance(holder, dict):
                holder[draw(names)] = holder.pop(key)
    return document


def _places(document: Any) -> Any:
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            yield document, key
            yield from _places(document[key])


def documents(path: str) -> st.SearchStrategy[Any]:
    """Bodies for an operation, from its path: mostly nearly right."""
    if path.endswith("/query"):
        right: st.SearchStrategy[Any] = queries
    elif path.endswith("/delete"):
        right = st.lists(st.sampled_from(["urn:x:fuzz", "urn:x:1"]), max_size=3)
    elif path.startswith("entityOperations"):
        right = st.lists(entities, max_size=3)
    elif path.startswith("subscriptions"):
        right = subscriptions
    elif path.startswith("jsonldContexts"):
        right = st.fixed_dictionaries({"@context": contexts})
    elif path.startswith("temporal") and "attrs" not in path:
        right = entities.map(_temporal)
    else:
        right = entities
    embedded = st.builds(_with_context, right, contexts)
    return st.one_of(right, slipped(right), slipped(embedded), noise)


def _temporal(document: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if name in ("id", "type", "scope") or isinstance(value, list) else [value]
        for name, value in document.items()
    }


def _with_context(document: Any, context: Any) -> Any:
    if isinstance(document, list):
        return [_with_context(item, context) for item in document]
    return {**document, "@context": context} if isinstance(document, dict) else document


def dumped(document: Any) -> bytes:
    """As JSON; a lone surrogate becomes a byte that no UTF-8 has."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


@st.composite
def bodies(draw: Callable[..., Any], path: str) -> bytes:
    """Bytes for an operation: a document, now and then cut off or with a few bytes of noise."""
    body = dumped(draw(documents(path)))
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(body)))
        body = (
            body[:at]
            + draw(st.sampled_from([b"", b"\xff", b"\x00", b"NaN", b"{" * 999, b"\xef\xbb\xbf", b"/**/"]))
            + body[at + 1 :]
        )
    return body  # fmt: skip


# ---- what stands in paths, query strings and headers

identities = st.one_of(
    st.sampled_from(
        ["urn:x:fuzz", "urn:x:1", "a", "b", "https://x.example/a", "*", "", ".", "..", "%", "\x00", "é", "a/b", "a b"]
    ),
    st.text(max_size=6),
).map(lambda text: quote(text, safe=":", errors="replace"))  # fmt: skip

_noise_terms = st.one_of(
    st.text(max_size=20),
    st.text("()[]{};|,.=!<>~\"'\\aT0:-*+?^$%&# ", max_size=24),
    st.sampled_from(
        ["", "-1", "9" * 5000, "(" * 3000, "a" * 9000, "\x00", "n==" + "(" * 2000, 'n~="(a+)+$"', "n==1..", "a[b",
         ".*" * 200, ",".join(["a"] * 500), "urn:x:" + "1" * 3000, "1e999", "NaN", "true", "a{" * 99, "\U0001f600"]
    ),
)  # fmt: skip
_TERMS: dict[str, list[str]] = {
    "type": ["Fuzz", "*", "(Fuzz;B)|C", "Fuzz,B", "https://x.example/T"],
    "id": ["urn:x:fuzz", "urn:x:1,urn:x:2"],
    "idPattern": [".*", "urn:.*", "^(a|b)$"],
    "q": [
        "a",
        "a>1",
        'a=="x"',
        "a.b==1;(b|c)",
        "a[b.c]==1..2",
        "a{Fuzz:b}>2",
        "n==2026-01-01T00:00:00Z",
        "a~=.*x",
    ],
    "scopeQ": ["/A", "/A/#", "/+/B;(/C|/D)"],
    "georel": ["near;maxDistance==1e9", "near;minDistance==0", "within", "disjoint", "equals", "overlaps"],
    "geometry": ["Point", "Polygon", "LineString", "MultiPolygon"],
    "coordinates": [
        "[1,2]",
        "[[[0,0],[1,0],[1,1],[0,0]]]",
        "[[0,0],[1,1]]",
        "[1e308,1e308]",
        "[[[]]]",
        "[null]",
    ],
    "geoproperty": ["location", "a"],
    "options": [
        "normalized",
        "concise",
        "simplified",
        "keyValues",
        "sysAttrs,count",
        "temporalValues",
        "noOverwrite",
    ],
    "format": ["normalized", "concise", "simplified", "keyValues", "temporalValues", "aggregatedValues"],
    "attrs": ["a", "a,b,location"],
    "pick": ["a", "id,type", "a{b},c", "location"],
    "omit": ["a", "id", "a{b|c}"],
    "lang": ["de", "de;q=0.5,en", "*"],
    "datasetId": ["urn:x:1", "@none", "urn:x:1,@none"],
    "join": ["flat", "inline", "@none"],
    "joinLevel": ["1", "2", "0", "99"],
    "orderBy": ["a", "a;desc,b", "location;dist-asc", "id"],
    "orderFrom": ["[1,2]", "[[0,0],[1,1]]"],
    "collation": ["de", "root"],
    "limit": ["0", "1", "1000", "1001"],
    "offset": ["0", "5", "2147483647"],
    "timerel": ["before", "after", "between"],
    "timeAt": ["2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"],
    "endTimeAt": ["2027-01-01T00:00:00Z", "2020-01-01T00:00:00+14:00"],
    "timeproperty": ["observedAt", "createdAt", "modifiedAt", "deletedAt", "a"],
    "lastN": ["1", "0", "2147483648"],
    "aggrMethods": ["avg", "totalCount,sum,min,max,stddev,sumsq,distinctCount"],
    "aggrPeriodDuration": ["PT0S", "PT1H", "P1D", "P1M", "P9999Y", "PT0.001S"],
    "kind": ["Hosted", "Cached", "ImplicitlyCreated"],
}
_FLAGS = ["true", "false"]


@st.composite
def query_strings(draw: Callable[..., Any], known: frozenset[str]) -> str:
    """Parameters of an operation that takes `known`: a few of these, with values that mostly mean something."""
    chosen = draw(st.lists(st.sampled_from(sorted(known)), max_size=5, unique=True)) if known else []
    pairs = [
        (name, draw(st.one_of(st.sampled_from(_TERMS.get(name, _FLAGS)), _noise_terms))) for name in chosen
    ]
    match draw(st.integers(0, 19)):
        case 0:
            pairs.append((draw(st.text(max_size=5)), draw(_noise_terms)))
        case 1 if pairs:
            pairs.append(pairs[0])
        case 2:
            return draw(st.text("%&=?+ab0f;/", max_size=12))
    return "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in pairs)[:60_000]


def _escaped(text: str) -> str:
    return quote(text, safe="", errors="replace")


_printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.strip)
_JSON_TYPES = ["application/json", "application/json", "application/json", "application/ld+json"]


@st.composite
def headers(draw: Callable[..., Any]) -> dict[str, str]:
    """Mostly the ordinary ones."""
    given = {"content-type": draw(st.sampled_from(_JSON_TYPES))}
    if draw(st.booleans()):
        given["accept"] = draw(
            st.sampled_from(["application/json", "application/ld+json", "application/geo+json", "*/*", "text/html",
                             "application/ld+json;q=x", "application/json;q=0", "", ",;,"])
        )  # fmt: skip
    match draw(st.integers(0, 19)):
        case 0:
            return draw(
                st.dictionaries(
                    st.sampled_from(["accept", "link", "content-type", "prefer", "via", "expect"]),
                    _printable.filter(lambda text: "://" not in text and "100-c" not in text),
                    max_size=4,
                )
            )
        case 1:
            url = draw(
                st.sampled_from([NOWHERE, "urn:x", "", "http://[", "http://127.0.0.1:99999/", "a b", "/x"])
            )
            given["link"] = f'<{url}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
        case 2:
            given["content-type"] = draw(
                st.sampled_from(
                    ["", "text/plain", "application/merge-patch+json", "a;b;c", "application/geo+json"]
                )
            )
        case 3:
            given["ngsild-tenant"] = draw(
                st.sampled_from(
                    ["", "city", "none", "a b", "x" * 300, "../x", "é".encode().decode("latin-1")]
                )
            )
    return given  # fmt: skip

"""Every text in both languages, and numbers and times as each language writes them."""

from __future__ import annotations

import re

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from rhinecloud.web.language import CATALOGUES, Language, instant, zone
from rhinecloud.web.texts import extract
from rhinecloud.web.values import rows

_PLACES = re.compile(r"%\(\w+\)[sd]")


def _german() -> Catalog:
    with (CATALOGUES / "de.po").open("rb") as file:
        return read_po(file, locale="de")


def test_the_german_catalogue_has_every_text_and_no_other() -> None:
    wanted = {message.id for message in extract() if message.id}
    german = {message.id: message.string for message in _german() if message.id}
    assert wanted == set(german), "run `python -m rhinecloud.web.texts` and translate what is new"
    for source, translated in german.items():
        pairs = zip(source, translated, strict=True) if isinstance(source, tuple) else [(source, translated)]
        for one, other in pairs:
            assert other, f"not translated: {one}"
            if isinstance(source, str):
                assert sorted(_PLACES.findall(one)) == sorted(_PLACES.findall(other)), one


def test_numbers_and_times() -> None:
    german, english = (Language(code, zone("Europe/Berlin")) for code in ("de", "en"))
    assert german.number(1234.5678) == "1.234,568"
    assert english.number(42270, 0) == "42,270"
    # Whatever a device may say: 309 digits are no answer, and the library refuses to round them.
    assert german.number(1e308, 6) == "1E308"
    assert german.number(-1.5e300, 0) == "-1,5E300"
    assert english.number(10**40) == "1E40"
    assert german.moment("2026-07-01T22:30:05Z") == "02.07.2026, 00:30:05"
    assert english.moment("2026-01-01T10:00:00.25Z") == "1 Jan 2026, 11:00:00"
    assert german.moment("morgen") == "morgen"
    assert german.size(1_500_000) == "1,5 MB"
    assert instant("2026-01-01T10:00:00Z") is not None and instant(7) is None


def test_every_kind_of_attribute_has_a_row() -> None:
    kinds = {
        "Property": {"value": 21.5, "unitCode": "CEL"},
        "Relationship": {"object": ["urn:a:1", "urn:a:2"]},
        "GeoProperty": {"value": {"type": "Point", "coordinates": [6.7, 51.4]}},
        "LanguageProperty": {"languageMap": {"de": "eins", "en": ["one", "first"]}},
        "VocabProperty": {"vocab": "https://uri.etsi.org/ngsi-ld/default-context/open"},
        "JsonProperty": {"json": {"deep": [1]}},
        "ListProperty": {"valueList": [1, 2]},
        "ListRelationship": {"objectList": [{"object": "urn:a:1"}]},
    }
    found = {
        row.kind: (row.form, row.value, row.unit)
        for row in rows(
            {f"https://example.org/{kind}": [{"type": kind, **rest}] for kind, rest in kinds.items()}
        )
    }
    assert found["Property"] == ("number", 21.5, "°C")
    assert found["Relationship"][:2] == ("links", ["urn:a:1", "urn:a:2"])
    assert found["GeoProperty"][:2] == ("position", (6.7, 51.4))
    assert found["LanguageProperty"][:2] == ("languages", [("de", "eins"), ("en", ["one", "first"])])
    assert found["VocabProperty"][:2] == ("text", "open")
    assert found["JsonProperty"][0] == "json"
    assert found["ListProperty"][:2] == ("text", "1, 2")
    assert found["ListRelationship"][:2] == ("links", ["urn:a:1"])

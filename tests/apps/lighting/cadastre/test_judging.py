"""What files of a cadastre become, what is refused of them, and that it is what the Smart Data Models ask."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from referencing import Registry, Resource

from rhinecloud.apps.lighting.cadastre.importing import Unreadable, judge, tried
from rhinecloud.apps.lighting.cadastre.judging import Judged
from rhinecloud.apps.lighting.cadastre.kinds import KINDS
from rhinecloud.city import load_mapping
from rhinecloud.gateways.importing.mapping import SHIPPED
from rhinecloud.model import CORE, parse_entity, render

from .files import FILES

MODELS = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "smart-data-models"
UTM = "EPSG:25832"


def read(folder: Path, kind: str, text: str, known: Mapping[str, set[str]] | None = None) -> list[Judged]:
    path = folder / "file.csv"
    path.write_text(text)
    there = {one.type: set[str]() for one in KINDS.values()} | dict(known or {})
    return list(judge(KINDS[kind], path, UTM, {type: frozenset(ids) for type, ids in there.items()}))


def whole(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """All files, each after those that it names."""
    known: dict[str, set[str]] = {one.type: set() for one in KINDS.values()}
    found: dict[str, list[dict[str, Any]]] = {}
    for key, kind in KINDS.items():
        lines = read(folder, key, FILES[key], known)
        assert [one.problem for one in lines] == [None] * len(lines)
        found[key] = [one.entity for one in lines if one.entity is not None]
        known[kind.type].update(one["id"] for one in found[key])
    return found


def problem(
    folder: Path, kind: str, text: str, known: Mapping[str, set[str]] | None = None
) -> tuple[str, str]:
    found = [one.problem for one in read(folder, kind, text, known) if one.problem is not None]
    assert len(found) == 1
    return found[0]


def test_a_file_of_lamps_becomes_lamps(tmp_path: Path) -> None:
    first, second, third = whole(tmp_path)["lamps"]
    assert first["id"] == "urn:ngsi-ld:Streetlight:L1"
    assert first["address"]["value"] == {"streetAddress": "Königstraße", "district": "Altstadt"}
    assert first["feederID"]["value"] == "urn:ngsi-ld:StreetlightFeeder:S1-A1"
    assert first["refStreetlightGroup"]["object"] == "urn:ngsi-ld:StreetlightGroup:G1"
    assert first["sign394"]["value"] is True and "sign394" not in second
    assert second["pedestrianCrossing"]["value"] is True
    assert third["locationCategory"]["value"] == "pedestrianPath" and third["status"] == "ok"


def test_what_is_there_keeps_its_state(tmp_path: Path) -> None:
    known = {"Streetlight": {"urn:ngsi-ld:Streetlight:L1"}}
    (one,) = read(tmp_path, "lamps", "nummer;x;y\nL1;344510;5700010\n", known)
    assert one.entity is not None and not one.new and "status" not in one.entity


@pytest.mark.parametrize(
    ("kind", "text", "german", "english"),
    [
        ("lamps", "nummer;x;y;schrank\nL1;344510;5700010;S9\n", "Schaltschrank S9", "no cabinet S9"),
        ("lamps", "nummer;x;y;abgang\nL1;344510;5700010;A9\n", "Abgang A9", "no feeder A9"),
        ("lamps", "nummer;x;y;typ\nL1;344510;5700010;T9\n", "Leuchtentyp T9", "no luminaire type T9"),
        ("lamps", "nummer;x;y;leistung_w\nL1;344510;5700010;0\n", "größer als 0", "more than 0 W, not 0"),
        ("lamps", "nummer;x;y;leistung_w\nL1;344510;5700010;-3\n", "nicht -3", "more than 0 W, not -3"),
        ("lamps", "nummer;x;y;leistung_w\nL1;344510;5700010;48000\n", "höchstens 5000", "at most 5000 W"),
        ("lamps", "nummer;x;y;klasse\nL1;344510;5700010;M9\n", "EN 13201-2", "not M9"),
        ("lamps", "nummer;x;y\nL1;344510;5700010\nL1;344511;5700010\n", "schon in Zeile 2", "line 2 already"),
        ("lamps", "nummer;x;y\nL1;;\n", "there is no geometry", "there is no geometry"),
        ("lamps", "nummer;x;y\nL1;5700010;344510\n", "location", "location"),
        ("lamps", "nummer;x;y;standort\nL1;344510;5700010;Mond\n", "Mond", "none of Fahrbahn"),
        ("cabinets", "nummer;x;y;gruppen\nS1;344510;5700010;\n", "there is no value", "refStreetlightGroup"),
        ("cabinets", "nummer;x;y;gruppen\nS1;344510;5700010;G9\n", "Schaltgruppe G9", "switching group G9"),
        ("feeders", "nummer;schrank\nA1;S9\n", "Schaltschrank S9", "no cabinet S9"),
        ("models", "nummer;bezeichnung;leistung_w\nT1;LED;0\n", "größer als 0", "more than 0 W"),
        ("poles", "leuchte;mast\nL9;1\n", "Leuchte L9", "no lamp L9"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, kind: str, text: str, german: str, english: str) -> None:
    said = problem(tmp_path, kind, text)
    assert german in said[0] and english in said[1]


def test_a_wrong_line_spoils_no_other(tmp_path: Path) -> None:
    result = tried(
        iter(read(tmp_path, "lamps", "nummer;x;y\nL1;1;1\nL2;344510;5700010\n\nL3;344511;5700010\n"))
    )
    assert (result.fit, result.fresh, result.refused) == (2, 2, 1)
    assert result.problems[0][0] == 2


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    for text in ("", "nummer;nummer\n1;2\n"):
        with pytest.raises(Unreadable):
            read(tmp_path, "lamps", text)
    (tmp_path / "file.csv").write_bytes("nummer;x;y;strasse\nL1;1;1;Königstraße".encode("latin-1"))
    with pytest.raises(Unreadable, match="utf-8"):
        list(judge(KINDS["lamps"], tmp_path / "file.csv", UTM, {"Streetlight": frozenset()}))


def test_columns_are_those_of_the_mappings() -> None:
    for kind in KINDS.values():
        mapping = load_mapping(kind.mapping)
        assert mapping.type == kind.type
        said = (SHIPPED / f"{kind.mapping}.toml").read_text()
        for column, _ in kind.columns:
            assert f'"{column}"' in said or f"{{{column}}}" in said, (kind.key, column)
        assert set(kind.needed) <= {column for column, _ in kind.columns}


@pytest.mark.skipif(not MODELS.is_dir(), reason=f"needs the Smart Data Models in {MODELS}")
def test_entities_are_those_of_the_smart_data_models(tmp_path: Path) -> None:
    common = msgspec.json.decode((MODELS / "common-schema.json").read_bytes())
    address = "https://smart-data-models.github.io/data-models/common-schema.json"
    registry: Registry[Any] = Registry().with_resource(address, Resource.from_contents(common))
    for key, entities in whole(tmp_path).items():
        path = MODELS / "Streetlighting" / f"{KINDS[key].type}.schema.json"
        if key == "feeders":
            assert not path.exists()  # the models have none: a file here would be one to be kept to
            continue
        schema = msgspec.json.decode(path.read_bytes())
        validator = jsonschema.Draft202012Validator(schema, registry=registry)
        for entity in entities:
            if key == "poles":  # an update of lamps: what a whole lamp has is not in it
                entity = {**whole(tmp_path)["lamps"][2], **entity}
            shown = simplified(entity)
            assert [error.message for error in validator.iter_errors(shown)] == [], shown


def simplified(entity: dict[str, Any]) -> dict[str, Any]:
    return render(parse_entity(entity, CORE), CORE, format="simplified")

"""Import: reading, mapping and projecting without a server; sending, resuming and rejecting with a small one."""

from __future__ import annotations

import argparse
import csv
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.gateways.importing import command, records
from rhinecloud.gateways.importing.entities import Rejected, Skipped, builder
from rhinecloud.gateways.importing.geometry import BadGeometry, reader
from rhinecloud.gateways.importing.mapping import Geometry, Mapping, MappingError, Source, load
from rhinecloud.gateways.importing.records import Record, SourceError

FIXTURES = Path(__file__).parent / "fixtures"
ROOT = Path(__file__).parents[2]
REAL_LAMPS = ROOT.parent / "shared/data/lamps/zurich_lamps_lv95.csv"


def mapping(tmp_path: Path, text: str) -> Mapping:
    file = tmp_path / "map.toml"
    file.write_text(text)
    return load(str(file))


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(given)


# Reading


def read(tmp_path: Path, name: str, content: str | bytes, source: Source | None = None) -> list[Record]:
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(records.read(file, source or Source()))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_any_usual_delimiter_and_a_byte_order_mark(tmp_path: Path, delimiter: str) -> None:
    text = f'\ufeffname{delimiter}b\n"Grüner{delimiter} Weg"{delimiter} 2 \n\n'
    assert [r.values for r in read(tmp_path, "x.csv", text)] == [{"name": f"Grüner{delimiter} Weg", "b": "2"}]


def test_csv_lines_are_those_of_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, "x.csv", 'a,b\n1,2\n"x\ny",3\n4\n5,6\n')
    assert [(r.line, r.problem is None) for r in found] == [(2, True), (4, True), (5, False), (6, True)]
    assert "1 fields" in str(found[2].problem)


def test_another_encoding_has_to_be_said(tmp_path: Path) -> None:
    text = "name\nDüssern\n".encode("latin-1")
    with pytest.raises(SourceError, match="encoding"):
        read(tmp_path, "x.csv", text)
    assert read(tmp_path, "x.csv", text, Source(encoding="latin-1"))[0].values == {"name": "Düssern"}


def test_geojson_features_and_bare_geometries(tmp_path: Path) -> None:
    point = {"type": "Point", "coordinates": [6.7, 51.4]}
    feature = {"type": "Feature", "id": 7, "properties": {"name": "x"}, "geometry": point}
    (found,) = read(tmp_path, "x.geojson", json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert (found.values, found.geometry) == ({"id": 7, "name": "x"}, point)
    (found,) = read(tmp_path, "x.json", json.dumps({"type": "GeometryCollection", "geometries": [point]}))
    assert (found.values, found.geometry) == ({"number": 1}, point)
    with pytest.raises(SourceError):
        read(tmp_path, "x.geojson", "{")


def test_ndjson_with_a_broken_line(tmp_path: Path) -> None:
    found = read(tmp_path, "x.ndjson", '{"id":1}\n\n{"id":\n[]\n{"id":2}\n')
    assert [(r.line, r.problem is None) for r in found] == [(1, True), (3, False), (4, False), (5, True)]


# Geometry


def test_swiss_lv95_becomes_wgs_84() -> None:
    """The old observatory of Bern is the origin of the grid: 46°57'03.89"N 7°26'19.08"E (swisstopo)."""
    place = reader(Geometry(column="g", crs="EPSG:2056"))({"g": "POINT (2600000 1200000)"}, None)
    assert place is not None
    assert place["coordinates"] == pytest.approx([7.438632, 46.951083], abs=2e-6)


def test_x_and_y_in_utm_with_decimal_commas() -> None:
    place = reader(Geometry(x="E", y="N", crs="EPSG:25832"))({"E": "344000,5", "N": "5700000"}, None)
    assert place is not None
    assert place["coordinates"] == pytest.approx([6.75590, 51.42970], abs=2e-5)


@pytest.mark.parametrize(
    "given", ["POINT (8 47", "POINT (1000000 2000000)", "{}", '{"type":"Point"}', "nowhere", "POINT (nan 1)"]
)
def test_what_is_no_place_is_refused(given: str) -> None:
    read_one = reader(Geometry(column="g"))
    try:
        assert read_one({"g": given}, None) is None
    except BadGeometry as error:
        assert str(error)


def test_collections_of_one_type_become_multi_geometries() -> None:
    read_one = reader(Geometry())
    collection = {
        "type": "GeometryCollection",
        "geometries": [
            {"type": "Point", "coordinates": [6.7, 51.4]},
            {"type": "Point", "coordinates": [6, 51]},
        ],
    }
    assert read_one({}, collection) == {"type": "MultiPoint", "coordinates": [[6.7, 51.4], [6.0, 51.0]]}
    collection["geometries"].append({"type": "LineString", "coordinates": [[6, 51], [7, 51]]})  # type: ignore[attr-defined]
    with pytest.raises(BadGeometry, match="several types"):
        read_one({}, collection)


@given(st.recursive(st.none() | st.floats() | st.text(max_size=5), lambda i: st.lists(i, max_size=3)))
def test_no_geometry_brings_anything_but_an_answer(coordinates: Any) -> None:
    read_one = reader(Geometry())
    for kind in ("Point", "LineString", "Polygon", "MultiPoint"):
        try:
            read_one({}, {"type": kind, "coordinates": coordinates})
        except BadGeometry as error:
            assert str(error)


# Mapping

FULL = """
type = "ParkingSpot"
id = "urn:ngsi-ld:{type}:{street}:{nr}"
scope = "/Duisburg"
empty = ["", "-"]

[attributes.height]
column = "cm"
scale = 0.01
unit = "MTR"
observed_at = "when"

[attributes.status]
column = "state"
values = { frei = "free", belegt = "occupied" }

[attributes.name]
column = "label"
kind = "LanguageProperty"

[attributes.refParkingSite]
template = "urn:ngsi-ld:OffStreetParking:{site}"
kind = "Relationship"

[attributes.covered]
column = "roof"
type = "boolean"

[attributes.dataProvider]
constant = "Duisburg"

[[skip]]
column = "kind"
equals = ["bicycle"]
"""


def test_a_record_becomes_an_entity(tmp_path: Path) -> None:
    build = builder(mapping(tmp_path, FULL))
    values = {
        "street": "Am Bahnhof",
        "nr": "7",
        "cm": "210",
        "when": "2026-01-31T12:00:00+01:00",
        "state": "frei",
        "label": "Platz 7",
        "site": "x y",
        "roof": "ja",
        "kind": "car",
    }
    assert build(Record(2, values)) == {
        "id": "urn:ngsi-ld:ParkingSpot:Am%20Bahnhof:7",
        "type": "ParkingSpot",
        "scope": "/Duisburg",
        "height": {
            "type": "Property",
            "value": 2.1,
            "unitCode": "MTR",
            "observedAt": "2026-01-31T11:00:00Z",
        },
        "status": {"type": "Property", "value": "free"},
        "name": {"type": "LanguageProperty", "languageMap": {"de": "Platz 7"}},
        "refParkingSite": {"type": "Relationship", "object": "urn:ngsi-ld:OffStreetParking:x%20y"},
        "covered": {"type": "Property", "value": True},
        "dataProvider": {"type": "Property", "value": "Duisburg"},
    }
    sparse = build(Record(3, {**values, "cm": "-", "label": "", "site": "", "roof": ""}))
    assert not {"height", "name", "refParkingSite", "covered"} & sparse.keys()
    with pytest.raises(Skipped):
        build(Record(4, {**values, "kind": "bicycle"}))
    for change, says in (
        ({"cm": "tall"}, "height"),
        ({"state": "?"}, "frei, belegt"),
        ({"roof": "perhaps"}, "covered"),
        ({"when": "soon"}, "height"),
        ({"nr": "-"}, "no id"),
    ):
        with pytest.raises(Rejected, match=says):
            build(Record(5, {**values, **change}))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id = 'x'", "type"),
        ("type = 'X'\n[attributes.a]", "one of column, template, constant and members"),
        ("type = 'X'\n[attributes.a]\ncolumn='a'\nconstant=1", "one of column"),
        ("type = 'X'\n[attributes.a]\ncolum = 'a'", "colum"),
        ("type = 'X'\n[geometry]\nx = 'a'", "both x and y"),
        ("type = 'X'\n[[skip]]\ncolumn = 'a'", "equals"),
        ("type = ", "map.toml"),
    ],
)
def test_a_wrong_mapping_is_explained(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(MappingError, match=says):
        mapping(tmp_path, text)


def test_an_unknown_crs_and_an_unknown_mapping_are_explained() -> None:
    with pytest.raises(MappingError, match="crs"):
        reader(Geometry(crs="EPSG:1"))
    with pytest.raises(MappingError, match="zurich_lamps"):
        load("no_such_mapping")


def test_a_list_in_a_column_and_an_object_of_several(tmp_path: Path) -> None:
    build = builder(
        mapping(
            tmp_path,
            "type = 'X'\n"
            "[attributes.kinds]\ncolumn = 'k'\nsplit = '|'\nvalues = { a = 1, b = 2 }\n"
            "[attributes.refs]\ntemplate = 'urn:x:{r}'\nsplit = '|'\nkind = 'Relationship'\n"
            "[attributes.address]\nmembers = { street = '{s} {n}', town = '{t}' }\n",
        )
    )
    record = Record(1, {"id": "1", "k": "a| b|", "r": "7|8 9", "s": "Weg", "n": "3", "t": ""})
    entity = build(record)
    assert entity["kinds"]["value"] == [1, 2]
    assert entity["refs"]["object"] == ["urn:x:7", "urn:x:8%209"]
    assert entity["address"]["value"] == {"street": "Weg 3"}
    assert build(Record(1, {"id": "1", "k": "", "r": "", "s": "", "n": "", "t": ""})).keys() == {"id", "type"}
    with pytest.raises(Rejected, match="'c' is none of a, b"):
        build(Record(1, {"id": "1", "k": "a|c"}))
    with pytest.raises(MappingError, match="split needs"):
        mapping(tmp_path, "type = 'X'\n[attributes.a]\ntemplate = '{b}{c}'\nsplit = '|'")


def test_every_shipped_mapping_can_be_used() -> None:
    for shipped in (ROOT / "src/rhinecloud/gateways/importing/mappings").glob("*.toml"):
        builder(load(shipped.stem))


# Sending


class City(http.server.ThreadingHTTPServer):
    """Takes batches as the API does; refuses ids that end in `refused`, and breaks down after some batches."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.entities: dict[str, dict[str, Any]] = {}
        self.batches: list[int] = []
        self.options: list[str] = []
        self.breaks_after = 10**9
        self.busy = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: City

    def do_POST(self) -> None:
        batch = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.options.append(self.path)
        if self.server.busy:
            self.server.busy -= 1
            return self._answer(503, {})
        if len(self.server.batches) >= self.server.breaks_after:
            return self._answer(500, {"title": "broken"})
        self.server.batches.append(len(batch))
        errors = []
        for entity in batch:
            if entity["id"].endswith("refused"):
                problem = {"title": "Bad request data", "detail": "not here"}
                errors.append({"entityId": entity["id"], "error": problem})
            else:
                self.server.entities[entity["id"]] = entity
        return self._answer(207 if errors else 201, {"success": [], "errors": errors})

    def _answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def city() -> Iterator[City]:
    server = City()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def importing(city: City, tmp_path: Path) -> Callable[..., int]:
    url = f"http://127.0.0.1:{city.server_port}"

    def run(file: Path, *options: str) -> int:
        return command.run(arguments(str(file), "--url", url, "--state", str(tmp_path / "state"), *options))

    return run


def many(tmp_path: Path, number: int) -> Path:
    file = tmp_path / "many.csv"
    rows = "".join(f"{n},Platz {n},6.{n},51.4\n" for n in range(number))
    file.write_text("id,name,lon,lat\n" + rows)
    (tmp_path / "many.toml").write_text(
        "type = 'P'\n[geometry]\nx = 'lon'\ny = 'lat'\n[attributes.name]\ncolumn = 'name'\n"
    )
    return file


def test_lamps_in_the_form_of_the_real_ones(
    city: City, importing: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert importing(FIXTURES / "lamps.csv", "--mapping", "zurich_lamps") == 1
    assert sorted(city.entities) == [f"urn:ngsi-ld:Streetlight:zurich:TEST{n}" for n in (1, 2)]
    assert "orientation" not in city.entities["urn:ngsi-ld:Streetlight:zurich:TEST2"]
    with (tmp_path / "state/lamps.csv.rejects.csv").open(newline="") as file:
        rejects = {int(row["line"]): row["reason"] for row in csv.DictReader(file)}
    assert sorted(rejects) == [4, 5, 6, 7, 8]
    assert "location" in rejects[4]
    assert "orientation" in rejects[5]
    assert "no id" in rejects[6]
    assert "crs" in rejects[7]
    assert "fields" in rejects[8]
    assert "2 entities, 5 rejected" in capsys.readouterr().err
    assert all("options=update" in path for path in city.options)


def test_an_interrupted_import_goes_on_where_it_stopped(
    city: City, importing: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = many(tmp_path, 1_000)
    options = ("--mapping", str(tmp_path / "many.toml"), "--batch", "100")
    city.breaks_after = 4
    assert importing(file, *options) == 1
    assert "broken" in capsys.readouterr().err
    city.breaks_after = 10**9
    assert importing(file, *options) == 0
    told = capsys.readouterr().err
    assert "Going on after line" in told
    assert "1,000 entities" in told
    assert len(city.entities) == 1_000
    assert 1_000 <= sum(city.batches) <= 1_200
    assert not (tmp_path / "state/many.csv.import.json").exists()


def test_a_changed_file_begins_anew(city: City, importing: Callable[..., int], tmp_path: Path) -> None:
    file = many(tmp_path, 300)
    options = ("--mapping", str(tmp_path / "many.toml"), "--batch", "100")
    city.breaks_after = 2
    assert importing(file, *options) == 1
    city.breaks_after = 10**9
    city.entities.clear()
    file.write_text(file.read_text() + "x,y,6.1,51.4\n")
    assert importing(file, *options) == 0
    assert len(city.entities) == 301


def test_what_the_server_refuses_is_rejected_with_its_line(
    city: City, importing: Callable[..., int], tmp_path: Path
) -> None:
    file = tmp_path / "few.ndjson"
    file.write_text('{"id":"a","n":1}\n{"id":"refused","n":2}\n{"id":"a","n":3}\n')
    city.busy = 1
    assert importing(file, "--type", "Thing") == 1
    assert city.entities["urn:ngsi-ld:Thing:a"]["n"] == {"type": "Property", "value": 3}
    rejects = (tmp_path / "state/few.ndjson.rejects.csv").read_text()
    assert "2,not here," in rejects


def test_a_rehearsal_sends_nothing(
    city: City, importing: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert importing(FIXTURES / "lamps.csv", "--mapping", "zurich_lamps", "--dry-run") == 1
    assert not city.batches
    told = capsys.readouterr()
    assert json.loads(told.out)["id"].endswith("TEST1")
    assert "2 entities" in told.err


def test_wrong_calls_are_explained(
    importing: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert importing(tmp_path / "missing.csv", "--type", "X") == 1
    assert importing(FIXTURES / "lamps.csv") == 1
    told = capsys.readouterr().err
    assert "There is no file" in told
    assert "--type" in told


@pytest.mark.skipif(not REAL_LAMPS.exists(), reason=f"the real lamp posts are not here: {REAL_LAMPS}")
def test_the_real_lamps_of_zurich(city: City, importing: Callable[..., int]) -> None:
    assert importing(REAL_LAMPS, "--mapping", "zurich_lamps") == 0
    assert len(city.entities) == 42_270
    for entity in city.entities.values():
        lon, lat = entity["location"]["value"]["coordinates"]
        assert 8.44 < lon < 8.63
        assert 47.31 < lat < 47.45

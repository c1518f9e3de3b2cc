"""The pure parts of the pages of operations: where in a JSON text something stands, payloads for people, tables."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.web.figures import part
from rhinecloud.web.operations.devices import MOST_IMPORTED, read_table
from rhinecloud.web.operations.json_lines import NotJson, line_of, lines, read
from rhinecloud.web.operations.pages import paging, whole
from rhinecloud.web.operations.payloads import dump, readable, written

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


def _pointers(value: Any, at: str = "") -> set[str]:
    found = {at}
    if isinstance(value, dict):
        for name, part in value.items():
            found |= _pointers(part, f"{at}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            found |= _pointers(part, f"{at}/{index}")
    return found


@given(_JSON, st.sampled_from([None, 0, 2]), st.booleans())
def test_every_part_of_any_json_has_a_line(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    found = lines(text)
    assert set(found) == _pointers(value)
    assert read(text) == value
    total = text.count("\n") + 1
    assert all(1 <= line <= total for line in found.values())
    if indent is None:
        assert set(found.values()) == {1}


def test_lines_are_those_of_the_names() -> None:
    text = (
        '{\n "name": "a",\n "attributes": [\n  {"path": "$.x",\n   "scale": 2},\n  7\n ],\n "a/b~c": {\n }\n}'
    )
    assert lines(text) == {
        "": 1,
        "/name": 2,
        "/attributes": 3,
        "/attributes/0": 4,
        "/attributes/0/path": 4,
        "/attributes/0/scale": 5,
        "/attributes/1": 6,
        "/a~1b~0c": 8,
    }
    assert line_of(lines(text), "/attributes/0/unit") == 4
    assert line_of(lines(text), "/nothing") == 1


@pytest.mark.parametrize(
    ("text", "line"), [("", 1), ("{\n a: 1}", 2), ('{"a": 1,\n\n}', 3), ("[1, NaN]", 1), ("[" * 100_000, 1)]
)
def test_what_is_no_json_says_where(text: str, line: int) -> None:
    with pytest.raises(NotJson) as raised:
        read(text)
    assert raised.value.line == line


def test_payloads_can_be_read() -> None:
    assert readable(b'{"a":[1]}').form == "json"
    assert readable(b'{"a":[1]}').text == '{\n  "a": [\n    1\n  ]\n}'
    assert readable("Wärme: 21 °C".encode()).text == "Wärme: 21 °C"
    assert readable(b"").text == ""
    binary = readable(b"\x01\xffAB\x00")
    assert (binary.form, binary.text) == ("hex", f"000000  {'01 ff 41 42 00':<47}  ··AB·")
    assert readable(b"a\x00b").form == "hex"
    assert readable(b"[" * 5_000).form == "text"
    long = readable(b"x" * 20_000)
    assert len(long.text) + long.left_out == 20_000 and long.left_out > 0
    much = readable(bytes(100_000))
    assert much.left_out == 100_000 - 16_384 // 4


@given(st.binary(max_size=300))
def test_hexadecimal_figures_lead_back(payload: bytes) -> None:
    assert written(payload.hex(" "), "hex") == payload
    rows = dump(payload).splitlines()
    assert "".join(row[8:55] for row in rows).replace(" ", "") == payload.hex()


def test_what_is_no_hexadecimal_is_said() -> None:
    for text in ("0", "zz", "01 0"):
        with pytest.raises(ValueError, match="hexadecimal"):
            written(text, "hex")
    assert written("ä", "text") == "ä".encode()


def test_tables_of_devices() -> None:
    found = read_table("ID;Type;publish\nlamp-1;Streetlight;a/b c/#\n\nlamp-2;Streetlight;\n")
    assert [(one.id, one.type, one.publish, one.profile) for one in found] == [
        ("lamp-1", "Streetlight", ("a/b", "c/#"), "plain-json"),
        ("lamp-2", "Streetlight", (), "plain-json"),
    ]
    assert read_table('id,type,name\na,B,"x, ""y"""\n')[0].name == 'x, "y"'
    assert read_table("id\ttype\na\tB")[0].id == "a"
    short = read_table("id,type,name\na,B")
    assert (short[0].id, short[0].name) == ("a", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing"),
        ("name;type\na;b", "no columns id and type"),
        ("id,type,colour\na,B,red", "unknown columns: colour"),
        ("id,type\na,B,C", "line 2 has more fields"),
        ("id,type\n" + "a,B\n" * (MOST_IMPORTED + 1), "at most"),
    ],
)
def test_tables_that_cannot_be_read(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_table(text)


def test_paging() -> None:
    middle = paging("/x", 25, 25, 60, search="a b")
    assert (middle.first, middle.last, middle.page, middle.pages) == (26, 50, 2, 3)
    assert (middle.before, middle.after) == ("/x?search=a+b", "/x?search=a+b&offset=50")
    empty = paging("/x", 0, 0, 0)
    assert (empty.first, empty.last, empty.pages, empty.before, empty.after) == (0, 0, 1, None, None)
    assert [whole(text) for text in (None, "", "-1", "x", "7", "9" * 30, "²")] == [0, 0, 0, 0, 7, 0, 0]


def test_the_figures_of_a_bridge_stand_together() -> None:
    told = {
        "south": {"waiting": 0, "connected": True},
        "north": {"taken": 1, "address": "mqtt://n", "connected": True},
    }
    rows = part("bridge", told).rows
    assert [row.key for row in rows] == [
        "north.address",
        "north.connected",
        "north.taken",
        "south.connected",
        "south.waiting",
    ]

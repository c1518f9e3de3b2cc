"""The arrays of the map: whoever takes in the differences has what the arrays have."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.web import layers
from rhinecloud.web.points import Points, centre

_IDS = st.integers(0, 12).map(lambda n: f"urn:ngsi-ld:Streetlight:{n}")
_ACTS = st.one_of(
    st.tuples(st.just("put"), _IDS, st.integers(-3, 3), st.integers(0, 6)),
    st.tuples(st.just("remove"), _IDS),
    st.tuples(st.just("flash"), _IDS, st.integers(0, 100)),
    st.tuples(st.just("fade"), st.integers(0, 100)),
    st.tuples(st.just("commit")),
    st.tuples(st.just("read"), st.integers(0, 3)),
)


class Client:
    """What a browser keeps."""

    def __init__(self) -> None:
        self.mark: str | None = None
        self.lon: list[float] = []
        self.codes: list[int] = []

    def read(self, points: Points) -> None:
        told = points.since(self.mark)
        if told is None:
            self.lon = points.lon[: points.count].tolist()
            self.codes = points.code[: points.count].tolist()
        else:
            self.take(told)
        self.mark = points.mark()

    def take(self, told: dict[str, Any]) -> None:
        if "points" in told:
            assert told["from"] == len(self.lon)
            self.lon += told["points"][::2]
            self.codes += [layers.GONE] * (len(self.lon) - len(self.codes))
        for index, lon, _ in zip(*[iter(told.get("moves", []))] * 3, strict=True):
            self.lon[index] = lon
        if "all" in told:
            self.codes = list(told["all"])
        for index, code in zip(*[iter(told.get("states", []))] * 2, strict=True):
            self.codes[index] = code


@given(st.lists(_ACTS, max_size=60))
def test_differences_from_any_version_lead_to_now(acts: list[Any]) -> None:
    points = Points()
    clients = [Client() for _ in range(4)]
    for act in acts:
        match act:
            case ("put", entity_id, lon, code):
                points.put(entity_id, lon, 51, code)
            case ("remove", entity_id):
                points.remove(entity_id)
            case ("flash", entity_id, until):
                index = points.index_of(entity_id)
                if index is not None:
                    points.flash(index, 16, until)
            case ("fade", now):
                points.fade(now)
            case ("read", who):
                points.commit()
                clients[who].read(points)
            case _:
                points.commit()
    points.commit()
    for client in clients:
        client.read(points)
        assert client.lon == points.lon[: points.count].tolist()
        assert client.codes == points.code[: points.count].tolist()


def test_arrays_grow_and_keep_what_they_have() -> None:
    points = Points()
    for number in range(10_000):
        points.put(f"id:{number}", number / 1e4, 51, number % 7)
    points.commit()
    assert points.count == 10_000
    assert points.at(0.5, 51) == [5_000]
    assert sum(points.by_code().values()) == 10_000
    assert len(points.select((0, 50, 0.00995, 52))) == 100
    assert len(points.select(codes=[3])) == (np.arange(10_000) % 7 == 3).sum()


def test_search_prefers_beginnings() -> None:
    points = Points()
    points.put("urn:ngsi-ld:Streetlight:old-7", 0, 0, 1, "Am Hafen")
    points.put("urn:ngsi-ld:Streetlight:7", 0, 0, 1)
    points.put("urn:ngsi-ld:Streetlight:8", 0, 0, 1, "Hafenstraße")
    assert points.search("hafen", 5) == [2, 0]
    assert points.search("7", 5) == [1, 0]
    assert points.search("Streetlight", 2) == [0, 1]
    points.remove("urn:ngsi-ld:Streetlight:8")
    assert points.search("hafen", 5) == [0]


def test_the_centre_of_geometries() -> None:
    assert centre({"type": "Point", "coordinates": [1, 2, 30]}) == (1, 2)
    assert centre({"type": "LineString", "coordinates": [[0, 0], [4, 2]]}) == (2, 1)
    assert centre({"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 0]]]}) == (2, 2)
    assert centre(
        {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [3, 4]}]}
    ) == (3, 4)
    assert centre({"type": "Point", "coordinates": []}) is None
    assert centre(None) is None


def test_the_layers_are_sound() -> None:
    codes = layers.codes()
    assert len({(layer.type, state.key) for layer, state in codes.values()}) == len(codes)
    assert max(codes) < layers.GONE
    for layer, state in codes.values():
        assert all(layer.label) and all(state.label), "both languages"
        assert _contrast(state.light, "#ffffff") >= 3 and _contrast(state.dark, "#151f2f") >= 3
    for layer in layers.LAYERS:
        assert not layer.states[-1].rules, "the last state is the one of everything else"


def test_states_of_a_lamp() -> None:
    def key(**values: Any) -> str:
        known = {layers.CORE.expand_term(name): value for name, value in values.items()}
        return layers.codes()[layers.state_code(0, known)][1].key

    assert key(powerState="on", illuminanceLevel=1.0) == "bright"
    assert key(powerState="ON", illuminanceLevel=0.5) == "medium"
    assert key(powerState="on", illuminanceLevel=0.0) == "dim"
    assert key(powerState="on") == "on"
    assert key(powerState="on", illuminanceLevel=True) == "on"
    assert key(powerState="off", status="defectiveLamp") == "defective"
    assert key(powerState="off") == "off"
    assert key() == "unknown"


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)

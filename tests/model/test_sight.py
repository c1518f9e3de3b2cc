"""What a sight includes."""

from __future__ import annotations

import pytest

from rhinecloud.model import CORE, Entity, parse_entity
from rhinecloud.model.sight import EVERYTHING, NOTHING, Grant, Sight

LAMP = CORE.expand_name("Lamp")
POWER, WEAR = CORE.expand_name("power"), CORE.expand_name("wear")


def lamp(*scopes: str) -> Entity:
    document = {"id": "urn:x:1", "type": ["Lamp", "Post"], "scope": list(scopes), "power": 5, "wear": 1}
    return parse_entity(document, CORE)


@pytest.mark.parametrize(
    ("sight", "seen"),
    [
        (EVERYTHING, {POWER, WEAR}),
        (NOTHING, None),
        (Sight((Grant(),)), {POWER, WEAR}),
        (Sight((Grant(types=frozenset({LAMP})),)), {POWER, WEAR}),
        (Sight((Grant(types=frozenset({"urn:other"})),)), None),
        (Sight((Grant(scopes=frozenset({"/Duisburg"})),)), {POWER, WEAR}),
        (Sight((Grant(scopes=frozenset({"Duisburg/Ruhrort"})),)), {POWER, WEAR}),
        (Sight((Grant(scopes=frozenset({"/Duis"})),)), None),
        (Sight((Grant(scopes=frozenset({"/Duisburg/Ruhrort/Hafen"})),)), None),
        (Sight((Grant(attributes=frozenset({POWER})),)), {POWER}),
        (Sight((Grant(attributes=frozenset({POWER})), Grant(types=frozenset({"urn:other"})))), {POWER}),
        (Sight((Grant(attributes=frozenset({POWER})), Grant(attributes=frozenset({WEAR})))), {POWER, WEAR}),
        (Sight((Grant(attributes=frozenset({"urn:other"})),)), set()),
    ],
)
def test_what_is_seen_of_an_entity(sight: Sight, seen: set[str] | None) -> None:
    found = sight.of(lamp("/Essen", "/Duisburg/Ruhrort"))
    assert (None if found is None else set(found.attributes)) == seen


def test_who_sees_the_same_has_the_same_key() -> None:
    one = Sight((Grant(types=frozenset({"a", "b"})), Grant(scopes=frozenset({"/c"}))))
    other = Sight((Grant(scopes=frozenset({"/c"})), Grant(types=frozenset({"b", "a"}))))
    assert one.key == other.key
    keys = {one.key, EVERYTHING.key, NOTHING.key, Sight((Grant(types=frozenset({"a"})),)).key}
    assert len(keys | {Sight((Grant(attributes=frozenset({"a"})),)).key}) == 5

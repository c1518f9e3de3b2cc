"""How entity types look on the map: data, no code. A type without a layer is shown as `OTHER`.

A point has one state at a time: the first of its layer whose rules all hold, else the last. Shape and size tell
states apart where colours cannot; the colours are of the Okabe-Ito family, with ≥ 3:1 against the map's ground.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from rhinecloud.model import CORE

Shape = Literal["disc", "ring", "triangle", "square", "frame", "diamond"]
Label = tuple[str, str]  # German, English

STATES_A_LAYER = 16
GONE = 255  # code of a point that is no more


class Rule(msgspec.Struct, frozen=True):
    """A condition on one attribute's value: `is` one of `values`, or `least` a number (in the attribute's unit)."""

    attribute: str
    values: tuple[str, ...] = ()
    least: float | None = None

    def holds(self, found: Any) -> bool:
        """Whether the attribute's value fulfils the rule; an absent value (None) never does."""
        if self.least is not None:
            return isinstance(found, (int, float)) and not isinstance(found, bool) and found >= self.least
        return isinstance(found, str) and found.casefold() in self.values


class State(msgspec.Struct, frozen=True):
    """One look of a point. `light` and `dark`: colours on the two grounds; `size`: diameter in CSS pixels."""

    key: str
    label: Label
    shape: Shape
    light: str
    dark: str
    size: float = 8
    rules: tuple[Rule, ...] = ()
    alarm: bool = False  # drawn above the others


class Layer(msgspec.Struct, frozen=True):
    """What the map knows of an entity type. `flash`: seconds for which a new value shows as the first state."""

    type: str
    label: Label
    states: tuple[State, ...]
    flash: float = 0.0

    def attributes(self) -> tuple[str, ...]:
        """IRIs of the attributes that the states look at."""
        return tuple(dict.fromkeys(CORE.expand_term(r.attribute) for s in self.states for r in s.rules))


_DEFECTS = ("defective", "defectivelamp", "brokenlantern", "brokensupport", "columnissue", "outofservice")
_ON = Rule("powerState", ("on", "bootingup"))

LAYERS: tuple[Layer, ...] = (
    Layer(
        "Streetlight",
        ("Straßenlaternen", "Street lights"),
        (
            State(
                "defective",
                ("gestört", "out of order"),
                "triangle",
                "#b3123f",
                "#ff7a9c",
                12,
                (Rule("status", _DEFECTS),),
                True,
            ),
            State(
                "bright",
                ("an, hell", "on, bright"),
                "disc",
                "#c96a00",
                "#ffd24d",
                8,
                (_ON, Rule("illuminanceLevel", least=0.67)),
            ),
            State(
                "medium",
                ("an, mittel", "on, medium"),
                "disc",
                "#b07a1a",
                "#e0a83a",
                6.5,
                (_ON, Rule("illuminanceLevel", least=0.34)),
            ),
            State(
                "dim",
                ("an, gedimmt", "on, dimmed"),
                "disc",
                "#94783f",
                "#b98a3a",
                5,
                (_ON, Rule("illuminanceLevel", least=0.0)),
            ),
            State("on", ("an", "on"), "disc", "#c96a00", "#ffd24d", 7, (_ON,)),
            State(
                "off", ("aus", "off"), "ring", "#4a6385", "#8fa6c9", 6, (Rule("powerState", ("off", "low")),)
            ),
            State("unknown", ("keine Angabe", "not reported"), "disc", "#7d8594", "#737d90", 4),
        ),
    ),
    Layer(
        "TrafficFlowObserved",
        ("Verkehrszählung", "Traffic counters"),
        (
            State(
                "now",
                ("Fahrzeug gerade jetzt", "vehicle right now"),
                "square",
                "#0060a8",
                "#5cc8ff",
                18,
                (),
                True,
            ),
            State("idle", ("in Ruhe", "idle"), "frame", "#0060a8", "#5cc8ff", 13, (), True),
        ),
        flash=2.5,
    ),
    Layer(
        "RoadSegment",
        ("Straßenabschnitte", "Road segments"),
        (
            State(
                "closed",
                ("gesperrt", "closed"),
                "triangle",
                "#b3123f",
                "#ff7a9c",
                11,
                (Rule("status", ("closed",)),),
                True,
            ),
            State("open", ("offen", "open"), "diamond", "#00735c", "#3ecfae", 8),
        ),
    ),
)

OTHER = Layer(
    "",
    ("Weitere Objekte", "Other objects"),
    (State("object", ("vorhanden", "present"), "diamond", "#6b3fa0", "#c3a1f2", 8),),
)

_MOST = GONE // STATES_A_LAYER  # layers, of which one is OTHER


class _Table:
    """The layers by number, OTHER last, and what of them is looked up for each point."""

    def __init__(self, known: tuple[Layer, ...]) -> None:
        self.layers = (*known, OTHER)
        self.by_iri = {CORE.expand_type(layer.type): number for number, layer in enumerate(known)}
        self.rules = [  # of each layer, the code and the rules of every state but the last
            [
                (
                    number * STATES_A_LAYER + place,
                    [(CORE.expand_term(rule.attribute), rule) for rule in state.rules],
                )
                for place, state in enumerate(shown.states[:-1])
            ]
            for number, shown in enumerate(self.layers)
        ]


_table = _Table(LAYERS)


def add(*more: Layer) -> None:
    """Layers of apps, before any map is made. Raises ValueError for a type that has one, or for too many."""
    global _table
    known = _table.layers[:-1]
    for one in more:
        if any(one.type == other.type for other in known):
            raise ValueError(f"there is a layer of {one.type} already")
        if not 0 < len(one.states) <= STATES_A_LAYER:
            raise ValueError(f"the layer of {one.type} has one to {STATES_A_LAYER} states")
        known = (*known, one)
    if len(known) >= _MOST:
        raise ValueError(f"the map has {_MOST - 1} layers at most")
    _table = _Table(known)


def named() -> tuple[Layer, ...]:
    """All layers but that of what has none."""
    return _table.layers[:-1]


def attributes() -> tuple[str, ...]:
    """IRIs of all attributes that a layer looks at."""
    return tuple(dict.fromkeys(iri for layer in named() for iri in layer.attributes()))


def number_of(types: tuple[str, ...]) -> int:
    """The layer of an entity with these types (IRIs): its first known type decides."""
    known = _table.by_iri
    return next((known[iri] for iri in types if iri in known), len(known))


def layer(number: int) -> Layer:
    """The layer under a number of `number_of`."""
    return _table.layers[number]


def state_code(number: int, values: Mapping[str, Any]) -> int:
    """The code (layer and state in one byte) of a point with these attribute values, by IRI."""
    shown = _table.layers[number]
    if shown.flash:
        return number * STATES_A_LAYER + len(shown.states) - 1
    for code, rules in _table.rules[number]:
        if all(rule.holds(values.get(iri)) for iri, rule in rules):
            return code
    return number * STATES_A_LAYER + len(shown.states) - 1


def flash_code(number: int) -> int | None:
    """The code of a point that has just told something, if its layer shows that."""
    return number * STATES_A_LAYER if _table.layers[number].flash else None


def codes() -> dict[int, tuple[Layer, State]]:
    """Every code that a point may have."""
    return {
        number * STATES_A_LAYER + position: (shown, state)
        for number, shown in enumerate(_table.layers)
        for position, state in enumerate(shown.states)
    }

"""The rules of attributes, compiled: from a payload (or one node of it) to instances in the model's expanded form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from rhinecloud.model import CORE, NULL, BadRequestData, parse_attribute
from rhinecloud.model.entity import Attributes, Instance

from . import times
from .document import AttributeRule
from .paths import MISSING, Path, path
from .templates import Template, template

_DIGITS = 12  # significant digits of a scaled number: 213 × 0.1 is 21.3
_NAMES_KEPT = 4096  # attribute names of one rule that are remembered


class Wrong(Exception):
    """A rule and a payload do not fit: the rule's pointer, and why."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(reason)
        self.pointer = pointer
        self.reason = reason


class Scene:
    """What a rule sees: the payload, the node of `each` (the payload where there is none), names and their values, the
    time of what says none of its own."""

    __slots__ = ("known", "node", "root", "time", "told")

    def __init__(self, root: Any, node: Any, known: Mapping[str, str], time: str, *, told: bool) -> None:
        self.root = root
        self.node = node
        self.known = known
        self.time = time
        self.told = told  # whether the device's own times count


Apply = Callable[[Scene, Attributes], None]


class Rule:
    """One compiled rule. `apply` adds instances to attributes; it raises Wrong."""

    def __init__(self, given: AttributeRule, pointer: str, units: Mapping[str, str]) -> None:
        """Raises Wrong for a rule that cannot be; `units` are those known without the rule's own."""
        self.given = given
        self.pointer = pointer
        self.required = given.required
        self._check()
        self.paths = self._compile_paths()
        self.value_path = self.paths.get("path")
        self._constant = self._template("value", given.value) if isinstance(given.value, str) else None
        self._dataset = self._template("dataset", given.dataset) if given.dataset is not None else None
        self._prefix = self._template("prefix", given.prefix) if given.prefix else None
        self._unit_path = self.paths.get("unit")
        self._units = {**units, **(given.units or {})} if self._unit_path or given.units else {}
        self._time = self._reader()
        self._convert = _converter(given)
        self._names: dict[str, str] = {}
        self._iri = self._expanded(given.name, "name") if given.name is not None else ""
        self.apply: Apply = self._choose()

    @property
    def names(self) -> set[str]:
        """Names that its templates need ({key} aside)."""
        found: set[str] = set()
        for part in (self._constant, self._dataset, self._prefix):
            found |= set(part.names) if part is not None else set()
        return found - {"key"}

    # Compiling ------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        given = self.given
        if (given.name is None) == (given.names is None):
            raise Wrong(self.pointer, "a rule has either name or names")
        bounded = given.above is not None or given.up_to is not None
        if bounded and (given.path is None or given.name is None):
            raise Wrong(self.pointer, "above and up_to need a name, and a path to a number")
        value = given.value is not None and not bounded
        sources = [given.path is not None, value, given.longitude is not None]
        if sum(sources) != 1:
            raise Wrong(self.pointer, "a rule has one of path, value, and longitude with latitude")
        if (given.longitude is None) != (given.latitude is None):
            raise Wrong(self.pointer, "longitude and latitude belong together")
        if given.longitude is not None and given.kind != "geo":
            raise Wrong(f"{self.pointer}/kind", "longitude and latitude make a geo attribute")
        if given.altitude is not None and given.longitude is None:
            raise Wrong(f"{self.pointer}/altitude", "an altitude belongs to longitude and latitude")
        if given.names is not None and given.path is None:
            raise Wrong(f"{self.pointer}/names", "names need a path")
        if given.kind != "property" and (given.unit is not None or given.units is not None):
            raise Wrong(f"{self.pointer}/unit", f"a {given.kind} has no unit")
        if given.kind != "property" and (given.scale is not None or given.offset is not None):
            raise Wrong(f"{self.pointer}/scale", f"a {given.kind} is no number")
        if given.unit == "":
            raise Wrong(f"{self.pointer}/unit", "a unit is a UN/CEFACT code, or a path")
        if (given.rename or given.skip) and given.names is None:
            raise Wrong(f"{self.pointer}/rename", "rename and skip belong to names")

    def _compile_paths(self) -> dict[str, Path]:
        given = self.given
        texts = {
            "path": given.path,
            "longitude": given.longitude,
            "latitude": given.latitude,
            "altitude": given.altitude,
            "names": given.names if given.names not in (None, "*") else None,
            "unit": given.unit if given.unit is not None and given.unit[:1] in "$@" else None,
            "observed_at/path": given.observed_at.path if given.observed_at is not None else None,
        }
        compiled: dict[str, Path] = {}
        for key, text in texts.items():
            if text is None:
                continue
            try:
                compiled[key] = path(text)
            except ValueError as error:
                raise Wrong(f"{self.pointer}/{key}", str(error)) from None
            if key != "path" and not compiled[key].singular:
                raise Wrong(f"{self.pointer}/{key}", f"{text!r} can find several nodes; one is needed here")
        if given.names not in (None, "*") and not compiled["path"].singular:
            raise Wrong(f"{self.pointer}/path", "a name that stands in the payload needs a path to one node")
        if given.names == "*" and compiled["path"].singular:
            raise Wrong(
                f"{self.pointer}/path", 'names "*" needs a path that ends in a wildcard, such as $.object.*'
            )
        return compiled

    def _template(self, key: str, text: str) -> Template:
        try:
            return template(text)
        except ValueError as error:
            raise Wrong(f"{self.pointer}/{key}", str(error)) from None

    def _reader(self) -> Callable[[Any], str] | None:
        if self.given.observed_at is None:
            return None
        try:
            return times.reader(self.given.observed_at)
        except ValueError as error:
            raise Wrong(f"{self.pointer}/observed_at", str(error)) from None

    def _expanded(self, name: str, key: str) -> str:
        try:
            return attribute_iri(name)
        except BadRequestData as error:
            raise Wrong(f"{self.pointer}/{key}", error.detail) from None

    def _choose(self) -> Apply:
        given = self.given
        if given.longitude is not None:
            return self._apply_position
        if given.names == "*":
            return self._apply_all
        if given.names is not None:
            return self._apply_named
        assert self.value_path is None or given.path is not None
        if self.value_path is None:
            return self._apply_constant
        if given.above is not None or given.up_to is not None:
            if not self.value_path.singular:
                raise Wrong(f"{self.pointer}/path", "above and up_to need a path to one number")
            return self._apply_within
        return self._apply_one if self.value_path.singular else self._apply_several

    # Reading --------------------------------------------------------------------------------------------------

    def _apply_one(self, scene: Scene, attributes: Attributes) -> None:
        source = self.value_path
        assert source is not None
        value = source.first(scene.root if source.root else scene.node)
        if value is MISSING or value is None:
            self._absent(scene)
            return
        self._add(scene, attributes, self._iri, value)

    def _apply_within(self, scene: Scene, attributes: Attributes) -> None:
        source = self.value_path
        assert source is not None
        found = source.first(scene.root if source.root else scene.node)
        if found is MISSING or found is None:
            self._absent(scene)
            return
        number = self._number(found, source.text)
        above, up_to = self.given.above, self.given.up_to
        if (above is not None and number <= above) or (up_to is not None and number > up_to):
            return
        if self.given.value is None:
            self._add(scene, attributes, self._iri, found)
        else:
            self._apply_constant(scene, attributes)

    def _apply_several(self, scene: Scene, attributes: Attributes) -> None:
        nodes = [(key, value) for key, _, value in self._nodes(scene) if value is not None]
        if not nodes:
            self._absent(scene)
        if len(nodes) > 1 and self._dataset is None:
            raise Wrong(
                self.pointer,
                f"{self.given.path} finds {len(nodes)} values: they need a dataset to tell them apart",
            )
        for key, value in nodes:
            self._add(scene, attributes, self._iri, value, key if len(nodes) > 1 else None)

    def _apply_all(self, scene: Scene, attributes: Attributes) -> None:
        own: set[str] = set()
        given = self.given
        for _, last, value in self._nodes(scene):
            if value is None or last in given.skip:
                continue
            iri = self._names.get(last)
            if iri is None:
                iri = self._expanded(given.rename.get(last) or written_name(last), "names")
                if len(self._names) < _NAMES_KEPT:
                    self._names[last] = iri
            if iri in own:
                raise Wrong(self.pointer, f"{last!r:.80} would be a second attribute {CORE.compact_iri(iri)}")
            own.add(iri)
            if iri not in attributes:  # else an earlier rule knows better
                self._add(scene, attributes, iri, value)
        if not own:
            self._absent(scene)

    def _apply_named(self, scene: Scene, attributes: Attributes) -> None:
        where, source = self.paths["names"], self.value_path
        assert source is not None
        name = where.first(scene.root if where.root else scene.node)
        value = source.first(scene.root if source.root else scene.node)
        if name is MISSING or name is None or value is MISSING or value is None:
            self._absent(scene)
            return
        if not isinstance(name, str) or not name:
            raise Wrong(f"{self.pointer}/names", f"{where.text} is {name!r:.60}, no name")
        if name in self.given.skip:
            return
        iri = self._expanded(self.given.rename.get(name) or written_name(name), "names")
        self._add(scene, attributes, iri, value)

    def _apply_constant(self, scene: Scene, attributes: Attributes) -> None:
        value = self.given.value
        if self._constant is not None:
            value = self._fill(self._constant, scene)
        self._add(scene, attributes, self._iri, value)

    def _apply_position(self, scene: Scene, attributes: Attributes) -> None:
        place = []
        for key in ("longitude", "latitude", "altitude"):
            source = self.paths.get(key)
            if source is None:
                continue
            value = source.first(scene.root if source.root else scene.node)
            if value is MISSING or value is None:
                if key != "altitude":
                    self._absent(scene)
                    return
                continue
            place.append(self._number(value, source.text))
        self._add(scene, attributes, self._iri, {"type": "Point", "coordinates": place})

    def _nodes(self, scene: Scene) -> list[tuple[str, str, Any]]:
        source = self.value_path
        assert source is not None
        try:
            return source.all(scene.root if source.root else scene.node)
        except (ValueError, RecursionError) as error:
            raise Wrong(f"{self.pointer}/path", str(error)) from None

    def _absent(self, scene: Scene) -> None:
        if self.required:
            where = self.given.path or self.given.longitude
            raise Wrong(self.pointer, f"there is nothing at {where}")

    # One instance ---------------------------------------------------------------------------------------------

    def _add(
        self, scene: Scene, attributes: Attributes, iri: str, value: Any, key: str | None = None
    ) -> None:
        if self._convert is not None:
            try:
                value = self._convert(value)
            except ValueError as error:
                raise Wrong(self.pointer, str(error)) from None
        instance = self._instance(iri, value, scene)
        if self._unit_path is not None or self.given.unit is not None:
            unit = self._unit(scene)
            if unit is not None:
                instance["unitCode"] = unit
        if key is not None and self._dataset is not None:
            instance["datasetId"] = self._dataset_id(iri, scene, key)
        instance["observedAt"] = scene.time if self._time is None else self._observed(scene)
        present = attributes.get(iri)
        if present is None:
            attributes[iri] = [instance]
            return
        dataset = instance.get("datasetId")
        if any(other.get("datasetId") == dataset for other in present):
            raise Wrong(self.pointer, f"{CORE.compact_iri(iri)} has its value already")
        present.append(instance)

    def _instance(self, iri: str, value: Any, scene: Scene) -> Instance:
        kind = type(value)
        if self.given.kind == "property":
            if kind is float or kind is int or kind is bool:
                return {"type": "Property", "value": value}
            if kind is str and value != NULL and "\x00" not in value:
                return {"type": "Property", "value": value}
            document: dict[str, Any] = {"type": "Property", "value": value}
        elif self.given.kind == "geo":
            document = {"type": "GeoProperty", "value": value}
        else:
            prefix = self._fill(self._prefix, scene) if self._prefix is not None else ""
            document = {"type": "Relationship", "object": _prefixed(value, prefix)}
        try:
            return parse_attribute(CORE.compact_iri(iri), document, CORE)[1][0]
        except BadRequestData as error:
            raise Wrong(self.pointer, f"{CORE.compact_iri(iri)}{error.field or ''}: {error.detail}") from None

    def _unit(self, scene: Scene) -> str | None:
        source = self._unit_path
        if source is None:
            return self.given.unit
        unit = source.first(scene.root if source.root else scene.node)
        if unit is MISSING or unit is None or unit == "":
            return None
        code = self._units.get(unit) if isinstance(unit, str) else None
        if code is None:
            raise Wrong(
                f"{self.pointer}/unit",
                f"the unit {unit!r:.40} is not known: name its UN/CEFACT code in units",
            )
        return code or None

    def _dataset_id(self, iri: str, scene: Scene, key: str) -> str:
        assert self._dataset is not None
        dataset = self._fill(self._dataset, scene, key)
        try:
            parsed = parse_attribute("a", {"value": 0, "datasetId": dataset}, CORE)[1][0]
        except BadRequestData as error:
            raise Wrong(f"{self.pointer}/dataset", error.detail) from None
        return str(parsed["datasetId"])

    def _observed(self, scene: Scene) -> str:
        source = self.paths["observed_at/path"]
        value = source.first(scene.root if source.root else scene.node)
        if value is MISSING or value is None or not scene.told:
            return scene.time
        assert self._time is not None
        try:
            return self._time(value)
        except ValueError as error:
            raise Wrong(f"{self.pointer}/observed_at", str(error)) from None

    def _number(self, value: Any, where: str) -> float | int:
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                pass
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Wrong(self.pointer, f"{where} is {value!r:.60}, no number")
        return value

    def _fill(self, text: Template, scene: Scene, key: str | None = None) -> str:
        try:
            return text.fill(scene.known if key is None else {**scene.known, "key": _word(key)})
        except KeyError as error:
            raise Wrong(self.pointer, f"{{{error.args[0]}}} is not known for this message") from None


# Values -------------------------------------------------------------------------------------------------------


def _converter(given: AttributeRule) -> Callable[[Any], Any] | None:
    """Conversion, then table, then scale; None where a value stays as it is."""
    steps: list[Callable[[Any], Any]] = []
    if given.convert is not None:
        steps.append(_CONVERSIONS[given.convert])
    if given.map is not None:
        steps.append(_table(given.map))
    if given.scale is not None or given.offset is not None:
        scale = 1.0 if given.scale is None else given.scale
        offset = 0.0 if given.offset is None else given.offset
        steps.append(lambda value: _scaled(value, scale, offset))
    if not steps:
        return None
    if len(steps) == 1:
        return steps[0]

    def convert(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return convert


def _to_number(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        text = value.strip()
        try:
            number = float(text)
        except ValueError:
            raise ValueError(f"{value!r:.60} is no number") from None
        if number - number != 0.0:
            raise ValueError(f"{value!r:.60} is no finite number")
        return int(text) if re.fullmatch(r"[+-]?\d{1,15}", text) else number
    raise ValueError(f"{value!r:.60} is no number")


def _to_boolean(value: Any) -> bool:
    word = value.strip().lower() if isinstance(value, str) else value
    if word in (True, 1, "true", "on", "yes", "1", "online", "open"):
        return True
    if word in (False, 0, "false", "off", "no", "0", "offline", "closed"):
        return False
    raise ValueError(f"{value!r:.60} is neither true nor false")


def _to_text(value: Any) -> str:
    if isinstance(value, dict | list):
        raise ValueError(f"{value!r:.60} is no plain value")
    return _key_of(value)


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "number": _to_number,
    "boolean": _to_boolean,
    "text": _to_text,
}


def _table(table: dict[str, Any]) -> Callable[[Any], Any]:
    def look_up(value: Any) -> Any:
        key = None if isinstance(value, dict | list) else _key_of(value)
        if key is None or key not in table:
            raise ValueError(f"{value!r:.60} is not in the map")
        return table[key]

    return look_up


def _key_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def _scaled(value: Any, scale: float, offset: float) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r:.60} is no number, and cannot be scaled")
    try:
        scaled = float(f"{value * scale + offset:.{_DIGITS}g}")
    except OverflowError:
        raise ValueError(f"{value!r:.60} is too large to be scaled") from None
    if scaled - scaled != 0.0:
        raise ValueError(f"{value!r:.60} is too large to be scaled")
    return scaled


def _prefixed(value: Any, prefix: str) -> Any:
    if isinstance(value, list):
        return [_prefixed(one, prefix) for one in value]
    return prefix + _key_of(value) if isinstance(value, str | int) and not isinstance(value, bool) else value


# Names --------------------------------------------------------------------------------------------------------


def attribute_iri(name: str) -> str:
    """The IRI of an attribute's name. Raises BadRequestData for what is no name of an attribute."""
    iri, _ = parse_attribute(name, 0, CORE)
    if name in _HEAD:
        raise BadRequestData(f"{name!r} is a member of an entity and no attribute")
    return iri


_HEAD = frozenset({"id", "type", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt"})


@lru_cache(maxsize=8192)
def written_name(key: str) -> str:
    """A device's key as the name of an attribute: itself where that is possible, else `_` for what may not stand in a
    name, `x` before what is no letter, `_` behind a word that means something else in NGSI-LD."""
    try:
        attribute_iri(key)
    except BadRequestData:
        name = _word(key)[:200] or "x"
        if not name[0].isascii() or not name[0].isalpha():
            name = "x" + name
        try:
            attribute_iri(name)
        except BadRequestData:
            name += "_"
        return name
    return key


def _word(key: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", key)

"""A compiled profile: from messages to measurements, and from wanted values to messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from rhinecloud.model import CORE, BadRequestData, parse_fragment
from rhinecloud.model.entity import Attributes

from . import lwm2m, plain_json, senml, times
from .compiling import Parts, compile_parts
from .confirming import Confirming, command_messages
from .document import Document
from .paths import MISSING
from .plain_json import MAX_LEVEL, MAX_PAYLOAD
from .rules import Scene, Wrong
from .shapes import Confirmation, Mapped, Measurement, Unmappable
from .topics import Pattern

MAX_NODES = 1_000  # of `each`: measurements in one message
_SUBJECTS_KEPT = 50_000
_NOTHING: Mapping[str, str] = {}
_decode = msgspec.json.Decoder().decode

Clock = Literal["device", "arrival"]
Registered = Callable[[str], tuple[str, str] | None]


class Use(msgspec.Struct, frozen=True):
    """What a topic of a profile holds."""

    profile: Profile
    measures: bool
    confirms: tuple[Confirming, ...]
    passes: bool = False


class Arrival(msgspec.Struct, frozen=True):
    """When a message arrived, in the forms that reading needs; whose times count."""

    moment: datetime
    text: str
    limit: str
    clock: Clock


class Profile:
    """How topic and payload of one kind of device become measurements; and how one speaks to such a device."""

    def __init__(self, document: Mapping[str, Any], whole: Document, *, built_in: bool) -> None:
        """`document` is what was written, `whole` the same with what it extends. Raises ProfileError."""
        self.name = whole.name
        self.title: Mapping[str, str] = whole.title or {"en": whole.name}
        self.description: Mapping[str, str] = whole.description
        self.document: dict[str, Any] = dict(document)
        self.built_in = built_in
        self.whole = whole
        self.parts: Parts = compile_parts(whole)
        self._subjects: dict[tuple[str, ...], tuple[str, tuple[str, ...]]] = {}

    # What it is about -----------------------------------------------------------------------------------------

    @property
    def patterns(self) -> list[Pattern]:
        """All patterns of topics that it takes, those to be ignored included."""
        return [pattern for pattern, _ in self.uses()]

    def uses(self) -> list[tuple[Pattern, Use]]:
        """Each pattern with what its topics hold."""
        patterns: dict[tuple[str, ...], Pattern] = {}
        measured = {pattern.shape for pattern in self.parts.topics}
        confirms: dict[tuple[str, ...], list[Confirming]] = {}
        passing = {pattern.shape for pattern in self.parts.passing}
        for pattern in (*self.parts.topics, *self.parts.ignore, *self.parts.passing):
            patterns.setdefault(pattern.shape, pattern)
        for confirming, own in self.parts.confirms:
            for pattern in own:
                patterns.setdefault(pattern.shape, pattern)
                confirms.setdefault(pattern.shape, []).append(confirming)
        return [
            (pattern, Use(self, shape in measured, tuple(confirms.get(shape, ())), shape in passing))
            for shape, pattern in patterns.items()
        ]

    def topics_of(
        self, device: str, type: str, captured: Mapping[str, str] = _NOTHING
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """MQTT topic filters to which a device may publish, and to which it may subscribe.

        What else is named in the topics is taken from `captured` (of its last message, say), else any level.
        """
        known = self._known(device, type, captured)
        parts = self.parts
        confirms = [one for _, own in parts.confirms for one in own]
        publish = [*parts.topics, *confirms, *parts.passing, *parts.publish]
        told = [one for one in (parts.command, parts.momentary) if one is not None]
        subscribe = [*told, *parts.subscribe]
        return (
            tuple(dict.fromkeys(pattern.filter(known) for pattern in publish)),
            tuple(dict.fromkeys(pattern.filter(known) for pattern in subscribe)),
        )

    def entity_of(
        self, device: str, type: str, captured: Mapping[str, str] = _NOTHING
    ) -> tuple[str, str] | None:
        """Id and type of the entity a device measures; None if only its payloads tell.

        An empty `type` is that of the profile.
        """
        known = self._known(device, type, captured)
        try:
            kind = type or self.parts.entity_type.fill(known)
            return self.parts.entity_id.fill({**known, "type": kind}), kind
        except KeyError:
            return None

    # Speaking to devices --------------------------------------------------------------------------------------

    def command_topic(self, device: str, type: str, captured: Mapping[str, str] = _NOTHING) -> str | None:
        """The topic for commands to a device; None if it takes none or a level of it is not known.

        May hold the level {key}: see `commands`.
        """
        if self.parts.command is None:
            return None
        return self.parts.command.topic({**self._known(device, type, captured), "key": "{key}"})

    def momentary_topic(self, device: str, type: str) -> str | None:
        """The topic for what a device is told at this moment and is not kept; None if it takes nothing of the kind."""
        if self.parts.momentary is None:
            return None
        return self.parts.momentary.topic({"device": device, "type": type})

    def told(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a device is told of what is wanted, in its own words; what it reports is compared with that. Raises
        ValueError for a value that the profile has no words for."""
        return self.parts.translating.told(values)

    def commands(
        self,
        device: str,
        type: str,
        version: int,
        values: Mapping[str, Any],
        captured: Mapping[str, str] = _NOTHING,
    ) -> list[tuple[str, bytes]]:
        """The messages (topic, payload) that ask a device for these values: one, or one for each value that it is told.

        Raises ValueError as `told`. Empty if the device takes no commands. Without more words in the profile it is
        `{"version": 7, "set": {...}}` on the command topic.
        """
        topic = self.command_topic(device, type, captured)
        if topic is None:
            return []
        known = self._known(device, type, captured)
        return command_messages(topic, self.parts.command_payload, known, device, version, self.told(values))

    @property
    def confirms_by_version(self) -> bool:
        """Whether its devices name the version they confirm; else what they report is compared."""
        return any(confirming.by_version for confirming, _ in self.parts.confirms)

    def _known(self, device: str, type: str, captured: Mapping[str, str]) -> dict[str, str]:
        known = {**captured, "device": device}
        if type:
            known["type"] = type
        return known

    # Reading --------------------------------------------------------------------------------------------------

    def read(
        self, use: Use, captured: Mapping[str, str], payload: bytes, arrival: Arrival, registered: Registered
    ) -> Mapped:
        """A message whose topic holds `use`. Raises Unmappable."""
        if not use.measures and not use.confirms:
            return Mapped([], [], captured.get("device"), self.name, dict(captured))
        known: dict[str, str] = dict(captured)
        try:
            document = self._document(payload, arrival, use)
            for name, source in self.parts.capture:
                value = source.first(document)
                if value is not MISSING and value is not None and not isinstance(value, dict | list):
                    known[name] = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            measurements = self._measurements(document, known, arrival, registered) if use.measures else []
            confirmations = self._confirmations(document, known, use)
        except Wrong as wrong:
            raise self.refusal(f"{wrong.pointer}: {wrong.reason}", known) from None
        except Unmappable as error:
            error.device, error.profile = known.get("device"), self.name
            raise
        except RecursionError:
            raise self.refusal("the payload is nested too deeply", known) from None
        except ValueError as error:  # a path had too much to look at
            raise self.refusal(str(error), known) from None
        return Mapped(measurements, confirmations, known.get("device"), self.name, known)

    def refusal(self, reason: str, known: Mapping[str, str]) -> Unmappable:
        """Why a message of this profile cannot be mapped."""
        return Unmappable(reason, "payload", known.get("device"), self.name)

    def document_of(self, payload: bytes, arrival: Arrival, use: Use) -> Any:
        """The payload as the rules see it. Raises Unmappable."""
        return self._document(payload, arrival, use)

    def _document(self, payload: bytes, arrival: Arrival, use: Use) -> Any:
        if len(payload) > MAX_PAYLOAD:
            raise Unmappable(f"the payload has {len(payload)} bytes; {MAX_PAYLOAD} are allowed")
        format = self.whole.format
        if format in ("senml", "lwm2m") and use.measures:
            try:
                read = senml.resolve if format == "senml" else lwm2m.resolve
                return read(payload, arrival.moment)
            except ValueError as error:
                raise Unmappable(str(error)) from None
        if format == "text":
            try:
                return payload.decode()
            except UnicodeDecodeError as error:
                raise Unmappable(f"the payload is no text in UTF-8: {error}") from None
        try:
            return _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unmappable(f"the payload is no JSON: {error}") from None

    def _measurements(
        self, document: Any, known: dict[str, str], arrival: Arrival, registered: Registered
    ) -> list[Measurement]:
        entity_id, types = self.subject(known, registered)
        told = arrival.clock == "device" and self.whole.clock == "device"
        if self.whole.format == "attributes":
            return plain_json.measurements(document, entity_id, types, arrival.text, arrival.limit, told=told)
        each = self.parts.each
        if each is None:
            scene = Scene(
                document, document, known, self._observed(document, document, arrival, told), told=told
            )
            attributes = self._attributes(scene, arrival)
            if not attributes:
                raise _nothing()
            return [Measurement(entity_id, types, attributes)]
        try:
            nodes = [node for _, _, node in each.all(document)]
        except ValueError as error:
            raise Wrong("/each", str(error)) from None
        if (
            not 0
            < len(nodes)
            <= (senml.MAX_RECORDS if self.whole.format in ("senml", "lwm2m") else MAX_NODES)
        ):
            raise Wrong("/each", f"{each.text} finds {len(nodes)} nodes; 1 to {MAX_NODES} are allowed")
        return self._gathered(document, nodes, known, arrival, told, (entity_id, types))

    def _gathered(
        self,
        document: Any,
        nodes: list[Any],
        known: dict[str, str],
        arrival: Arrival,
        told: bool,
        subject: tuple[str, tuple[str, ...]],
    ) -> list[Measurement]:
        """One measurement for each node; those that follow each other and have no attribute in common go into one."""
        made: list[Measurement] = []
        for node in nodes:
            time = self._observed(document, node, arrival, told)
            attributes = self._attributes(Scene(document, node, known, time, told=told), arrival)
            if not attributes:
                if self.whole.format != "lwm2m":  # there a pack has whatever else the device measured
                    raise _nothing()
                continue
            if made and made[-1].attributes.keys().isdisjoint(attributes):
                made[-1].attributes.update(attributes)
            else:
                made.append(Measurement(*subject, attributes))
        if not made:
            raise _nothing()
        return made

    def _observed(self, document: Any, node: Any, arrival: Arrival, told: bool) -> str:
        source = self.parts.time_path
        if source is None or not told:
            return arrival.text
        value = source.first(document if source.root else node)
        if value is MISSING or value is None:
            return arrival.text
        assert self.parts.time_reader is not None
        try:
            return self.parts.time_reader(value)
        except ValueError as error:
            raise Wrong("/observed_at", str(error)) from None

    def _attributes(self, scene: Scene, arrival: Arrival) -> Attributes:
        attributes: Attributes = {}
        for rule in self.parts.rules:
            rule.apply(scene, attributes)
        seen = ""
        for iri, instances in attributes.items():
            for instance in instances:
                time = instance["observedAt"]
                if time != seen and not times.is_true(time, arrival.limit):
                    raise times.clock_lies(CORE.compact_iri(iri), time, arrival.text)
                seen = time
        return attributes

    def _confirmations(self, document: Any, known: dict[str, str], use: Use) -> list[Confirmation]:
        found = []
        for confirming in use.confirms:
            one = confirming.read(document, known.get("device"), alone=not use.measures)
            if one is not None:
                found.append(one)
        return found

    def subject(self, known: dict[str, str], registered: Registered) -> tuple[str, tuple[str, ...]]:
        """Whom a message speaks of: entity id and types; those of the registry, if the device stands there and the
        topic does not say the type. Raises Wrong."""
        device = known.get("device")
        if device is not None and "type" not in known:
            entity = registered(device)
            if entity is not None:
                return self._parsed((*entity, "registered"), lambda: entity)
        parts = self.parts
        key = tuple(
            known.get(name, "")
            for name in (*parts.entity_id.names, *parts.entity_type.names)
            if name != "type"
        ) + (known.get("type", ""),)
        return self._parsed(key, lambda: self._named(known))

    def _named(self, known: dict[str, str]) -> tuple[str, str]:
        for name, value in known.items():
            if len(value) > MAX_LEVEL:
                raise Wrong("/entity", f"{{{name}}} is longer than {MAX_LEVEL} characters")
        try:
            kind = self.parts.entity_type.fill(known)
            return self.parts.entity_id.fill({**known, "type": kind}), kind
        except KeyError as error:
            raise Wrong("/entity", f"{{{error.args[0]}}} is not known for this message") from None

    def _parsed(
        self, key: tuple[str, ...], named: Callable[[], tuple[str, str]]
    ) -> tuple[str, tuple[str, ...]]:
        found = self._subjects.get(key)
        if found is None:
            entity_id, kind = named()
            try:
                fragment = parse_fragment({"id": entity_id, "type": kind}, CORE, nulls=False)
            except BadRequestData as error:
                raise Wrong("/entity", f"no entity is named by {entity_id!r:.200}: {error.detail}") from None
            found = (entity_id, fragment.types)
            if len(self._subjects) >= _SUBJECTS_KEPT:
                self._subjects.clear()
            self._subjects[key] = found
        return found


def _nothing() -> Wrong:
    return Wrong("/attributes", "no rule finds anything in the payload")

"""From a document to what reads messages by it: what can be wrong is found here, not at the first message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from rhinecloud.model import BadRequestData, parse_fragment
from rhinecloud.model.context import CORE

from . import times
from .confirming import COMMAND_NAMES, WANTED, Confirming
from .document import AttributeRule, Document
from .paths import Path, path
from .rules import Rule, Wrong
from .senml import UNITS
from .shapes import ProfileError
from .templates import Template, names_of, template
from .topics import Pattern, parse
from .translating import Translating

_ALL_RECORDS = path("$[*]")
_OF_RECORDS = ("senml", "lwm2m")  # formats whose payload is a list
_NO_UNITS: Mapping[str, str] = {}


class Parts(msgspec.Struct, frozen=True):
    """A document's compiled parts."""

    topics: tuple[Pattern, ...]
    ignore: tuple[Pattern, ...]
    passing: tuple[Pattern, ...]
    publish: tuple[Pattern, ...]
    subscribe: tuple[Pattern, ...]
    confirms: tuple[tuple[Confirming, tuple[Pattern, ...]], ...]
    each: Path | None
    capture: tuple[tuple[str, Path], ...]
    entity_id: Template
    entity_type: Template
    time_path: Path | None
    time_reader: Callable[[Any], str] | None
    rules: tuple[Rule, ...]
    command: Pattern | None
    command_payload: Any
    momentary: Pattern | None
    translating: Translating


def compile_parts(document: Document) -> Parts:
    """Raises ProfileError with every problem that there is."""
    problems: list[tuple[str, str]] = []
    topics = _patterns(document.topics, "/topics", problems)
    ignore = _patterns(document.ignore, "/ignore", problems)
    passing = _patterns(document.passing, "/passing", problems)
    publish = _patterns(document.publish, "/publish", problems)
    subscribe = _patterns(document.subscribe, "/subscribe", problems)
    confirms = []
    for index, rule in enumerate(document.confirm):
        try:
            confirming = Confirming(rule, f"/confirm/{index}")
        except Wrong as wrong:
            problems.append((wrong.pointer, wrong.reason))
            continue
        confirms.append((confirming, _patterns(rule.topics, f"/confirm/{index}/topics", problems)))
    for index, pattern in enumerate(passing):
        if "device" not in pattern.names:
            problems.append((f"/passing/{index}", "what passes has to name its {device}"))
    _check_patterns(topics, ignore, passing, [patterns for _, patterns in confirms], problems)
    each = _path(document.each, "/each", problems) if document.each is not None else None
    if each is not None and not each.root:
        problems.append(("/each", "nodes are found from the payload: the path begins with $"))
    if document.format in _OF_RECORDS and each is None:
        each = _ALL_RECORDS
    capture = _captures(document, topics, problems)
    known = _known_names(document, topics)
    entity_id = _template(document.entity.id, "/entity/id", problems)
    entity_type = _template(document.entity.type, "/entity/type", problems)
    if topics:
        _check_names(entity_id, known | {"type"}, "/entity/id", problems)
        _check_names(entity_type, known, "/entity/type", problems)
    if entity_type is not None and not entity_type.names:
        _check_type(entity_type.text, problems)
    time_path, time_reader = _time(document, problems)
    rules = _rules(document, known | {"type"}, problems)
    command = _command(document, problems)
    momentary = _momentary(document, problems)
    translating = _translating(document, problems)
    if problems or entity_id is None or entity_type is None:
        raise ProfileError(problems)
    payload = WANTED if document.command_payload is None else document.command_payload
    return Parts(
        tuple(topics),
        tuple(ignore),
        tuple(passing),
        tuple(publish),
        tuple(subscribe),
        tuple((one, tuple(patterns)) for one, patterns in confirms),
        each,
        tuple(capture),
        entity_id,
        entity_type,
        time_path,
        time_reader,
        tuple(rules),
        command,
        payload,
        momentary,
        translating,
    )


def _patterns(texts: list[str], place: str, problems: list[tuple[str, str]]) -> list[Pattern]:
    found = []
    for index, text in enumerate(texts):
        try:
            found.append(parse(text))
        except ValueError as error:
            problems.append((f"{place}/{index}", str(error)))
    return found


def _check_patterns(
    topics: list[Pattern],
    ignore: list[Pattern],
    passing: list[Pattern],
    confirms: list[list[Pattern]],
    problems: list[tuple[str, str]],
) -> None:
    """Within a profile the same topic may hold measurements and confirmations; everything else is told apart."""
    placed = [("/topics", n, one) for n, one in enumerate(topics)]
    placed += [("/ignore", n, one) for n, one in enumerate(ignore)]
    placed += [("/passing", n, one) for n, one in enumerate(passing)]
    for rule, patterns in enumerate(confirms):
        placed += [(f"/confirm/{rule}/topics", n, one) for n, one in enumerate(patterns)]
    for index, (place, number, one) in enumerate(placed):
        for other_place, _, other in placed[:index]:
            if one.shape != other.shape:
                continue
            together = place != other_place and not {"/ignore", "/passing"} & {place, other_place}
            if together and one.names == other.names:
                continue
            problems.append((f"{place}/{number}", f"{one.text} and {other.text} have the same topics"))


def _captures(
    document: Document, topics: list[Pattern], problems: list[tuple[str, str]]
) -> list[tuple[str, Path]]:
    named = {name for pattern in topics for name in pattern.names}
    found = []
    for name, text in document.capture.items():
        place = f"/capture/{name}"
        source = _path(text, place, problems)
        if not template_name(name) or name in COMMAND_NAMES | {"type"}:
            problems.append((place, f"{name!r:.60} cannot be the name of a capture"))
        elif name in named:
            problems.append((place, f"{{{name}}} is a level of the topic already"))
        elif source is not None and not source.singular:
            problems.append((place, f"{text!r} can find several nodes; one is needed here"))
        elif source is not None:
            found.append((name, source))
    return found


def template_name(name: str) -> bool:
    """Whether a word can stand in braces."""
    try:
        return template("{" + name + "}").names == (name,)
    except ValueError:
        return False


def _known_names(document: Document, topics: list[Pattern]) -> set[str]:
    """What is known of every message, whichever topic it has."""
    shared = set.intersection(*(set(pattern.names) for pattern in topics)) if topics else set()
    return shared | document.capture.keys()


def _template(text: str, place: str, problems: list[tuple[str, str]]) -> Template | None:
    try:
        return template(text)
    except ValueError as error:
        problems.append((place, str(error)))
        return None


def _check_names(text: Template | None, known: set[str], place: str, problems: list[tuple[str, str]]) -> None:
    for name in text.names if text is not None else ():
        if name not in known:
            problems.append((place, f"{{{name}}} is neither in every topic nor captured"))


def _check_type(name: str, problems: list[tuple[str, str]]) -> None:
    try:
        parse_fragment({"id": "urn:a:b", "type": name}, CORE, nulls=False)
    except BadRequestData as error:
        problems.append(("/entity/type", error.detail))


def _path(text: str, place: str, problems: list[tuple[str, str]]) -> Path | None:
    try:
        return path(text)
    except ValueError as error:
        problems.append((place, str(error)))
        return None


def _time(
    document: Document, problems: list[tuple[str, str]]
) -> tuple[Path | None, Callable[[Any], str] | None]:
    rule = document.observed_at
    if rule is None:
        return None, None
    source = _path(rule.path, "/observed_at/path", problems)
    if source is not None and not source.singular:
        problems.append(("/observed_at/path", f"{rule.path!r} can find several nodes; one is needed here"))
    try:
        return source, times.reader(rule)
    except ValueError as error:
        problems.append(("/observed_at", str(error)))
        return source, None


def _rules(document: Document, known: set[str], problems: list[tuple[str, str]]) -> list[Rule]:
    found = []
    units = UNITS if document.format == "senml" else _NO_UNITS
    for index, given in enumerate(document.attributes):
        place = f"/attributes/{index}"
        try:
            rule = Rule(given, place, units)
        except Wrong as wrong:
            problems.append((wrong.pointer, wrong.reason))
            continue
        if document.topics:
            for name in sorted(rule.names - known):
                problems.append((place, f"{{{name}}} is neither in every topic nor captured"))
        problems += [
            (place, f"{source.text} begins with @, but there is no each")
            for source in rule.paths.values()
            if not source.root and document.each is None and document.format not in _OF_RECORDS
        ]
        found.append(rule)
    if document.format == "attributes":
        if document.attributes:
            problems.append(("/attributes", "in the format attributes every member of the payload is one"))
        if document.each is not None:
            problems.append(("/each", "the format attributes reads a list of objects by itself"))
    elif document.topics and not document.attributes:
        problems.append(("/attributes", "without rules nothing would be measured"))
    _check_twice(document.attributes, problems)
    return found


def _check_twice(rules: list[AttributeRule], problems: list[tuple[str, str]]) -> None:
    """An attribute may have several rules where datasets tell their values apart, or only one finds anything."""
    seen: set[tuple[Any, ...]] = set()
    for index, rule in enumerate(rules):
        if rule.name is None:
            continue
        if (place := (rule.name, rule.path, rule.above, rule.up_to)) in seen:
            problems.append(
                (f"/attributes/{index}/name", f"{rule.name} is measured twice from the same place")
            )
        seen.add(place)


def _command(document: Document, problems: list[tuple[str, str]]) -> Pattern | None:
    if document.command_topic is None:
        if document.command_payload is not None:
            problems.append(("/command_payload", "a payload needs a command_topic"))
        return None
    try:
        pattern = parse(document.command_topic)
    except ValueError as error:
        problems.append(("/command_topic", str(error)))
        return None
    if any(level.rest for level in pattern.levels):
        problems.append(("/command_topic", "a command goes to one topic"))
    allowed = set(pattern.names) | COMMAND_NAMES | {"device", "type"}
    for name in sorted(names_of(document.command_payload) - allowed):
        problems.append(("/command_payload", f"{{{name}}} is not known when a command is sent"))
    return pattern


def _momentary(document: Document, problems: list[tuple[str, str]]) -> Pattern | None:
    if document.momentary_topic is None:
        return None
    try:
        pattern = parse(document.momentary_topic)
    except ValueError as error:
        problems.append(("/momentary_topic", str(error)))
        return None
    if any(level.rest for level in pattern.levels) or not {"device", "type"}.issuperset(pattern.names):
        problems.append(
            ("/momentary_topic", "it is one topic, of which {device} and {type} are all that varies")
        )
    return pattern


def _translating(document: Document, problems: list[tuple[str, str]]) -> Translating:
    if document.wanted and document.command_topic is None:
        problems.append(("/wanted", "what is wanted needs a command_topic"))
    try:
        return Translating([(f"/wanted/{index}", rule) for index, rule in enumerate(document.wanted)])
    except Wrong as wrong:
        problems.append((wrong.pointer, wrong.reason))
        return Translating([])

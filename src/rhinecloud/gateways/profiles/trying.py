"""Trying a profile on a message before it is used: what it would make of it, and which path found what. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from rhinecloud.model import CORE, Entity, render

from .paths import Path
from .profile import Arrival, Profile, Registered, Use
from .shapes import Finding, Measurement, Trial, Unmappable

_MOST_SHOWN = 10  # nodes of one path


def trial(profile: Profile, topic: str, payload: bytes, arrival: Arrival, registered: Registered) -> Trial:
    """What `profile` makes of a message on this topic."""
    use, captured = use_of(profile, topic)
    if use is None:
        patterns = ", ".join(pattern.text for pattern in profile.patterns) or "none"
        reason = f"the profile does not have the topic {topic!r:.200}; it has {patterns}"
        return Trial(profile=profile.name, problems=[("/topics", reason)], kind="topic")
    findings = _findings(profile, use, payload, arrival)
    try:
        mapped = profile.read(use, captured, payload, arrival, registered)
    except Unmappable as error:
        pointer, reason = _placed(str(error))
        return Trial(
            profile=profile.name,
            device=error.device,
            captured=captured,
            findings=findings,
            problems=[(pointer, reason)],
            kind=error.kind,
        )
    return Trial(
        profile=profile.name,
        device=mapped.device,
        captured=mapped.captured,
        entities=[rendered(one) for one in mapped.measurements],
        confirmations=mapped.confirmations,
        findings=findings,
    )


def use_of(profile: Profile, topic: str) -> tuple[Use | None, dict[str, str]]:
    """What a topic holds by this profile alone, and its named levels."""
    from .topics import Tree

    tree: Tree[Use] = Tree()
    for pattern, use in profile.uses():
        tree.add(pattern, use)
    found = tree.find(topic)
    return (None, {}) if found is None else (found[1], found[2])


def rendered(measurement: Measurement) -> dict[str, Any]:
    """A measurement as concise NGSI-LD."""
    entity = Entity(id=measurement.entity_id, types=measurement.types, attributes=measurement.attributes)
    return render(entity, CORE, format="concise")


def _placed(reason: str) -> tuple[str, str]:
    """The pointer into the profile that a reason begins with, where it does."""
    pointer, colon, rest = reason.partition(": ")
    known = pointer.startswith(("/attributes/", "/each", "/entity", "/observed_at", "/confirm/", "/capture/"))
    return (pointer, rest) if colon and known else ("", reason)


def _findings(profile: Profile, use: Use, payload: bytes, arrival: Arrival) -> list[Finding]:
    """What each path of the profile finds, in the order of the document."""
    try:
        document = profile.document_of(payload, arrival, use)
    except Unmappable:
        return []
    parts = profile.parts
    found: list[Finding] = []
    node = document
    if parts.each is not None:
        found.append(_finding("/each", parts.each, document, document))
        nodes = found[-1].found
        node = nodes[0] if isinstance(nodes, list) and nodes else None
    found += [_finding(f"/capture/{name}", source, document, node) for name, source in parts.capture]
    if parts.time_path is not None:
        found.append(_finding("/observed_at/path", parts.time_path, document, node))
    for rule in parts.rules if use.measures else ():
        for key, source in rule.paths.items():
            found.append(_finding(f"{rule.pointer}/{key}", source, document, node))
    return found


def _finding(pointer: str, source: Path, document: Any, node: Any) -> Finding:
    try:
        nodes = source.all(document if source.root else node)
    except (ValueError, RecursionError) as error:
        return Finding(pointer, source.text, problem=str(error) or "the payload is nested too deeply")
    if source.singular:
        return Finding(pointer, source.text, _shown(nodes[0][2]) if nodes else None)
    return Finding(pointer, source.text, [_shown(value) for _, _, value in nodes[:_MOST_SHOWN]] or None)


def _shown(value: Any) -> Any:
    """Values as they are, unless they are long."""
    if isinstance(value, str):
        return value[:1_000]
    if isinstance(value, dict | list) and len(msgspec.json.encode(value)) > 4_000:
        return f"… {len(value)} members"
    return value

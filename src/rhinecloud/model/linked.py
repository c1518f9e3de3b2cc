"""Linked entity retrieval: the entities that Relationships lead to, within them or behind them (CIM 009 §4.5.23).

Nothing is read here. Whoever can read asks `missing` for the ids of a level until there are none, and then has all
that `flattened`, or `render` with the same join, shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from rhinecloud.model.entity import Entity, Instance
from rhinecloud.model.errors import BadRequestData, TooManyResults
from rhinecloud.model.projection import Projection

Form = Literal["flat", "inline"]

MAX_LEVEL: Final = 16
MAX_LINKED: Final = 10_000
"""Most linked entities of one answer; where Relationships branch, they multiply with each level."""

LINKS: Final = {"Relationship": ("object", "entity"), "ListRelationship": ("objectList", "entityList")}
"""Kind of attribute → the member with the ids, and that with the entities in the inline form (§4.5.3, §4.5.22)."""


class Join(msgspec.Struct, frozen=True):
    """How far to follow Relationships, and where to put what is found. `contained_by`: ids that whoever asks has
    met already, which are not followed again; `datasets`: only instances with these datasetIds are."""

    form: Form
    level: int = 1
    contained_by: frozenset[str] = frozenset()
    datasets: frozenset[str] | None = None


Known = Mapping[str, Entity | None]
"""Entities that were read, None for those that are not there."""


def parse_join(
    join: Any,
    level: Any = None,
    contained_by: Iterable[str] = (),
    datasets: frozenset[str] | None = None,
) -> Join | None:
    """Read `join` (``flat``, ``inline`` or ``@none``) and `joinLevel`, as text or already a number.

    Raises BadRequestData. None if nothing is to be joined; a level is then of no concern.
    """
    if join is None or join in ("", "@none"):
        return None
    if join not in ("flat", "inline"):
        raise BadRequestData("join is one of flat, inline, @none", field="join")
    text = "1" if level is None else str(level)
    if not text.isascii() or not text.isdigit() or len(text) > 4 or not 1 <= int(text) <= MAX_LEVEL:
        raise BadRequestData(f"joinLevel is a whole number from 1 to {MAX_LEVEL}", field="joinLevel")
    return Join(join, int(text), frozenset(contained_by), datasets)


def linked_ids(instance: Instance) -> list[str]:
    """The ids that an instance of an attribute leads to; none if it is no Relationship."""
    member = LINKS.get(instance.get("type", ""))
    target = instance.get(member[0]) if member else None
    if target is None:
        return []
    return target if isinstance(target, list) else [target]


def missing(entities: Iterable[Entity], projection: Projection, join: Join, known: Known) -> set[str]:
    """The ids that must be read next, none if all that the join leads to is known.

    Raises TooManyResults for more than an answer can hold.
    """
    found: set[str] = set()
    for entity, _, unknown in _levels(entities, projection, join, known):
        if entity is None:
            found.add(unknown)
            if len(found) + len(known) > MAX_LINKED:
                raise too_many()
    return found


def flattened(
    entities: list[Entity], projection: Projection, join: Join, known: Known
) -> list[tuple[Entity, Projection]]:
    """The entities and, behind them, each linked one once, the nearest first (§4.5.23.3)."""
    result = [(entity, projection) for entity in entities]
    present = {entity.id for entity in entities}
    for entity, inner, _ in _levels(entities, projection, join, known):
        if entity is not None and entity.id not in present:
            present.add(entity.id)
            result.append((entity, inner))
    return result


def too_many() -> TooManyResults:
    return TooManyResults(f"more than {MAX_LINKED} linked entities; ask for fewer levels or pick less")


def _levels(
    entities: Iterable[Entity], projection: Projection, join: Join, known: Known
) -> Iterator[tuple[Entity | None, Projection, str]]:
    """(entity, what to show of it, its id) level by level; the entity is None where it is unknown yet."""
    here = [(entity, projection) for entity in entities]
    for _ in range(join.level):
        met: set[tuple[str, Projection]] = set()
        there: list[tuple[Entity, Projection]] = []
        for entity, shown in here:
            for iri, linked_id in _links(entity, shown, join):
                step = (linked_id, shown.behind(iri))
                if step in met or linked_id in join.contained_by:
                    continue
                met.add(step)
                linked = known.get(linked_id)
                if linked is not None:
                    there.append((linked, step[1]))
                if linked is not None or linked_id not in known:
                    yield linked, step[1], linked_id
        here = there


def _links(entity: Entity, projection: Projection, join: Join) -> Iterator[tuple[str, str]]:
    for iri, instances in entity.attributes.items():
        if projection.shows(iri):
            for instance in instances:
                if join.datasets is None or instance.get("datasetId", "@none") in join.datasets:
                    for linked_id in linked_ids(instance):
                        yield iri, linked_id

"""Pages of groups: the list with how many lamps each has, and the editor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City

from ..cadastre.following import known
from ..cadastre.lamps import Lamp, lamps
from ..control.problems import Problem, noted, refused
from . import groups, showing, store
from .groups import Area, Group, Position, Selection, Single, Streets, Types, members
from .wording import slug

KINDS: Final = ("street", "area", "type", "static")
_SHOWN: Final = 200  # lamps of a group on its page


async def listed(city: City, request: Request) -> Response:
    """All groups."""
    every = await known(city)
    kept = await store.GROUPS.every(city.db.pool)
    return city.render(
        request,
        "lighting/groups.html",
        **showing.values(
            request,
            kept=kept,
            numbers={one.one.id: len(members(one.one, every)) for one in kept},
            kinds=KINDS,
            may=_may(city, request),
        ),
    )


async def new(city: City, request: Request) -> Response:
    """The form of a new one of a kind."""
    kind = request.query_params.get("kind", KINDS[0])
    if kind not in KINDS:
        raise HTTPException(404)
    return await _form(city, request, {"kind": kind}, None, [], await known(city))


async def one(city: City, request: Request) -> Response:
    """A group, its lamps, and the form."""
    kept = await _found(city, request)
    every = await known(city)
    found = _nobody(kept.one, every)
    return await _form(city, request, fields_of(kept.one), kept, found, every, shown=kept.one)


async def write(city: City, request: Request) -> Response:
    """Keep what the form says; with `show` only list whom it selects."""
    given = await showing.given_of(request)
    version = showing.version_of(given)
    kept = None if version is None else await _found(city, request)
    name = kept.one.id if kept else slug(given.get("name_de", ""))
    every = await lamps(city)
    group, found = group_of(given, name, every)
    if group is None or showing.forbids(found):
        return await _form(city, request, given, kept, found, every, 422)
    if given.get("action") == "show":
        found = [*found, *_nobody(group, every)]
        return await _form(city, request, given, kept, found, every, shown=group)
    try:
        await store.GROUPS.put(city, city.people.who(request), group, version)
    except store.Changed as error:
        wrong = [showing.trouble(error, version)]
        return await _form(city, request, given, kept, wrong, every, 409)
    return showing.back(city, f"/groups/{group.id}", "kept")


async def remove(city: City, request: Request) -> Response:
    """Take it away, unless it has a calendar."""
    kept = await _found(city, request)
    try:
        await store.GROUPS.remove(city, city.people.who(request), kept.one.id)
    except store.InUse as error:
        users = ", ".join(error.users)
        wrong = [
            refused(
                "", f"Ihr ist noch ein Kalender zugeordnet: {users}.", f"It still has a calendar: {users}."
            )
        ]
        return await _form(city, request, fields_of(kept.one), kept, wrong, await known(city), 409)
    return showing.back(city, "/groups", "removed")


def fields_of(group: Group) -> dict[str, str]:
    """What the form of a group holds."""
    found = {"name_de": group.name[0], "name_en": group.name[1]}
    match group.selection:
        case Streets(streets):
            return found | {"kind": "street", "streets": "\n".join(streets)}
        case Area():
            corners = "\n".join(f"{lon} {lat}" for lon, lat in group.selection.polygon)
            return found | {
                "kind": "area",
                "districts": "\n".join(group.selection.districts),
                "polygon": corners,
            }
        case Types():
            return found | {
                "kind": "type",
                "categories": "\n".join(group.selection.categories),
                "models": "\n".join(group.selection.models),
            }
        case Single(those):
            return found | {"kind": "static", "lamps": "\n".join(those)}


def group_of(given: Mapping[str, str], one: str, every: Sequence[Lamp]) -> tuple[Group | None, list[Problem]]:
    """The group that a form describes, and what is wrong with it. Lamps are named by id or name."""
    wrong: list[Problem] = []
    selection = _selection(given, every, wrong)
    if not one:
        wrong.append(
            refused("name", "Der Name fehlt (deutsch, englisch).", "The name is missing (German, English).")
        )
    if selection is None or wrong:
        return None, wrong
    group = Group(id=one, name=(given.get("name_de", ""), given.get("name_en", "")), selection=selection)
    return group, groups.problems(group)


def _selection(given: Mapping[str, str], every: Sequence[Lamp], wrong: list[Problem]) -> Selection | None:
    match given.get("kind"):
        case "street":
            return Streets(_lines(given, "streets"))
        case "area":
            return Area(
                districts=_lines(given, "districts"), polygon=_polygon(given.get("polygon", ""), wrong)
            )
        case "type":
            return Types(categories=_lines(given, "categories"), models=_lines(given, "models"))
        case "static":
            return Single(_lamps(_lines(given, "lamps"), every, wrong))
    raise HTTPException(400)


def _lines(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line.strip() for line in given.get(name, "").splitlines() if line.strip()))


def _polygon(text: str, wrong: list[Problem]) -> tuple[Position, ...]:
    """A corner a line (`6.76 51.43`), or the coordinates of a GeoJSON Polygon."""
    if text.lstrip().startswith(("{", "[")):
        return _geojson(text, wrong)
    corners: list[Position] = []
    for line in text.splitlines():
        words = line.replace(",", " ").split()
        if not words:
            continue
        try:
            lon, lat = map(float, words)
        except ValueError:
            wrong.append(
                refused("selection.polygon", f"Keine Ecke: {line!r}.", f"This is no corner: {line!r}.")
            )
            return ()
        corners.append((lon, lat))
    return tuple(corners)


class _Polygon(msgspec.Struct):
    coordinates: list[list[tuple[float, float]]]


def _geojson(text: str, wrong: list[Problem]) -> tuple[Position, ...]:
    try:
        (ring, *_) = msgspec.json.decode(text, type=_Polygon).coordinates
    except (msgspec.MsgspecError, ValueError):
        wrong.append(refused("selection.polygon", "Kein GeoJSON-Polygon.", "This is no polygon of GeoJSON."))
        return ()
    return tuple(ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring)


def _lamps(named: Sequence[str], every: Sequence[Lamp], wrong: list[Problem]) -> tuple[str, ...]:
    ids = {lamp.id for lamp in every}
    names = {lamp.name.casefold(): lamp.id for lamp in every}
    found, unknown = [], []
    for text in named:
        one = text if text in ids else names.get(text.casefold())
        if one is None:
            unknown.append(text)
        else:
            found.append(one)
    if unknown:
        some = ", ".join(unknown[:5])
        wrong.append(
            refused(
                "selection.lamps",
                f"Unbekannte Leuchten ({len(unknown)}): {some}.",
                f"Unknown lamps ({len(unknown)}): {some}.",
            )
        )
    return tuple(dict.fromkeys(found))


def _nobody(group: Group, every: Sequence[Lamp]) -> list[Problem]:
    if members(group, every):
        return []
    return [noted("selection", "Keine Leuchte gehört dazu.", "No lamp is in it.")]


async def _form(
    city: City,
    request: Request,
    given: Mapping[str, str],
    kept: store.Kept[Group] | None,
    found: Sequence[Problem],
    every: Sequence[Lamp],
    status: int = 200,
    *,
    shown: Group | None = None,
) -> Response:
    inside = [] if shown is None else members(shown, every)
    return city.render(
        request,
        "lighting/group.html",
        status,
        **showing.values(
            request,
            given=given,
            kept=kept,
            problems=showing.told(found),
            shown=shown is not None,
            number=len(inside),
            lamps=inside[:_SHOWN],
            known=_known(given.get("kind", ""), every),
            may=_may(city, request),
        ),
    )


def _known(kind: str, every: Sequence[Lamp]) -> list[tuple[str, int]]:
    """What may be named, with how many lamps it has."""
    match kind:
        case "street":
            return sorted(Counter(lamp.street for lamp in every if lamp.street).items())
        case "area":
            return sorted(Counter(lamp.district for lamp in every if lamp.district).items())
        case "type":
            return sorted(Counter(lamp.category for lamp in every).items())
    return []


def _may(city: City, request: Request) -> bool:
    return city.people.who(request).may("lighting.program")


async def _found(city: City, request: Request) -> store.Kept[Group]:
    kept = await store.GROUPS.get(city.db.pool, request.path_params["id"])
    if kept is None:
        raise HTTPException(404)
    return kept

"""The pages of what hangs on posts: all of it, what is affected at one post, and the form of one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.app import Text
from rhinecloud.city import City
from rhinecloud.people import Actor
from rhinecloud.web.forms import fields

from ..cadastre.lamps import Lamp, lamps
from . import store
from .conflicts import KINDS, Attachment, Conflict, conflicts
from .store import Contact

_LAMP: Final = "urn:ngsi-ld:Streetlight:"
_TEXTS: Final = {
    "name": (1, 200),
    "owner": (1, 200),
    "contract": (0, 100),
    "when_off": (0, 1_000),
    "when_replaced": (0, 1_000),
    "contact_name": (0, 200),
    "contact_mail": (0, 254),
    "contact_phone": (0, 50),
}
OWN: Final = "own"  # those that whoever asks acts for
_OWN: Final[Text] = ("meine Organisationen", "my organisations")
_MOST_WATTS: Final = 100_000.0
_MOST_SHOWN: Final = 500


class Line(msgspec.Struct, frozen=True):
    """One that hangs, its lamp (None: no longer there), and what does not fit."""

    one: Attachment
    lamp: Lamp | None
    conflicts: list[Conflict]


async def listed(city: City, request: Request) -> Response:
    """All that hangs, what does not fit first."""
    query = request.query_params
    sought, kind = query.get("q", "").strip().casefold(), query.get("kind", "")
    everything = await _lines(city)
    owners, owned = _owners(everything, city.people.who(request), query.get("owner", ""))
    lines = [
        line
        for line in everything
        if (not kind or line.one.kind == kind)
        and (owned is None or line.one.organisation in owned)
        and (not query.get("conflicts") or line.conflicts)
        and (not sought or sought in _words(line))
    ]
    lines.sort(key=lambda line: (not line.conflicts, line.one.lamp, line.one.number))
    return city.render(
        request,
        "lighting/carrier.html",
        lines=lines[:_MOST_SHOWN],
        number=len(lines),
        kinds=KINDS,
        owners=owners,
        may_configure=city.people.who(request).may("lighting.configure"),
    )


def _owners(
    lines: Iterable[Line], actor: Actor, asked: str
) -> tuple[list[tuple[str, str | Text]], frozenset[int] | None]:
    """The organisations to choose from, and those that are asked for (None: whoever)."""
    found = {line.one.organisation: line.one.owner for line in lines if line.one.organisation is not None}
    offered: list[tuple[str, str | Text]] = [(OWN, _OWN)] if actor.organisations else []
    offered += [
        (str(number), name) for number, name in sorted(found.items(), key=lambda one: one[1].casefold())
    ]
    if asked == OWN:
        return offered, actor.organisations
    return offered, frozenset({int(asked)}) if asked.isdecimal() and len(asked) < 19 else None


async def _lines(city: City) -> list[Line]:
    hanging = await store.hanging(city)
    known = await store.carriers(city, hanging)
    wrong = conflicts(hanging, await store.grid(city, known.values()), city.clock.today())
    return [Line(one, known.get(one.lamp), wrong.get(one.number, [])) for one in hanging]


def _words(line: Line) -> str:
    one, lamp = line.one, line.lamp
    words = [one.name, one.owner, one.contract, one.lamp]
    if lamp is not None:
        words += [lamp.name, lamp.street, lamp.district, lamp.cabinet or "", lamp.feeder or "", *lamp.groups]
    return " ".join(words).casefold()


async def post(city: City, request: Request) -> Response:
    """What is affected when one post is switched off or replaced, and what it may give."""
    found = await lamps(city, [request.query_params.get("lamp", "")])
    if not found:
        raise HTTPException(404)
    return city.render(
        request, "lighting/carrier_post.html", lamp=found[0], values=await _of_post(city, request, found[0])
    )


async def _of_post(city: City, request: Request, lamp: Lamp) -> dict[str, Any]:
    return {**await of_lamp(city, request, lamp), "here": True}


async def of_lamp(city: City, request: Request, lamp: Lamp) -> dict[str, Any]:
    """What hangs on the post of a lamp, as its page and that of the post show it."""
    everything = await _lines(city)
    feeder = store.feeder_of(lamp)
    grid = await store.grid(city, [line.lamp for line in everything if line.lamp is not None])
    on_feeder = [] if feeder is None else grid.on_feeder([line.one for line in everything], feeder)
    own = [line for line in everything if line.one.lamp == lamp.id]
    return {
        "lines": own,
        "concerned": sorted({line.one.owner for line in own}, key=str.casefold),
        "kinds": KINDS,
        "feeder": feeder,
        "needed": sum(line.one.power for line in own),
        "needed_of_feeder": sum(one.power for one in on_feeder),
        "post_watts": grid.posts.get(lamp.id),
        "feeder_watts": None if feeder is None else grid.feeders.get(feeder),
        "may_configure": city.people.who(request).may("lighting.configure"),
        "wrong": "",
        "here": False,
    }


async def supply(city: City, request: Request) -> Response:
    """Say what a post, or its feeder, may give beside the light."""
    given = {name: text.strip() for name, text in (await fields(request)).items()}
    found = await lamps(city, [given.get("lamp", "")])
    if not found:
        raise HTTPException(404)
    lamp = found[0]
    what = given.get("what", "")
    subject = {"post": lamp.id, "feeder": store.feeder_of(lamp)}.get(what)
    if subject is None:
        raise HTTPException(422)
    watts = _watts(given.get("watts", ""))
    if given.get("watts") and watts is None:
        shown = await _of_post(city, request, lamp)
        return city.render(
            request, "lighting/carrier_post.html", 422, lamp=lamp, values={**shown, "wrong": what}
        )
    await store.set_supply(city, city.people.who(request), what, subject, watts)
    return RedirectResponse(f"/{city.app}/carrier/post?{urlencode({'lamp': lamp.id, 'done': 'supply'})}", 303)


# One that hangs --------------------------------------------------------------------------------------------------


async def new(city: City, request: Request) -> Response:
    """The empty form, for the post that one comes from."""
    given = {"lamp": request.query_params.get("lamp", ""), "since": city.clock.today().isoformat()}
    return await _form(city, request, given, None, "")


async def attach(city: City, request: Request) -> Response:
    """Hang one up, or say which field is wrong."""
    return await _write(city, request, None)


async def shown(city: City, request: Request) -> Response:
    """One, in its form."""
    kept = await _found(city, request)
    actor = city.people.who(request)
    may_call = actor.may("lighting.work") or actor.may("lighting.configure")
    whom = await store.contact(city, kept.one.number) if may_call else Contact()
    return await _form(city, request, _given(kept, whom), kept, "", may_call=may_call)


async def change(city: City, request: Request) -> Response:
    """Change one, or say which field is wrong."""
    return await _write(city, request, await _found(city, request))


async def remove(city: City, request: Request) -> Response:
    """Take one down."""
    if not await store.remove(city, city.people.who(request), request.path_params["number"]):
        raise HTTPException(404)
    return RedirectResponse(f"/{city.app}/carrier?done=removed", 303)


async def _found(city: City, request: Request) -> store.Kept:
    kept = await store.get(city, request.path_params["number"])
    if kept is None:
        raise HTTPException(404)
    return kept


async def _write(city: City, request: Request, kept: store.Kept | None) -> Response:
    given = {name: text.strip() for name, text in (await fields(request)).items()}
    if given.get("lamp") and ":" not in given["lamp"]:
        given["lamp"] = _LAMP + given["lamp"]
    organisations = dict(await city.people.organisations())
    one, whom, wrong = read(given, 0 if kept is None else kept.one.number, organisations)
    found = await lamps(city, [given.get("lamp", "")])
    if not wrong and not found and (kept is None or kept.one.lamp != given["lamp"]):
        wrong = "lamp"
    if wrong or one is None:
        return await _form(city, request, given, kept, wrong, 422)
    try:
        before = None if kept is None else int(given.get("version", ""))
        number = await store.write(
            city, city.people.who(request), one, found[0] if found else None, whom, before
        )
    except (store.Changed, ValueError):
        return await _form(city, request, given, kept, "version", 409)
    return RedirectResponse(f"/{city.app}/carrier/{number}?done=written", 303)


def read(
    given: Mapping[str, str], number: int, organisations: Mapping[int, str]
) -> tuple[Attachment | None, Contact, str]:
    """What a form says, and the first field that is wrong. Where an organisation is chosen its name is the owner's."""
    chosen = given.get("organisation", "")
    organisation = int(chosen) if chosen.isdecimal() and len(chosen) < 19 else None
    if chosen and organisation not in organisations:
        return None, Contact(), "organisation"
    if organisation is not None:
        given = {**given, "owner": organisations[organisation]}
    whom = Contact(*(given.get(f"contact_{name}", "") for name in ("name", "mail", "phone")))
    for name, (least, most) in _TEXTS.items():
        text = given.get(name, "")
        if not least <= len(text) <= most or not text.replace("\n", "").isprintable():
            return None, whom, name
    if whom.mail and "@" not in whom.mail.strip("@"):
        return None, whom, "contact_mail"
    kind = next((one for one in KINDS if one == given.get("kind")), None)
    power, since, until = _watts(given.get("power", "")), _date(given.get("since")), _date(given.get("until"))
    if kind is None:
        return None, whom, "kind"
    if power is None:
        return None, whom, "power"
    if since is None:
        return None, whom, "since"
    if given.get("until") and (until is None or until < since):
        return None, whom, "until"
    return (
        Attachment(
            number=number,
            kind=kind,
            lamp=given.get("lamp", ""),
            name=given["name"],
            owner=given["owner"],
            organisation=organisation,
            contract=given.get("contract", ""),
            since=since,
            until=until,
            power=power,
            by_day=given.get("by_day") == "on",
            when_off=given.get("when_off", ""),
            when_replaced=given.get("when_replaced", ""),
        ),
        whom,
        "",
    )


def _given(kept: store.Kept, whom: Contact) -> dict[str, str]:
    one = kept.one
    return {
        **{name: str(getattr(one, name)) for name in ("kind", "lamp", "name", "contract")},
        "organisation": "" if one.organisation is None else str(one.organisation),
        "owner": "" if one.organisation is not None else one.owner,
        "since": one.since.isoformat(),
        "until": "" if one.until is None else one.until.isoformat(),
        "power": f"{one.power:g}",
        "by_day": "on" if one.by_day else "",
        "when_off": one.when_off,
        "when_replaced": one.when_replaced,
        "version": str(kept.version),
        **{f"contact_{name}": getattr(whom, name) for name in ("name", "mail", "phone")},
    }


async def _form(
    city: City,
    request: Request,
    given: dict[str, str],
    kept: store.Kept | None,
    wrong: str,
    status: int = 200,
    *,
    may_call: bool = True,
) -> Response:
    return city.render(
        request,
        "lighting/carrier_form.html",
        status,
        given=given,
        kept=kept,
        wrong=wrong,
        kinds=KINDS,
        organisations=await city.people.organisations(),
        may_call=may_call,
        may_configure=city.people.who(request).may("lighting.configure"),
    )


def _watts(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= _MOST_WATTS else None


def _date(text: str | None) -> date | None:
    try:
        found = date.fromisoformat(text or "")
    except ValueError:
        return None
    return found if 1990 <= found.year < 2200 else None

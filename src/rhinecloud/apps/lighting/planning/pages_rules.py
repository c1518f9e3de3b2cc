"""The page of the rules of the city: how dark lamps may become at night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City

from ..control import rules
from ..control.problems import Problem, refused
from ..control.rules import LawRule
from . import showing, store
from .wording import slug, split_error

KINDS: Final = ("minimum_level", "part_night_needs_sign_394", "crossing_stays_lit")


async def listed(city: City, request: Request) -> Response:
    """All rules, and the form of a new one."""
    return await _page(city, request, {}, [])


async def write(city: City, request: Request) -> Response:
    """Keep a new rule, or one in place of what was read."""
    given = await showing.given_of(request)
    version = showing.version_of(given)
    name = slug(given.get("name_de", "")) if version is None else given.get("id", "")
    rule, wrong = rule_of(given, name)
    if rule is not None and not wrong:
        try:
            await store.RULES.put(city, city.people.who(request), rule, version)
            return showing.back(city, "/rules", "kept")
        except store.Changed as error:
            wrong = [showing.trouble(error, version)]
    return await _page(city, request, given, wrong, 422)


async def remove(city: City, request: Request) -> Response:
    """Take one away."""
    if not await store.RULES.remove(city, city.people.who(request), request.path_params["id"]):
        raise HTTPException(404)
    return showing.back(city, "/rules", "removed")


def fields_of(rule: LawRule) -> dict[str, str]:
    """What the form of a rule holds."""
    return {
        "name_de": rule.name[0],
        "name_en": rule.name[1],
        "kind": str(msgspec.to_builtins(rule.rule)["kind"]),
        "categories": ", ".join(rule.rule.categories),
        "level": str(rule.rule.level),
        "grace": str(rule.rule.grace),
        "severity": rule.severity,
        **({"active": "on"} if rule.active else {}),
    }


def rule_of(given: Mapping[str, str], one: str) -> tuple[LawRule | None, list[Problem]]:
    """The rule that a form describes, or what cannot be read of it."""
    document: dict[str, Any] = {
        "id": one,
        "name": (given.get("name_de", ""), given.get("name_en", "")),
        "rule": {
            "kind": given.get("kind", ""),
            "categories": [part.strip() for part in given.get("categories", "").split(",") if part.strip()],
            "level": _whole(given.get("level", "")),
            "grace": _whole(given.get("grace", "") or "15"),
        },
        "severity": given.get("severity", "refuse"),
        "active": bool(given.get("active")),
    }
    try:
        rule = msgspec.convert(document, LawRule)
    except msgspec.ValidationError as error:
        path, text = split_error(error)
        return None, [refused("", f"Unlesbar ({path}): {text}.", f"Cannot be read ({path}): {text}.")]
    return rule, rules.problems(rule)


def _whole(text: str) -> int | str:
    return int(text) if text.isdigit() and len(text) < 6 else text


async def _page(
    city: City, request: Request, given: Mapping[str, str], wrong: Sequence[Problem], status: int = 200
) -> Response:
    kept = await store.RULES.every(city.db.pool)
    return city.render(
        request,
        "lighting/rules.html",
        status,
        **showing.values(
            request,
            rules=[
                (one, fields_of(one.one) | (dict(given) if given.get("id") == one.one.id else {}))
                for one in kept
            ],
            given={} if given.get("version") else given,
            kinds=KINDS,
            problems=showing.told(wrong),
            may=city.people.who(request).may("lighting.configure"),
        ),
    )

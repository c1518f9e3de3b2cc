"""Profiles: which there are, what each reads, writing one, and trying one on a real message before it is used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.gateways.profiles import Profile, ProfileError, Trial
from rhinecloud.gateways.unmapped import Group

from ..forms import fields
from ..shell import Shell
from ..sight import PermittedRoute, actor_of
from .json_lines import NotJson, line_of, lines, read
from .pages import done, printable, segment, to
from .payloads import as_text, written

PATH = "/profiles"
BLANK: dict[str, Any] = {
    "name": "",
    "title": {"de": "", "en": ""},
    "topics": ["city/{device}/measurement"],
    "entity": {"id": "urn:ngsi-ld:{type}:{device}", "type": "AirQualityObserved"},
    "observed_at": {"path": "$.time", "format": "rfc3339"},
    "attributes": [{"name": "temperature", "path": "$.temperature", "unit": "CEL"}],
}


class Wrong(msgspec.Struct, frozen=True):
    """What is wrong with a document, and at which line (from 1) with which content."""

    pointer: str
    text: str
    line: int
    content: str


def routes(shell: Shell) -> list[BaseRoute]:
    """`/profiles`, `/profiles/{name}` and their forms."""

    async def index(request: Request) -> Response:
        code = shell.renderer.of(request).code
        devices = {
            one.name: await shell.devices.registry.count_using(one.name) for one in shell.profiles.all()
        }
        return shell.renderer.page(
            request,
            "operations/profiles.html",
            profiles=[_shown(one, code) for one in shell.profiles.all()],
            devices=devices,
            done=done(request),
        )

    async def page(request: Request) -> Response:
        profile = _profile(shell, printable(request, "name"))
        return await _page(shell, request, profile)

    async def delete(request: Request) -> Response:
        profile = _profile(shell, printable(request, "name"))
        try:
            await shell.profiles.delete(profile.name, actor_of(request).id)
        except ProfileError as error:
            return await _page(shell, request, profile, [text for _, text in error.problems])
        return to(PATH, done="delete")

    async def blank(request: Request) -> Response:
        source = request.query_params.get("from")
        document = dict(_profile(shell, source).document) if source else BLANK
        if source:
            document = {**document, "name": f"{source}-2"}
        return await _editor(shell, request, _text(document))

    async def edit(request: Request) -> Response:
        profile = _profile(shell, printable(request, "name"))
        if profile.built_in:
            return to(f"{PATH}/~new", **{"from": profile.name})
        return await _editor(shell, request, _text(profile.document), name=profile.name)

    async def write(request: Request) -> Response:
        """Try what was written, or save it."""
        given = await fields(request)
        name = request.path_params.get("name")
        text = given.get("document", "")
        try:
            document = read(text)
        except NotJson as error:
            return await _editor(
                shell, request, text, name, given, wrong=[_at(text, error.line, "", str(error))]
            )
        if given.get("action") == "save":
            try:
                if not isinstance(document, dict):
                    raise ProfileError([("", "a profile is a JSON object")])
                saved = await shell.profiles.save(document, actor_of(request).id)
            except ProfileError as error:
                return await _editor(shell, request, text, name, given, wrong=_placed(text, error.problems))
            return to(f"{PATH}/{segment(saved.name)}", done="save")
        trial, wrong = _trial(shell, document, given, text)
        return await _editor(shell, request, text, name, given, wrong=wrong, trial=trial)

    async def trying(request: Request) -> Response:
        given = await _sample(shell, request)
        return _try_page(shell, request, given)

    async def try_(request: Request) -> Response:
        given = await fields(request)
        trial, wrong = _trial(shell, given.get("profile") or None, given, "")
        return _try_page(shell, request, given, trial, wrong)

    return [
        PermittedRoute(PATH, index, "profiles.see"),
        PermittedRoute(f"{PATH}/~new", blank, "profiles.manage"),
        PermittedRoute(f"{PATH}/~new", write, "profiles.manage", method="POST"),
        PermittedRoute(f"{PATH}/~try", trying, "profiles.see"),
        PermittedRoute(f"{PATH}/~try", try_, "profiles.see", method="POST"),
        PermittedRoute(f"{PATH}/{{name}}", page, "profiles.see"),
        PermittedRoute(f"{PATH}/{{name}}/delete", delete, "profiles.manage", method="POST"),
        PermittedRoute(f"{PATH}/{{name}}/edit", edit, "profiles.manage"),
        PermittedRoute(f"{PATH}/{{name}}/edit", write, "profiles.manage", method="POST"),
    ]


def _profile(shell: Shell, name: str) -> Profile:
    found = shell.profiles.get(name)
    if found is None:
        raise HTTPException(404)
    return found


def _shown(profile: Profile, code: str) -> dict[str, Any]:
    return {
        "name": profile.name,
        "title": profile.title.get(code) or profile.title.get("en") or profile.name,
        "description": profile.description.get(code) or profile.description.get("en") or "",
        "built_in": profile.built_in,
        "document": profile.document,
    }


async def _page(
    shell: Shell, request: Request, profile: Profile, problems: list[str] | None = None
) -> Response:
    return shell.renderer.page(
        request,
        "operations/profile.html",
        422 if problems else 200,
        profile=_shown(profile, shell.renderer.of(request).code),
        source=_text(profile.document),
        devices=await shell.devices.registry.count_using(profile.name),
        waiting=await waiting_for(shell, profile.name),
        problems=problems or [],
        done=done(request),
    )


async def waiting_for(shell: Shell, name: str) -> list[Group]:
    """Groups of kept messages whose topics a profile has."""
    found = []
    for group in await shell.unmapped.groups():
        if group.profile == name:
            found.append(group)
        elif not group.profile:
            newest = await shell.unmapped.get(group.newest_id)
            reader = shell.profiles.find(newest.topic) if newest is not None else None
            if reader is not None and reader[0].name == name:
                found.append(group)
    return found


async def _editor(
    shell: Shell,
    request: Request,
    text: str,
    name: str | None = None,
    given: dict[str, str] | None = None,
    wrong: list[Wrong] | None = None,
    trial: Trial | None = None,
) -> Response:
    return shell.renderer.page(
        request,
        "operations/profile_editor.html",
        422 if wrong and trial is None else 200,
        text=text,
        name=name,
        given=given if given is not None else await _sample(shell, request),
        wrong=wrong or [],
        trial=trial,
        results=_results(trial),
        saving=bool(given and given.get("action") == "save"),
    )


def _try_page(
    shell: Shell,
    request: Request,
    given: dict[str, str],
    trial: Trial | None = None,
    wrong: list[Wrong] | None = None,
) -> Response:
    code = shell.renderer.of(request).code
    names = [(one.name, f"{one.title.get(code) or one.name} ({one.name})") for one in shell.profiles.all()]
    return shell.renderer.page(
        request,
        "operations/profile_try.html",
        422 if wrong and trial is None else 200,
        given=given,
        profiles=names,
        wrong=wrong or [],
        trial=trial,
        results=_results(trial),
    )


async def _sample(shell: Shell, request: Request) -> dict[str, str]:
    """A message to try a profile on: a kept one, if the address names it."""
    number = request.query_params.get("message", "")
    given = {"profile": request.query_params.get("profile", "")}
    if number.isascii() and number.isdigit() and len(number) < 19:
        kept = await shell.unmapped.get(int(number))
        if kept is not None:
            text = as_text(kept.payload)
            given |= {
                "topic": kept.topic,
                "payload": kept.payload.hex(" ") if text is None else text,
                "form": "hex" if text is None else "text",
            }
    return given


def _trial(shell: Shell, document: Any, given: dict[str, str], text: str) -> tuple[Trial | None, list[Wrong]]:
    topic = given.get("topic", "").strip()
    try:
        payload = written(given.get("payload", ""), given.get("form", "text"))
    except ValueError as error:
        return None, [Wrong("payload", str(error), 0, "")]
    if not topic:
        return None, [Wrong("topic", "a topic is needed", 0, "")]
    if document is not None and not isinstance(document, (str, dict)):
        return None, _placed(text, [("", "a profile is a JSON object")])
    try:
        trial = shell.profiles.try_(document, topic, payload, datetime.now(UTC))
    except ProfileError as error:
        return None, _placed(text, error.problems)
    if trial.problems and trial.kind is None:  # the profile is to blame, not the message
        return None, _placed(text, trial.problems)
    return trial, _placed(text, trial.problems)


def _results(trial: Trial | None) -> list[str]:
    if trial is None:
        return []
    return [msgspec.json.format(msgspec.json.encode(one), indent=2).decode() for one in trial.entities]


def _placed(text: str, problems: list[tuple[str, str]]) -> list[Wrong]:
    try:
        found = lines(text)
    except (AssertionError, IndexError, ValueError):
        found = {}
    return [
        _at(text, line_of(found, pointer) if pointer and found else 0, pointer, what)
        for pointer, what in problems
    ]


def _at(text: str, line: int, pointer: str, what: str) -> Wrong:
    written_lines = text.splitlines()
    content = written_lines[line - 1].strip() if 0 < line <= len(written_lines) else ""
    if content in ("{", "["):  # alone it says nothing
        content = " ".join([content, *(one.strip() for one in written_lines[line : line + 2])])
    return Wrong(pointer, what, line, content[:200])


def _text(document: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()

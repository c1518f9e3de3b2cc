"""The demo's lighting engineer: works on the pages of the lighting app, as a person would by hand."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from rhinecloud.demo.night import Course, Step, main_street, side_street
from rhinecloud.demo.noticing import PATH, impatient
from rhinecloud.demo.roads import detectors, roads
from rhinecloud.demo.streets import Street

_ROOT = "/lighting"
_DIGEST = re.compile(r'name="digest" value="([^"]+)"')
_VERSION = re.compile(r'name="version" value="(\d+)"')
_NO_ROADS = "No roads were taken yet"
_KEPT = 303
_MISSING = 404


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of street: German and English name, and its night. The id of each page follows from the German name."""

    id: str
    german: str
    english: str
    reacts: bool
    course: Course


KINDS = (
    Kind("demo-hauptstrassen", "Demo: Hauptstraßen", "Demo: main streets", True, main_street),
    Kind("demo-querstrassen", "Demo: Querstraßen", "Demo: crossing streets", False, side_street),
)


class EngineerError(Exception):
    """A page does not take what the engineer enters; the text says which."""


class Engineer:
    """Works on the pages of one city."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._headers = {"Origin": str(http.base_url).rstrip("/")}

    async def plan(
        self, streets: Sequence[Street], nights: Mapping[str, Sequence[Step]], speed: float
    ) -> str:
        """Have the nights (by ids of KINDS) as the programs of the streets, whose names say that they are `speed` times
        as quick; says what was done, nothing if there are no such pages. What somebody else has changed and not applied
        is never applied. Raises EngineerError."""
        page = await self._http.get(f"{_ROOT}/plan")
        if page.status_code != 200:
            return ""
        pending = _DIGEST.search(page.text) is not None
        begun = await self._version("programs", KINDS[0].id) is not None
        for kind in KINDS:
            named = [street.name for street in streets if street.reacts == kind.reacts]
            if named:
                await self._program(kind, nights[kind.id], speed)
                await self._assigned(kind, named)
        if not begun:
            await self._notice_soon()
        if pending and begun:
            return "Somebody has changed the plan and not applied it: until then lamps keep the night that they have"
        return await self._apply()

    async def equip(self, streets: Sequence[Street]) -> str:
        """Have detectors on a few streets, and the roads by which they know which lamps stand ahead; says what was
        done, nothing if there are no such pages. Once: roads that the city has stay as they are. Raises EngineerError.
        """
        page = await self._http.get(f"{_ROOT}/demand", headers={"Accept-Language": "en"})
        those = detectors(streets)
        if page.status_code != 200 or _NO_ROADS not in page.text or not those:
            return ""
        answer = await self._http.post(f"/api{_ROOT}/demand/detectors", json=those, headers=self._headers)
        if answer.status_code != 200:
            raise EngineerError(f"{answer.url} is answered {answer.status_code}")
        # The roads last: where they are, everything is.
        drawn = ("demo.geojson", json.dumps(roads(streets)).encode(), "application/geo+json")
        await self._send("demand/roads", files={"file": drawn})
        named = " and ".join(sorted({one["street"] for one in those}))
        return f"Put up detectors for light on demand: {named}"

    async def _notice_soon(self) -> None:
        page = await self._http.get(f"{_ROOT}/{PATH}")
        if page.status_code == 200 and (form := impatient(page.text)):
            await self._send(PATH, form)

    async def _version(self, shelf: str, one: str) -> str | None:
        page = await self._http.get(f"{_ROOT}/{shelf}/{one}")
        if page.status_code == _MISSING:
            return None
        found = _VERSION.search(page.text)
        if page.status_code != 200 or found is None:
            raise EngineerError(f"{page.url} is answered {page.status_code}")
        return found[1]

    async def _program(self, kind: Kind, steps: Sequence[Step], speed: float) -> None:
        form = {
            "id": kind.id,
            "name_de": f"{kind.german}, Nacht der Demo-Uhr (×{speed:g})",
            "name_en": f"{kind.english}, night of the demo's clock (×{speed:g})",
            **{f"fixed-{index}-at": step.at for index, step in enumerate(steps)},
            **{f"fixed-{index}-level": str(step.level) for index, step in enumerate(steps)},
        }
        version = await self._version("programs", kind.id)
        if version is None:
            await self._send("programs/new", form)
        else:
            await self._send(f"programs/{kind.id}", {**form, "version": version})

    async def _assigned(self, kind: Kind, streets: Sequence[str]) -> None:
        names = {"name_de": kind.german, "name_en": kind.english}
        version = await self._version("groups", kind.id)
        group = {**names, "kind": "street", "streets": "\n".join(streets)}
        if version is None:
            await self._send("groups/new", group)
        if await self._version("calendars", kind.id) is None:
            await self._send("calendars", {**names, "default": kind.id})
            await self._send("plan/assign", {"action": "add", "group": kind.id, "calendar": kind.id})

    async def _apply(self) -> str:
        page = await self._http.get(f"{_ROOT}/plan")
        found = _DIGEST.search(page.text)
        if found is None:
            return "The lighting plan stays as it is"
        await self._send("plan/apply", {"digest": html.unescape(found[1]), "confirmed": "yes"})
        return "Planned the demo's night for all lamps, and applied it"

    async def _send(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
    ) -> None:
        answer = await self._http.post(f"{_ROOT}/{path}", data=form, files=files, headers=self._headers)
        if answer.status_code != _KEPT:
            raise EngineerError(f"{answer.url} is answered {answer.status_code}")

"""The host of the demo's opening event: prepares and steers it on the pages of the app, as any organiser does."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import httpx

from rhinecloud.demo.audience import numbers
from rhinecloud.demo.opening import GUESTS, LEAD, TITLE, WORD, polls

ROOT: Final = "/participation"
State = Literal["prepared", "open", "closed"]
_KEPT: Final = 303
_EVENT: Final = re.compile(r'/participation/events/(\d+)">([^<]*)<')
_POLL: Final = re.compile(r'/participation/polls/(\d+)">([^<]*)<')
_CODE: Final = re.compile(r"/participation/e/([A-Z0-9]{6})/stage")
_ONE: Final = re.compile(r'<li id="poll-(\d+)">(.*?)</li>', re.DOTALL)


class HostError(Exception):
    """A page does not take what the host enters; the text says which."""


@dataclass(frozen=True, slots=True)
class Hall:
    """The event: its number, its short code, the numbers of its polls in their order, and codes by kinds."""

    event: int
    code: str
    polls: tuple[int, ...]
    codes: Mapping[str, list[str]]


class Host:
    """Works on the pages of one city."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._headers = {"Origin": str(http.base_url).rstrip("/"), "Accept-Language": "de"}

    async def prepare(self, people: int) -> Hall | None:
        """The event with its polls and the codes of so many people and some guests; what is there already stays as it
        is. None if there are no such pages, or if they are not for who asks. Raises HostError."""
        page = await self._http.get(ROOT)
        if page.status_code != 200 or f"{ROOT}/events/new" not in page.text:
            return None
        found = [int(number) for number, title in _EVENT.findall(page.text) if html.unescape(title) == TITLE]
        event = found[-1] if found else await self._make(people)
        made = await self._polls(event)
        for poll in polls(people):
            if poll.title not in made:
                await self._send(f"events/{event}/polls/new?template={poll.template}", poll.fields)
        made = await self._polls(event)
        code = _CODE.search(await self._page(f"events/{event}"))
        if code is None:
            raise HostError("The page of the event does not lead to a stage")
        numbered = tuple(made[poll.title] for poll in polls(people))
        return Hall(event, code[1], numbered, await self._codes(event, people))

    async def states(self, hall: Hall) -> list[State]:
        """The states of its polls. Those of an event that is over are closed. Raises HostError."""
        page = await self._page(f"events/{hall.event}/remote")
        shown = {int(number): text for number, text in _ONE.findall(page)}
        return [_state(shown.get(poll, "")) for poll in hall.polls]

    async def steer(self, hall: Hall, action: str, poll: int | None = None) -> None:
        """What a button of the remote control does: open, close, show, welcome. Raises HostError."""
        given = {"action": action, "poll": "" if poll is None else str(poll)}
        await self._send(f"events/{hall.event}/remote", given)

    async def drawn(self, hall: Hall) -> bool:
        """Whether the places of the theme groups are published."""
        answer = await self._http.get(f"{ROOT}/e/{hall.code}/places/{hall.polls[0]}/tickets.txt")
        return answer.status_code == 200

    async def give_word(self, hall: Hall) -> None:
        """Enter the word that the hall calls out, unless one was. Raises HostError."""
        if 'name="word"' in await self._page(f"polls/{hall.polls[0]}/places"):
            await self._send(f"polls/{hall.polls[0]}/places/word", {"word": WORD})

    async def publish(self, hall: Hall) -> None:
        """Publish the places, as the lot gives them. Raises HostError."""
        await self._send(f"polls/{hall.polls[0]}/places/publish", {"way": "lot"})

    async def _make(self, people: int) -> int:
        about = {"title": TITLE, "admission": "invitation", "expected": str(people + GUESTS)}
        place = await self._send("events/new", {**about, "template": "empty"})
        event = re.search(r"/events/(\d+)", place)
        if event is None:
            raise HostError(f"A new event leads to {place}")
        await self._send(f"events/{event[1]}", {**about, "lead": LEAD})
        return int(event[1])

    async def _polls(self, event: int) -> dict[str, int]:
        page = await self._page(f"events/{event}")
        return {html.unescape(title): int(number) for number, title in _POLL.findall(page)}

    async def _codes(self, event: int, people: int) -> dict[str, list[str]]:
        found = await self._made(event)
        for kind, number in {**numbers(people), "person": GUESTS}.items():
            missing = number - len(found.get(kind, ()))
            if missing > 0:
                await self._send(f"events/{event}/invitations", {"count": str(missing), "kind": kind})
        return await self._made(event)

    async def _made(self, event: int) -> dict[str, list[str]]:
        text = (await self._page(f"events/{event}/invitations.csv")).lstrip("\ufeff")
        found: dict[str, list[str]] = {}
        for row in csv.DictReader(io.StringIO(text), delimiter=";"):
            found.setdefault(row["kind"], []).append(row["code"])
        return found

    async def _page(self, path: str) -> str:
        answer = await self._http.get(f"{ROOT}/{path}", headers=self._headers)
        if answer.status_code != 200:
            raise HostError(f"{answer.url} is answered {answer.status_code}")
        return answer.text

    async def _send(self, path: str, form: Mapping[str, str]) -> str:
        answer = await self._http.post(f"{ROOT}/{path}", data=dict(form), headers=self._headers)
        if answer.status_code != _KEPT:
            raise HostError(f"{answer.url} is answered {answer.status_code}")
        return answer.headers["location"]


def _state(buttons: str) -> State:
    if 'value="open"' in buttons:
        return "prepared"
    return "open" if "?close=" in buttons else "closed"

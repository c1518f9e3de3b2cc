"""The demo's opening event, live: 150 people vote with their phones, and the host leads them through it.

One can watch the stage, and vote with a code of one's own. What was done stays done: after a restart the event goes on
where it was, and one that is over is left alone.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpx

from rhinecloud.demo.audience import Person, audience
from rhinecloud.demo.door import Door
from rhinecloud.demo.hosting import ROOT, Hall, Host, HostError
from rhinecloud.demo.opening import TITLE, WORD

_TRIES: Final = 6  # after what the city does not answer
_PAUSE: Final = 10.0  # seconds
_AGAIN: Final = (429, 502, 503, 504)
# Parts of the time for which the theme groups are open.
_WELCOME: Final = 1 / 5
_BREATH: Final = 1 / 15
_SHORT: Final = 1 / 3
_OPTION: Final = re.compile(r'<option value="(\d+)"[^>]*>([^<]*)<')

Say = Callable[[str], None]
Wishes = Callable[[Person, str, bool], Mapping[str, str]]


async def hold(url: str, people: int, seconds: float, say: Say, phones: str = "") -> None:
    """Hold the event in the city at `url`, its first poll open for `seconds`; says what happens. `phones`: HOST:PORT of
    a door for phones of the network. What the city does not take is said, and ends it."""
    door = Door(url, phones) if phones else None
    try:
        await _hold(url, people, seconds, say, door)
        if door is not None:
            await asyncio.Event().wait()  # who came looks at places and results
    except OSError as error:
        say(f"Phones cannot come in at {phones}: {error}")
    finally:
        if door is not None:
            await door.close()


async def _hold(url: str, people: int, seconds: float, say: Say, door: Door | None) -> None:
    # Each phone shows its own pass.
    nobody = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    async with httpx.AsyncClient(base_url=url, timeout=30, cookies=nobody) as http:
        for _ in range(_TRIES):
            try:
                await _Show(http, people, seconds, say, door).run()
                return
            except httpx.TransportError:
                await asyncio.sleep(_PAUSE)  # the city starts again, say
            except HostError as error:
                say(f"The live vote ends here: {error}")
                return
        say("The live vote ends here: the city does not answer")


class _Show:
    def __init__(
        self, http: httpx.AsyncClient, people: int, seconds: float, say: Say, door: Door | None
    ) -> None:
        self._http, self._seconds, self._say, self._door = http, seconds, say, door
        self._host = Host(http)
        self._people = audience(people)
        self._headers = {"Origin": str(http.base_url).rstrip("/")}

    async def run(self) -> None:
        hall = await self._host.prepare(len(self._people))
        if hall is None:
            return
        cards = hall.codes.get("person", [])
        city = str(self._http.base_url).rstrip("/")
        if self._door is not None:
            city = await self._door.open(hall.code, cards[1:])
        here = f"{city}{ROOT}/e/{hall.code}"
        states = await self._host.states(hall)
        if set(states) == {"closed"} and await self._host.drawn(hall):
            self._say(f"The live vote was held before: {here}/results")
            return
        self._say(f'Live vote "{TITLE}", to watch: {here}/stage')
        if cards:
            self._say(f"Vote yourself, with a phone or in another window: {here}/join?code={cards[0]}")
        if self._door is not None:
            self._say(f"Phones of this network come in by the QR code of the stage, or at {city}")
        if states[0] == "prepared":
            await self._host.steer(hall, "welcome")
            await self._rest(_WELCOME)
        await self._vote(hall, 0, self._seconds, _wishes)
        if not await self._host.drawn(hall):
            await self._rest(_BREATH)
            await self._host.give_word(hall)
            self._say(f'Live vote: the hall calls out "{WORD}", and the places are drawn')
            await self._rest(_BREATH)
            await self._host.publish(hall)
            self._say(f"Live vote: everybody has their place: {here}/places/{hall.polls[0]}")
            await self._rest(_WELCOME)
        await self._vote(hall, 1, self._seconds * _SHORT, _words)
        await self._vote(hall, 2, self._seconds * _SHORT, _step)
        await self._rest(_BREATH)
        await self._host.steer(hall, "show", hall.polls[0])
        self._say(f"Live vote: all polls are closed; results: {here}/results")

    async def _rest(self, part: float) -> None:
        await asyncio.sleep(self._seconds * part)

    async def _vote(self, hall: Hall, which: int, seconds: float, entered: Wishes) -> None:
        """Open a poll, let everybody vote, close it. Somebody else may do so, too, on their remote control."""
        states = await self._host.states(hall)
        if states[which] == "closed":
            return
        poll = hall.polls[which]
        await self._host.steer(hall, "open" if states[which] == "prepared" else "show", poll)
        minutes = f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
        self._say(f"Live vote: poll {which + 1} of {len(hall.polls)} is open for {minutes}")
        codes = {kind: iter(some) for kind, some in hall.codes.items()}
        phones: list[Awaitable[None]] = [
            self._phone(hall, code, person, poll, seconds, entered)
            for person in self._people
            if (code := next(codes.get(person.kind, iter(())), None)) is not None
        ]
        await asyncio.gather(asyncio.sleep(seconds), *phones)
        if (await self._host.states(hall))[which] == "open":
            await self._host.steer(hall, "close", poll)

    async def _phone(
        self, hall: Hall, code: str, person: Person, poll: int, seconds: float, entered: Wishes
    ) -> None:
        """Somebody scans their code, looks, votes, and perhaps changes their mind."""
        await asyncio.sleep(seconds * person.arrives)
        came = await self._answered("GET", f"{ROOT}/e/{hall.code}/join", params={"code": code, "sure": "1"})
        pass_ = came.headers.get("set-cookie", "").partition(";")[0] if came is not None else ""
        shown = {"Cookie": pass_, **self._headers}
        page = await self._answered("GET", f"{ROOT}/e/{hall.code}", headers=shown) if pass_ else None
        if page is None or f'name="poll" value="{poll}"' not in page.text:
            return  # somebody shows or closed something
        form = {"poll": str(poll), **entered(person, page.text, False)}
        await self._answered("POST", f"{ROOT}/e/{hall.code}/vote", data=form, headers=shown)
        if person.changes is not None:
            await asyncio.sleep(seconds * (person.changes - person.arrives))
            form = {"poll": str(poll), **entered(person, page.text, True)}
            await self._answered("POST", f"{ROOT}/e/{hall.code}/vote", data=form, headers=shown)

    async def _answered(self, method: str, path: str, **given: Any) -> httpx.Response | None:
        """An answer; a phone that is not served sends again, and gives up in the end."""
        for attempt in range(_TRIES):
            try:
                answer = await self._http.request(method, path, **given)
                if answer.status_code not in _AGAIN:
                    return answer
            except httpx.TransportError:
                pass
            await asyncio.sleep(2**attempt / 4)
        return None


def _wishes(person: Person, page: str, again: bool) -> dict[str, str]:
    """The theme groups, as the lists of the form number them."""
    numbers = list(dict.fromkeys(number for number, _ in _OPTION.findall(page)))
    wishes = person.second if again else person.wishes
    return {f"wish-{rank}": numbers[wish] for rank, wish in enumerate(wishes, 1)}


def _words(person: Person, page: str, again: bool) -> dict[str, str]:
    return {f"word-{place}": word for place, word in enumerate(person.words, 1)}


def _step(person: Person, page: str, again: bool) -> dict[str, str]:
    return {"value": str(max(1, person.step - again))}

"""The app as the house sees it. Its endpoints let a test do from outside what an app does inside."""

from __future__ import annotations

import ssl
from argparse import ArgumentParser, Namespace
from typing import Any

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rhinecloud.app import App, Command, Endpoint, Layer, Page, Rule, State, Task, View
from rhinecloud.city import EVERYTHING, City, Forbidden, Operation, Sight
from rhinecloud.model import CORE, parse_entity
from rhinecloud.people import PUBLIC

TYPE = "Lantern"
LEVEL = CORE.expand_term("level")
FIRST = "urn:ngsi-ld:Lantern:00000"


async def _follow(city: City) -> None:
    async for changes in city.watch("levels", TYPE):
        rows = [
            (
                change.id,
                change.entity_id,
                _value(change.old),
                None if change.entity is None else _value(change.entity.attributes),
            )
            for change in changes
        ]
        async with city.db.transaction() as connection:
            await connection.copy_records_to_table(
                "seen", records=rows, columns=["change", "lantern", "before", "after"]
            )
        await city.refresh(f"/level/{FIRST}")


def _value(attributes: Any) -> int | None:
    instances = attributes.get(LEVEL)
    return instances[0]["value"] if instances else None


async def _light(city: City, request: Request) -> Response:
    """{"number": …, "level": …}: so many lanterns are given a level, at once."""
    asked = await request.json()
    verdicts = await city.broker.apply(
        [
            Operation.of("upsert", parse_entity(lantern(n, asked["level"]), CORE))
            for n in range(asked["number"])
        ]
    )
    return JSONResponse(len([one for one in verdicts if not isinstance(one, Exception)]))


def lantern(number: int, level: int) -> dict[str, Any]:
    """A lantern, as a document."""
    place = [6.7 + number % 250 * 0.0004, 51.4 + number // 250 * 0.0003]
    return {
        "id": f"urn:ngsi-ld:Lantern:{number:05}",
        "type": TYPE,
        "level": level,
        "location": {"type": "Point", "coordinates": place},
    }


async def _read(city: City, request: Request) -> list[int]:
    """How many lanterns there are, in how many lists, and the sum of their levels."""
    lists = [some async for some in city.values(TYPE, "level", "never")]
    values = [values for some in lists for _, values in some]
    assert all(never is None for _, never in values)
    return [len(values), len(lists), sum(level for level, _ in values)]


async def _want(city: City, request: Request) -> Response:
    asked = await request.json()
    async with city.transaction() as transaction:
        for device in sorted(asked["devices"]):
            await city.devices.want(transaction, device, asked["set"])
        if asked.get("fail"):
            raise Forbidden("as if something went wrong: nothing is wanted")
    return Response(status_code=204)


async def _wanted(city: City, request: Request) -> Response:
    found = await city.devices.wanted(request.query_params["devices"].split(","))
    return JSONResponse({device: [one.state, one.version] for device, one in found.items()})


async def _alarm(city: City, request: Request) -> Response:
    device = request.path_params["device"]
    if request.method == "DELETE":
        return JSONResponse(await city.devices.clear_alarm(device, "burns_by_day"))
    await city.devices.raise_alarm(device, "burns_by_day", {"level": 100})
    return JSONResponse(True)


async def _machine(city: City, request: Request) -> Response:
    """For gateways, which show what this app gave them."""
    if request.headers.get("authorization") != "Bearer of-gateway-7":
        return Response(status_code=401)
    city.people.recognise(request)
    return JSONResponse({"gateway": 7, "body": await request.json()})


async def _call(city: City, request: Request) -> Response:
    """Call an address; with `certificate` and `authority` as files on both sides."""
    asked = await request.json()
    tls = None
    if "certificate" in asked:
        tls = ssl.create_default_context(cafile=asked["authority"])
        tls.load_cert_chain(asked["certificate"])
    async with city.client(tls) as client:
        try:
            return JSONResponse((await client.get(asked["url"])).text)
        except Forbidden as error:
            return JSONResponse(f"forbidden: {error}")
        except httpx.TransportError as error:
            return JSONResponse(f"failed: {type(error).__name__}")


async def _page(city: City, request: Request) -> Response:
    return city.render(request, "lanterns.html", first=FIRST, level=await _last(city, FIRST))


async def _show(city: City, sight: Sight, language: str, lantern: str) -> str:
    return city.part("level.html", language, level=await _last(city, lantern))


async def _last(city: City, lantern: str) -> Any:
    last = "SELECT after FROM seen WHERE lantern = $1 ORDER BY number DESC LIMIT 1"
    return await city.db.pool.fetchval(last, lantern)


async def _guess(city: City, request: Request) -> Response:
    """Three guesses of an address at once, and hardly any afterwards."""
    return JSONResponse(city.people.limit(request, "guesses", 3, 0.001))


async def _count(city: City, arguments: Namespace) -> int:
    number = sum([len(some) async for some in city.values(TYPE, sight=EVERYTHING)])
    async with city.transaction() as transaction:
        await transaction.upsert({"id": "urn:ngsi-ld:Lantern:counted", "type": TYPE, "level": number})
        await transaction.audit("lanterns", "lanterns.count", "all")
    print(f"{arguments.greeting}: {number} lanterns in {city.name}")
    return 3 if arguments.fail else 0


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("greeting")
    parser.add_argument("--fail", action="store_true")


def _simulate(arguments: Namespace) -> None:
    print(msgspec.json.encode({"simulated": True}).decode())


app = App(
    name="lanterns",
    package=__package__,
    title=("Laternen", "Lanterns"),
    pages=(Page("", _page, PUBLIC.name),),
    endpoints=(
        Endpoint("/light", _light, PUBLIC.name, "POST"),
        Endpoint("/read", _read, PUBLIC.name),
        Endpoint("/want", _want, PUBLIC.name, "POST"),
        Endpoint("/wanted", _wanted, PUBLIC.name),
        Endpoint("/alarms/{device}", _alarm, PUBLIC.name, "PUT"),
        Endpoint("/alarms/{device}", _alarm, PUBLIC.name, "DELETE"),
        Endpoint("/talq/{path:path}", _machine, PUBLIC.name, "POST", own_secret=True),
        Endpoint("/guess", _guess, PUBLIC.name),
        Endpoint("/call", _call, PUBLIC.name, "POST"),
    ),
    tasks=(Task("follow", _follow),),
    views=(View("/level/{lantern}", _show, PUBLIC.name),),
    layers=(
        Layer(
            TYPE,
            ("Laternen", "Lanterns"),
            (
                State("lit", ("an", "lit"), "disc", "#c96a00", "#ffd24d", rules=(Rule("level", least=1),)),
                State("dark", ("aus", "dark"), "ring", "#4a6385", "#8fa6c9"),
            ),
        ),
    ),
    commands=(
        Command("count", "count the lanterns", _count, _add),
        Command("simulate", "pretend to be a gateway", _simulate, alone=True),
    ),
)

"""What the CMS answers a gateway that is wrong, impatient or hostile: in clear words, and nobody else minds."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest

from rhinecloud.apps.lighting.talq.gateway.holdings import Holdings, Lamp
from rhinecloud.apps.lighting.talq.gateway.luminaires import device_class
from rhinecloud.apps.lighting.talq.manifest import OPERATIONS
from tests.conftest import Server

from .definitions import Definitions, needed
from .field import LAMP, Office, until
from .line import Line

pytestmark = needed


class Peer:
    """A gateway that says whatever a test wants."""

    def __init__(self, line: Line, key: str, name: str, lamps: list[str]) -> None:
        self.holdings = Holdings(name, [Lamp(one, 6.76, 51.43) for one in lamps])
        self.holdings.uri = f"{line.gateway}/{name}/"
        self.holdings.cms_uri = f"{line.cms}/"
        self.http = httpx.Client(base_url=line.cms, timeout=60)
        self.key = key

    def say(self, method: str, path: str, content: Any = None, **changes: Any) -> httpx.Response:
        """A request. `changes`: headers, query (None leaves it out), raw (a body)."""
        query = {
            "clientAddress": str(self.holdings.address),
            "talqRequestId": str(uuid4()),
            **changes.get("query", {}),
        }
        headers = {
            "talq-api-version": "2.7.1",
            "authorization": f"Bearer {self.key}",
            **({} if content is None and "raw" not in changes else {"content-type": "application/json"}),
            **changes.get("headers", {}),
        }
        body = changes.get("raw", None if content is None else msgspec.json.encode(content))
        return self.http.request(
            method,
            path,
            params={name: one for name, one in query.items() if one is not None},
            headers={name: one for name, one in headers.items() if one is not None},
            content=body,
        )

    def announce(self) -> httpx.Response:
        """The first request of the bootstrap."""
        self.holdings.forget()
        answered = self.say("POST", "/devices", [self.holdings.itself()], query={"clientAddress": None})
        if answered.status_code == 201:
            (itself,) = answered.json()
            self.holdings.address = UUID(itself["address"])
        return answered

    def introduce(self, only: int | None = None) -> None:
        """The whole bootstrap, and all devices, or so many."""
        steps = [
            self.announce(),
            self.say("POST", "/device-classes", [self.holdings.gateway_class()]),
            self.say("PATCH", f"/devices/{self.holdings.address}", self.holdings.itself()),
            self.say("POST", "/services", self.holdings.services()),
            self.say("POST", "/device-classes", [device_class()]),
            self.say("POST", "/devices", self.devices()[:only]),
        ]
        assert [one.status_code for one in steps] == [201, 201, 200, 201, 201, 201], [
            one.text for one in steps
        ]

    def devices(self) -> list[Any]:
        """Its luminaires."""
        return [one for one in self.holdings.devices() if one.address != self.holdings.address]

    def first(self) -> UUID:
        """The address of one of them."""
        return next(iter(self.holdings.luminaires))

    def entry(
        self, name: str, value: Any, kind: str, function: str, at: datetime, source: str = ""
    ) -> dict[str, Any]:
        """An entry of a report."""
        said = {"type": kind, "value": value, "timestamp": at.isoformat()}
        data = {
            "type": "AttributeLogData",
            "srcAddress": source or f"{self.first()}/{function}",
            "attributeName": name,
            "attributeValue": said,
        }
        return {"data": data}

    def power(self, watts: float, at: datetime, source: str = "") -> dict[str, Any]:
        """An entry of the power of its first lamp."""
        return self.entry("activePower", watts, "AttributeFloat", "monitor", at, source)


@pytest.fixture
def peer(office: Office, line: Line, request: pytest.FixtureRequest) -> Iterator[Peer]:
    """One that was admitted, with a lamp of the city."""
    name = f"P{uuid4().hex[:6]}"
    office.lamps(f"{name}-1", f"{name}-2")
    found = Peer(line, office.admit(name), name, [f"{name}-1", f"{name}-2"])
    yield found
    found.http.close()


def keys(answered: httpx.Response) -> list[str]:
    return [one["key"] for one in answered.json()]


def now() -> datetime:
    return datetime.now(UTC)


def test_the_lighting_profile_is_there(definitions: Definitions) -> None:
    offered = {(one.method, one.path) for one in OPERATIONS}
    assert offered == definitions.mandatory("cms") and len(offered) == 17


def test_who_shows_no_key_is_nobody(city: Server, peer: Peer, line: Line) -> None:
    for headers in (
        {"authorization": None},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic eA=="},
    ):
        assert peer.say("POST", "/devices", [], headers=headers).status_code == 401
    keyed = httpx.post(
        f"{line.cms_target}/key/{peer.key}/devices",
        params={"talqRequestId": str(uuid4())},
        json=[],
        headers={"talq-api-version": "2.7.1"},
    )
    assert (keyed.status_code, keys(keyed)) == (400, ["payloadError"])


def test_the_bootstrap_has_an_order(city: Server, peer: Peer, line: Line) -> None:
    early = peer.say("POST", "/services", [], query={"clientAddress": str(uuid4())})
    assert (early.status_code, keys(early)) == (400, ["parameterValueNotValid"])
    assert (
        peer.say(
            "GET", "/devices", query={"clientAddress": "00000000-0000-0000-0000-000000000000"}
        ).status_code
        == 403
    )
    itself = peer.holdings.itself()
    named = msgspec.structs.replace(itself, address=uuid4())
    assert peer.say("POST", "/devices", [named], query={"clientAddress": None}).status_code == 400
    assert peer.announce().status_code == 201
    for method, path, content in (
        ("GET", "/devices", None),
        ("POST", "/services", []),
        ("POST", "/log-reports", {}),
        ("PATCH", f"/devices/{peer.holdings.address}", peer.holdings.itself()),
    ):
        assert peer.say(method, path, content).status_code == 403, path
    assert peer.say("POST", "/device-classes", [peer.holdings.gateway_class()]).status_code == 201
    assert peer.say("POST", "/services", peer.holdings.services()).status_code == 403
    assert peer.say("PATCH", f"/devices/{peer.holdings.address}", peer.holdings.itself()).status_code == 200
    assert peer.say("POST", "/services", peer.holdings.services()).status_code == 201
    assert peer.say("POST", "/devices", peer.devices()).status_code == 403
    assert peer.say("POST", "/device-classes", [device_class()]).status_code == 201
    assert peer.say("POST", "/devices", peer.devices()).status_code == 201
    # Anew: another address, and nothing is known any more.
    before = peer.holdings.address
    assert peer.announce().status_code == 201
    assert peer.holdings.address != before
    assert peer.say("GET", "/devices").status_code == 403
    assert line.wrong == []


def test_headers_and_parameters_are_asked_for(city: Server, peer: Peer) -> None:
    peer.introduce()
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"headers": {"talq-api-version": None}}, 400, "headerMissing"),
        ({"headers": {"talq-api-version": "3.0.0"}}, 400, "headerValueNotValid"),
        ({"query": {"clientAddress": None}}, 400, "parameterMissing"),
        ({"query": {"clientAddress": "me"}}, 400, "parameterValueNotValid"),
        ({"query": {"clientAddress": str(uuid4())}}, 400, "parameterValueNotValid"),
        ({"query": {"offset": "x"}}, 400, "parameterValueNotValid"),
    ]
    for changes, status, key in cases:
        answered = peer.say("GET", "/devices", **changes)
        assert (answered.status_code, keys(answered)) == (status, [key]), changes
    missing = peer.say("POST", "/devices", [], query={"talqRequestId": None})
    assert (missing.status_code, keys(missing)) == (400, ["parameterMissing"])
    assert peer.say("GET", "/devices", headers={"talq-api-version": "2.6.1"}).status_code == 200


def test_bodies_may_be_packed_and_may_not_explode(city: Server, peer: Peer, line: Line) -> None:
    peer.introduce()
    report = json.dumps({"address": "x", "entries": []}).encode()
    for encoding, body in (("gzip", gzip.compress(report)), ("deflate", zlib.compress(report))):
        assert (
            peer.say("POST", "/log-reports", raw=body, headers={"content-encoding": encoding}).status_code
            == 201
        )
    direct = httpx.Client(base_url=line.cms_target, timeout=60)
    with direct:
        peer.http.close()
        peer.http = direct
        for body, encoding, status in (
            (gzip.compress(b" " * 40_000_000), "gzip", 413),
            (b"nonsense", "gzip", 400),
            (gzip.compress(report)[:-9], "gzip", 400),
            (report, "br", 415),
            (b"{", "identity", 400),
            (b"\xff\xfe", "identity", 400),
        ):
            answered = peer.say("POST", "/log-reports", raw=body, headers={"content-encoding": encoding})
            assert answered.status_code == status, (encoding, answered.text)
    assert line.wrong == []


def test_a_list_is_taken_whole_or_not_at_all(city: Server, peer: Peer, line: Line) -> None:
    peer.introduce()
    one, other = peer.devices()
    unknown = msgspec.structs.replace(one, address=uuid4())
    renamed = msgspec.structs.replace(one, name="another")
    refused = peer.say("PUT", "/devices", [renamed, unknown])
    assert (refused.status_code, keys(refused)) == (404, ["resourceNotFound"])
    assert peer.say("GET", f"/devices/{one.address}").json()["name"] == one.name
    again = peer.say("POST", "/devices", [renamed, other])  # its answer may have got lost
    assert again.status_code == 201, again.text
    assert peer.say("GET", f"/devices/{one.address}").json()["name"] == "another"
    assert len(peer.say("GET", "/devices").json()) == 3
    strange = msgspec.structs.replace(unknown, class_="Toaster")
    assert (peer.say("POST", "/devices", [strange]).status_code) == 422
    bad = msgspec.structs.replace(
        unknown, functions=[{"id": "lamp", "type": "LampActuatorFunction", "calendarID": 7}]
    )
    assert keys(peer.say("POST", "/devices", [bad])) == ["payloadError"]
    shrunk = msgspec.structs.replace(device_class(), functions=device_class().functions[:2])
    assert peer.say("PUT", "/device-classes", [shrunk]).status_code == 422
    assert peer.say("DELETE", "/device-classes/Luminaire").status_code == 422
    assert peer.say("PUT", "/device-classes/Luminaire", device_class()).status_code == 200
    assert line.wrong == []


def test_devices_are_read_and_changed_in_parts(city: Server, peer: Peer, line: Line) -> None:
    peer.introduce()
    one = peer.devices()[0]
    at = f"/devices/{one.address}"
    assert peer.say("PUT", at, msgspec.structs.replace(one, name="new")).json()["name"] == "new"
    change = {"address": str(one.address), "name": "newer", "class": "Luminaire", "functions": []}
    assert peer.say("PATCH", "/devices", [change]).status_code == 200
    assert peer.say("PATCH", at, change).status_code == 200
    assert peer.say("GET", at).json()["name"] == "newer"
    assert peer.say("GET", f"{at}/basic").json()["type"] == "BasicFunction"
    assert peer.say("GET", f"{at}/basic/assetId").json()["value"] == one.functions[0]["assetId"]["value"]
    for missing in (f"{at}/nothing", f"{at}/basic/nothing", f"/devices/{uuid4()}", "/logger-configs/none"):
        assert peer.say("GET", missing).status_code == 404
    assert peer.say("PUT", "/devices", [one]).status_code == 200
    assert peer.say("DELETE", at).status_code == 200
    assert peer.say("DELETE", at).status_code == 404
    extra = {"name": "Extra", "functions": []}
    assert peer.say("POST", "/device-classes", [extra]).status_code == 201
    assert peer.say("DELETE", "/device-classes/Extra").json() == extra
    assert line.wrong == []


def test_what_belongs_to_another_gateway_is_not_there_and_told_to_people(
    city: Server, office: Office, peer: Peer, line: Line, request: pytest.FixtureRequest
) -> None:
    peer.introduce()
    office.lamps("thief-1")
    thief = Peer(line, office.admit("Thief"), "thief", ["thief-1"])
    request.addfinalizer(thief.http.close)
    thief.introduce()
    victim = peer.devices()[0]
    assert thief.say("GET", f"/devices/{victim.address}").status_code == 404
    assert thief.say("PATCH", f"/devices/{victim.address}", victim).status_code == 404
    assert thief.say("DELETE", f"/devices/{victim.address}").status_code == 404
    unseen = msgspec.structs.replace(victim, address=uuid4())
    taken = thief.say("POST", "/devices", [unseen, victim])
    assert (taken.status_code, keys(taken)) == (409, ["resourceConflict"])
    assert thief.say("GET", f"/devices/{unseen.address}").status_code == 404
    assert (
        thief.say("GET", "/devices", query={"clientAddress": str(peer.holdings.address)}).status_code == 400
    )
    assert "lighting.gateway_foreign_device" in office.alarms()
    # A lamp that another gateway has stays where it is.
    name = victim.functions[0]["assetId"]["value"]
    until(lambda: "2 / 2" in office.http.get("/lighting/gateways").text, "the lamps are not known")
    mine = msgspec.structs.replace(victim, address=uuid4())
    assert thief.say("POST", "/devices", [mine]).status_code == 201
    until(lambda: "lighting.gateway_claims_lamp" in office.alarms(), "nobody was told")
    entry = thief.power(7.0, now(), f"{mine.address}/monitor")
    assert thief.say("POST", "/log-reports", {"entries": [entry]}).status_code == 201
    assert office.lamp(name).get("powerConsumption") != 7.0
    assert line.wrong == []


async def test_what_comes_while_others_are_put_into_their_lamps_is_put_there_too(
    city: Server, office: Office, line: Line, request: pytest.FixtureRequest
) -> None:
    name = f"W{uuid4().hex[:6]}"
    names = [f"{name}-{number}" for number in range(3)]
    peer = Peer(line, office.admit(name), name, names)
    request.addfinalizer(peer.http.close)
    peer.introduce(only=1)  # its lamp is not there yet
    first, second, third = peer.devices()
    put = "SELECT count(*) FROM app_lighting.talq_device WHERE lamp = ANY($1)"
    held = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%talq_device%'"
    )
    connection = await asyncpg.connect(city.database_url)
    try:
        async with asyncio.timeout(180):
            async with connection.transaction():
                await connection.execute(
                    "SELECT FROM app_lighting.talq_device WHERE address = $1 FOR UPDATE", first.address
                )
                office.lamps(*names)
                assert peer.say("POST", "/devices", [second]).status_code == 201
                while not await connection.fetchval(held):
                    await connection.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees it once
                    await asyncio.sleep(0.05)
                assert peer.say("POST", "/devices", [third]).status_code == 201
            while await connection.fetchval(put, [LAMP + name for name in names]) < 3:
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
    assert "lighting.gateway_claims_lamp" not in office.alarms(peer.holdings.name)


async def test_reports_wait_while_many_gateways_are_told(city: Server, peer: Peer, line: Line) -> None:
    peer.introduce()
    report = {"entries": [peer.power(41.0, now())]}
    connection = await asyncpg.connect(city.database_url)
    try:
        await connection.execute("SET search_path = app_lighting")
        await connection.execute(
            "WITH told AS (INSERT INTO talq_gateway (name, key_hash, admitted_by, stage) "
            "SELECT 'many ' || n, decode(md5('many ' || n), 'hex'), 'test', 'ready' FROM generate_series(1, 20) AS n "
            "RETURNING number) INSERT INTO talq_plan (gateway, version, body, state, actor, asked_at, due_at, next_at) "
            "SELECT number, 1, '{}', 'asked', 'test', now(), now(), now() + interval '1 hour' FROM told"
        )
        async with asyncio.timeout(180):
            while (later := peer.say("POST", "/log-reports", report)).status_code != 429:
                await asyncio.sleep(0.2)
            assert int(later.headers["retry-after"]) > 0
            # Not for ever: what is told for longer than two minutes holds up nobody.
            await connection.execute("UPDATE talq_plan SET asked_at = asked_at - interval '2 minutes'")
            while peer.say("POST", "/log-reports", report).status_code != 201:
                await asyncio.sleep(0.2)
    finally:
        await connection.execute("DELETE FROM talq_gateway WHERE name LIKE 'many %'")
        await connection.close()
    assert line.wrong == []


def test_a_liar_is_not_believed_and_others_are(city: Server, office: Office, peer: Peer, line: Line) -> None:
    peer.introduce()
    name = peer.holdings.luminaires[peer.first()].asset
    until(lambda: "powerConsumption" in office.lamp(name), "nothing was told of the lamp")
    moment = now()
    entries = [
        peer.power(1e9, moment),
        peer.power(44.0, moment + timedelta(days=2)),
        peer.power(45.0, moment - timedelta(days=4000)),
        peer.power(46.0, moment, f"{uuid4()}/monitor"),
        peer.power(47.0, moment, f"{peer.first()}/nothing"),
        peer.power(48.0, moment, "nonsense"),
        peer.entry("activePower", "much", "AttributeFloat", "monitor", moment),
        peer.power(33.0, moment),
    ]
    valid = [one for one in entries if one["data"]["attributeValue"]["value"] not in (48.0, "much")]
    assert peer.say("POST", "/log-reports", {"address": "x", "entries": valid}).status_code == 201
    direct = httpx.Client(base_url=line.cms_target, timeout=60)
    peer.http.close()
    peer.http = direct
    assert peer.say("POST", "/log-reports", {"address": "x", "entries": entries}).status_code == 201
    assert office.lamp(name)["powerConsumption"] == 33.0
    assert "lighting.gateway_doubtful" in office.alarms()
    page = office.http.get("/lighting/gateways").text
    number = page.rpartition(f">{peer.holdings.name}<")[0].rpartition("/gateways/")[2].partition('"')[0]
    told = office.http.get(f"/lighting/gateways/{number}").text
    for reason in (
        "is not between",
        "is in the future",
        "days ago",
        "no device",
        "no function",
        "no address",
    ):
        assert reason in told, reason


def test_who_repeats_changes_nothing_and_who_comes_late_loses_nothing(
    city: Server, office: Office, peer: Peer, line: Line
) -> None:
    peer.introduce()
    name = peer.holdings.luminaires[peer.first()].asset
    until(lambda: "powerConsumption" in office.lamp(name), "nothing was told of the lamp")
    start = now() - timedelta(minutes=30)
    report = {
        "address": "x",
        "entries": [peer.power(20.0 + n, start + timedelta(minutes=n)) for n in range(25)],
    }
    newest = {"address": "x", "entries": [peer.power(11.0, now())]}
    for one in (newest, report, report, newest, report):
        assert peer.say("POST", "/log-reports", one).status_code == 201
    assert office.lamp(name)["powerConsumption"] == 11.0
    history = office.http.get(
        f"/ngsi-ld/v1/temporal/entities/urn:ngsi-ld:Streetlight:{name}",
        params={"attrs": "powerConsumption", "options": "temporalValues"},
    ).json()["powerConsumption"]["values"]
    assert [value for value, _ in sorted(history, key=lambda pair: pair[1]) if 20 <= value < 45] == [
        20.0 + n for n in range(25)
    ]
    assert line.wrong == []


def test_a_billion_is_refused_and_not_suffered(city: Server, office: Office, peer: Peer, line: Line) -> None:
    peer.introduce()
    peer.http.close()
    peer.http = httpx.Client(
        base_url=line.cms_target, timeout=60
    )  # who listens on the line would take minutes for it
    moment = now()
    many = {"address": "x", "entries": [peer.power(1.0, moment)] * 50_001}
    refused = peer.say("POST", "/log-reports", many)
    assert (refused.status_code, keys(refused)) == (400, ["payloadError"])
    fifty = {"address": "x", "entries": [peer.power(1.0, moment)] * 50_000}
    packed = gzip.compress(json.dumps(fifty).encode())
    status = set()
    for _ in range(12):
        answered = peer.say("POST", "/log-reports", raw=packed, headers={"content-encoding": "gzip"})
        status.add(answered.status_code)
        if answered.status_code == 429:
            assert int(answered.headers["retry-after"]) >= 1
            break
    assert 429 in status
    assert "lighting.gateway_floods" in office.alarms()


def test_a_dark_night_is_refused_unless_it_is_confirmed(
    city: Server, office: Office, peer: Peer, tmp_path: Path
) -> None:
    peer.introduce()
    names = [one.asset for one in peer.holdings.luminaires.values()]
    until(
        lambda: f"{peer.holdings.name}</a>" in office.http.get("/lighting/gateways").text, "it is not there"
    )
    until(lambda: office.override(names, None).status_code == 202, "its lamps are not known")
    gap = [
        {
            "id": "weekdays",
            "name": ["Werktags", "weekdays"],
            "rules": [{"program": "night", "when": {"kind": "weekdays", "days": [1, 2, 3]}}],
        }
    ]
    assigned = dict.fromkeys(names, "weekdays")
    refused = office.want(assigned, calendars=gap)
    assert refused.status_code == 409
    (problems,) = (one for name, one in refused.json()["problems"].items() if name == peer.holdings.name)
    assert [one["severity"] for one in problems] == ["confirm"]
    assert office.plan(peer.holdings.name) == {}
    assert office.want(assigned, calendars=gap, confirmed=True).status_code == 202
    wrong = [{"id": "night", "name": ["Nacht", "night"], "fixed": [{"at": "12:00", "level": 140}]}]
    assert office.want(assigned, programs=wrong, confirmed=True).status_code == 409


async def _long_ago(url: str, name: str) -> None:
    """As if it had not been heard for two hours, and the look at it were due."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "UPDATE app_lighting.talq_gateway SET heard_at = now() - interval '2 hours' WHERE name = $1", name
        )
        schema = await connection.fetchval(
            "SELECT schemaname FROM pg_tables WHERE tablename = 'job_schedule'"
        )
        changed = await connection.execute(
            f"UPDATE \"{schema}\".job_schedule SET told_until = now() - interval '10 minutes' "
            "WHERE name LIKE '%talq-silence'"
        )
        assert changed == "UPDATE 1"
    finally:
        await connection.close()


def test_a_gateway_that_falls_silent_is_an_alarm_until_it_is_heard(
    city: Server, office: Office, peer: Peer
) -> None:
    peer.introduce()
    name = peer.holdings.name
    assert "lighting.gateway_silent" not in office.alarms(name)
    asyncio.run(_long_ago(city.database_url, name))
    until(lambda: "lighting.gateway_silent" in office.alarms(name), lambda: str(office.alarms(name)))
    peer.say("GET", "/devices/count")
    until(lambda: "lighting.gateway_silent" not in office.alarms(name), lambda: str(office.alarms(name)))

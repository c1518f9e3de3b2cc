"""A person's rights over real engines: what is kept is found, copied, corrected, erased everywhere, erased again."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import asyncpg
import msgspec
import pytest
import pytest_asyncio
from nats.js.errors import NotFoundError

from rhinecloud.broker import Broker
from rhinecloud.broker.contexts import Contexts
from rhinecloud.broker.operations import Operation
from rhinecloud.broker.tenants import Served, Tenants
from rhinecloud.bus import Bus, ensure_intake
from rhinecloud.files import KINDS, Files, Rules
from rhinecloud.jobs import Jobs
from rhinecloud.mail import Letters, Mail
from rhinecloud.people.house import house
from rhinecloud.people.ledger import Ledger
from rhinecloud.people.organisations import LastAdministrator
from rhinecloud.people.register import (
    Activity,
    Column,
    Custom,
    Delete,
    Entities,
    Person,
    PersonalData,
    Retention,
    Table,
)
from rhinecloud.people.rights import Rights
from rhinecloud.people.service import People
from rhinecloud.settings import Settings
from rhinecloud.store import (
    Connections,
    Database,
    Registry,
    RoomDatabase,
    Rooms,
    history,
    intake,
    migrations_in,
    partitions,
)
from rhinecloud.web.language import tongues
from tests.conftest import EXTERNAL_NATS, NatsServer

GARDENER = "https://example.org/Gardener"
OWNER = "https://example.org/owner"
SINCE = "https://example.org/wateringTime"
MAIL = "someone@example.org"
LONG = Retention(("lange", "long"), by="lending")


async def _notes(pool: asyncpg.Pool, person: Person) -> Sequence[Mapping[str, Any]]:
    return [{"note": record[0]} for record in await pool.fetch("SELECT text FROM note")]


async def _burn(pool: asyncpg.Pool, person: Person) -> int:
    return int((await pool.execute("DELETE FROM note")).rpartition(" ")[2])


LENDING = PersonalData(
    (
        Activity(
            key="lending",
            title=("Verleih", "Lending"),
            purpose=("wissen, wer was hat", "to know who has what"),
            ground="b",
            provision="Art. 6 Abs. 1 Buchst. b DSGVO",
            subjects=("Ausleihende", "borrowers"),
            recipients=(("Ausgabe", "desk"),),
            holdings=(
                Table(
                    "loan",
                    ("Leihen", "loans"),
                    (
                        Column("account", ("Konto", "account")),
                        Column("note", ("Notiz", "note"), correctable=True),
                        Column("at", ("wann", "when")),
                    ),
                    {"account": "account"},
                    Retention(("ein Jahr", "a year"), "at", 365),
                    Delete(),
                ),
                Custom("notes", ("Notizen", "notes"), LONG, _notes, _burn),
                Entities(
                    GARDENER,
                    ("Beete", "beds"),
                    {OWNER: ("wem", "whose"), SINCE: ("wann gegossen", "when watered")},
                    {"mail": OWNER},
                    LONG,
                ),
            ),
        ),
    ),
    {"note": ("text",), "migration": ("name", "applied_at")},
)
SQL = "CREATE TABLE loan (account bigint, note text, at timestamptz DEFAULT now()); CREATE TABLE note (text text);"


class House:
    """The rooms that a right reaches, with somebody in each."""

    def __init__(self, rights: Rights, database: Database, people: People, app: RoomDatabase) -> None:
        self.rights = rights
        self.database = database
        self.people = people
        self.app = app
        self.files: Files
        self.broker: Broker
        self.mail: Mail
        self.jobs: Jobs
        self.tenants: Tenants
        self.bus: Bus

    async def settle(self, name: str, mail: str) -> int:
        """Somebody who left something everywhere; the number of their account."""
        async with self.people.transaction() as transaction:
            connection = transaction.connection
            account: int = await connection.fetchval(
                "INSERT INTO account (handle, name, mail) VALUES ($1, $2, $3) RETURNING id",
                name.encode(),
                name,
                mail,
            )
            await connection.execute(
                "INSERT INTO session (hash, account, device, expires_at) VALUES ($1, $2, 'Firefox', now() + '1 day')",
                mail.encode(),
                account,
            )
            await connection.execute(
                "INSERT INTO feedback (about, message, mail, language) VALUES ('/map', 'I cannot read it', $1, 'en')",
                mail,
            )
            await transaction.audit(f"person:{account}", "device.add", f"person:{account}", {})
            async with transaction.of_city() as city:
                await self.mail.queue(city, "test", mail, {"at": "2026-07-01T22:30:05Z"}, app="test")
                await city.execute(
                    "INSERT INTO device (id, name, profile, type, entity_id) VALUES ($1, $2, 'p', 't', 'urn:x')",
                    f"sensor-{account}",
                    f"ask {mail}",
                )
        upload = await self.files.receive("garden.txt", b"my garden", Rules(kinds=KINDS))
        async with self.database.transaction() as connection:
            await self.files.keep(connection, upload, app="lending", subject="1", actor=f"person:{account}")
        await self.app.pool.execute("INSERT INTO loan (account, note) VALUES ($1, 'a spade')", account)
        await self.app.pool.execute("INSERT INTO note (text) VALUES ('remember')")
        await self.broker.keep([intake.UnmappedMessage("mqtt", "t", f'{{"by": "{mail}"}}'.encode(), "why")])
        for hour in range(3):
            await self.broker.do(
                Operation(
                    "upsert",
                    f"urn:bed:{account}",
                    (GARDENER,),
                    attributes={
                        OWNER: [{"type": "Property", "value": mail}],
                        SINCE: [
                            {
                                "type": "Property",
                                "value": hour,
                                "observedAt": f"2026-01-01T0{hour}:00:00.000000Z",
                            }
                        ],
                    },
                )
            )
        return account

    async def left(self, mail: str, account: int) -> list[str]:
        """Where the database still has the address or the account of somebody."""
        found = []
        for pool in (self.database.pool, self.people.room.pool, self.app.pool):
            tables = await pool.fetch(
                "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
                "AND relkind IN ('r', 'p') AND NOT relispartition"
            )
            for record in tables:
                text = await pool.fetchval(f'SELECT string_agg(t::text, $1) FROM "{record[0]}" t', "\n") or ""
                hidden = mail.encode().hex()
                if mail in text or hidden in text or f"person:{account}" in text:
                    found.append(record[0])
        return found


@pytest_asyncio.fixture
async def at_home(database_url: str, bus: Bus, data_folder: Path) -> AsyncIterator[House]:
    database = await Database.open(database_url)
    rooms, connections = Rooms(database_url), Connections(database_url, 12)
    people_room = RoomDatabase(
        connections, await rooms.prepare("room_people", migrations_in("rhinecloud.people"))
    )
    app = RoomDatabase(connections, await rooms.prepare("app_lending", [("1.sql", SQL)]))
    settings = Settings(data=data_folder)
    broker = Broker(database, bus)
    await broker.open()
    mail = Mail(database, Letters(tongues("Europe/Berlin"), city_name="Duisburg"))
    jobs = Jobs(database, "Europe/Berlin")
    files = Files.of_settings(database, settings)
    people = People(people_room, broker, mail, settings)

    async def serve(of_tenant: Database) -> Served:
        return Served(of_tenant, Broker(of_tenant, bus, cared_for=True), Contexts(of_tenant))

    default = Served(database, broker, Contexts(database))
    tenants = Tenants(default, Registry(database_url), Connections(database_url, 4), serve)
    rights = Rights(people, tenants, bus, files, jobs, house(), settings)
    rights.add("lending", "app_lending", app.pool, LENDING)
    made = House(rights, database, people, app)
    made.files, made.broker, made.mail, made.jobs = files, broker, mail, jobs
    made.tenants, made.bus = tenants, bus
    yield made
    await jobs.close()
    await tenants.close()
    await broker.close()
    await people_room.close()
    await app.close()
    await connections.close()
    await database.close()


async def _closed(home: House, request: int) -> dict[str, int]:
    while (found := await home.rights.request(request)) is None or found.closed_at is None:
        await asyncio.sleep(0.02)
    assert found.counts is not None
    return found.counts


async def test_everything_about_a_person_is_found_copied_and_erased(at_home: House) -> None:
    account = await at_home.settle("A", MAIL)
    other = await at_home.settle("B", "other@example.org")
    person = await at_home.rights.person(account)
    assert person == Person(account, (MAIL,))
    # Numbers that were compacted away belong to the person as well.
    async with at_home.database.pool.acquire() as connection:
        for day in await partitions.days(connection, "history"):
            await history.compact(connection, day)
        await history.compact_default(connection, await connection.fetchval("SELECT now()"))
    assert await at_home.database.pool.fetchval("SELECT count(*) FROM chunk") == 2

    held = {one.holding.text[1]: one for one in await at_home.rights.held(person)}
    for what in (
        "your account",
        "your sessions",
        "your reports",
        "loans",
        "files that you uploaded",
        "notes",
    ):
        assert len(held[what].rows) >= 1, what
    assert [row["name"] for row in held["your account"].rows] == ["A"]
    (bed,) = held["beds"].rows
    assert bed["id"] == f"urn:bed:{account}" and any('"count": 3' in one["value"] for one in bed["history"])
    assert MAIL in held["messages of your devices not assigned"].rows[0]["payload"]
    assert "hash" not in held["your sessions"].rows[0]

    assert await at_home.rights.correct(person, "loan", "note", "a spade", "a rake", "person:1") == 1
    with pytest.raises(LookupError):
        await at_home.rights.correct(person, "account", "mail", MAIL, "x@example.org", "person:1")

    await at_home.jobs.open()
    copy, secret = await at_home.rights.open("export", person, f"person:{account}")
    assert secret is not None
    while (await at_home.rights.copy(secret))[1] is None:
        await asyncio.sleep(0.02)
    _, file = await at_home.rights.copy(secret)
    assert file is not None
    with zipfile.ZipFile(io.BytesIO(await at_home.files.content(file))) as package:
        document = msgspec.json.decode(package.read("data.json"))
        assert (
            package.read(next(name for name in package.namelist() if name.startswith("files/")))
            == b"my garden"
        )
    records = {one["what"][1]: one["records"] for one in document["data"]}
    assert records["loans"][0]["note"] == "a rake" and "other@example.org" not in str(document)
    assert await at_home.rights.copy("somebody-elses") == (False, None)

    assert set(await at_home.left(MAIL, account)) > {
        "mail",
        "account",
        "audit",
        "entity",
        "history_rows",
        "unmapped",
    }
    request, none = await at_home.rights.open("erasure", person, f"person:{account}")
    assert none is None
    counts = await _closed(at_home, request)
    assert (
        counts["lending"] == 4 and counts["files"] == 1 and counts["audit"] >= 1
    )  # two notes, a loan, a bed
    assert await at_home.left(MAIL, account) == []
    assert await at_home.database.pool.fetchval("SELECT count(*) FROM chunk") == 1
    assert await at_home.rights.copy(secret) == (False, None)  # erased with the rest
    assert (await at_home.rights.request(copy)) is not None
    # The others are as they were, and what has to stay does: without the name.
    assert "other@example.org" in str(await at_home.rights.held(await at_home.rights.person(other)))
    audit = await at_home.database.pool.fetch(
        "SELECT actor FROM audit WHERE action = 'device.add' ORDER BY id"
    )
    assert [record[0] for record in audit] == ["person:0", f"person:{other}"]
    text = at_home.rights.ledger.path.read_text()
    assert len(text.splitlines()) == 1 and MAIL not in text and "person" not in text

    # What a restore of an older backup brings back is erased again, and that is written down; once.
    await at_home.people.room.pool.execute("DELETE FROM erasure")
    await at_home.people.room.pool.execute(
        "INSERT INTO account (id, handle, name, mail) OVERRIDING SYSTEM VALUE VALUES ($1, 'x', 'A', $2)",
        account,
        MAIL,
    )
    await at_home.app.pool.execute("INSERT INTO loan (account, note) VALUES ($1, 'a spade')", account)
    await at_home.broker.keep([intake.UnmappedMessage("mqtt", "t", f"by {MAIL}.".encode(), "why")])
    assert await at_home.rights.repeat() == 1
    assert await at_home.left(MAIL, account) == []
    assert await at_home.app.pool.fetchval("SELECT count(*) FROM loan") == 1
    assert await at_home.rights.repeat() == 0
    # A file that was lost is written again from the database.
    at_home.rights.ledger.path.unlink()
    assert await at_home.rights.repeat() == 0
    assert len(Ledger(at_home.rights.ledger.path).read()) == 1


async def test_whoever_deletes_their_account_is_erased_everywhere(at_home: House) -> None:
    account = await at_home.settle("A", MAIL)
    await at_home.jobs.open()
    assert await at_home.people.delete(account, f"person:{account}")
    request = await at_home.people.room.pool.fetchval("SELECT max(id) FROM data_request")
    await _closed(at_home, request)
    assert await at_home.left(MAIL, account) == []


async def test_the_last_administrator_stays(at_home: House) -> None:
    account = await at_home.settle("A", MAIL)
    pool = at_home.people.room.pool
    organisation = await pool.fetchval("INSERT INTO organisation (name) VALUES ('City') RETURNING id")
    await pool.execute("INSERT INTO membership VALUES ($1, $2, 'administrator')", account, organisation)
    with pytest.raises(LastAdministrator):
        await at_home.rights.open("erasure", Person(account, (MAIL,)), "person:1")
    with pytest.raises(LastAdministrator):  # also where only the address was told
        await at_home.rights.open("erasure", Person(None, (MAIL.upper(),)), "person:1")
    other = await at_home.settle("B", "other@example.org")
    with pytest.raises(ValueError, match="2 accounts"):
        await at_home.rights.open("access", Person(other, (MAIL,)), "person:1")
    assert await at_home.rights.requests(None, 10) == []


async def test_retention_lets_the_old_go_and_says_how_many(at_home: House) -> None:
    pool = at_home.app.pool
    await pool.execute("INSERT INTO loan VALUES (1, 'old', now() - interval '366 days'), (1, 'new', now())")
    await at_home.people.room.pool.execute(
        "INSERT INTO feedback (at, about, message, language) VALUES (now() - $1::interval, '/', 'old', 'de')",
        timedelta(days=400),
    )
    assert await at_home.rights.retain() == {"room_people.feedback": 1, "app_lending.loan": 1}
    assert await pool.fetchval("SELECT note FROM loan") == "new"
    line = await at_home.database.pool.fetchrow(
        "SELECT action, detail::text FROM audit ORDER BY id DESC LIMIT 1"
    )
    assert line is not None
    assert line["action"] == "privacy.retention" and "old" not in line["detail"]
    assert msgspec.json.decode(line["detail"]) == {
        "deleted": {"room_people.feedback": 1, "app_lending.loan": 1}
    }
    assert await at_home.rights.retain() == {}


def test_the_ledger_survives_a_line_that_was_cut_off(tmp_path: Path) -> None:
    from datetime import UTC, datetime
    from uuid import uuid4

    from rhinecloud.people.ledger import Entry

    ledger = Ledger(tmp_path / "deep" / "erasures.jsonl")
    assert ledger.read() == {}
    first, second = (Entry(uuid4(), datetime(2026, 1, day, tzinfo=UTC), (b"\x01\x02",)) for day in (1, 2))
    ledger.add([first])
    with ledger.path.open("ab") as file:
        file.write(b'{"id": "cut o')
    assert ledger.read() == {first.id: first}
    ledger.add([second])
    assert ledger.read() == {first.id: first, second.id: second}
    assert ledger.path.stat().st_mode & 0o077 == 0


def _bed(number: int, mail: str) -> Operation:
    attributes = {OWNER: [{"type": "Property", "value": mail}]}
    return Operation("upsert", f"urn:bed:{number}", (GARDENER,), attributes=attributes)


async def _in_stream(bus: Bus, name: str) -> str:
    """All that a stream holds, subjects and payloads."""
    found, sequence = "", 0
    last = (await bus.streams.stream_info(name)).state.last_seq
    while sequence < last:
        try:
            message = await bus.streams.get_msg(name, seq=sequence + 1, subject=">", next=True)
        except NotFoundError:
            break
        assert message.seq is not None
        sequence = message.seq
        found += f"{message.subject} {(message.data or b'').decode()}\n"
    return found


async def _eventually_in_stream(bus: Bus, name: str, text: str) -> None:
    async with asyncio.timeout(60):
        while text not in await _in_stream(bus, name):
            await asyncio.sleep(0.05)


async def test_streams_and_the_outbox_forget_a_person_and_nobody_else(at_home: House) -> None:
    account = await at_home.settle("A", MAIL)
    other = "other@example.org"
    for mail, number in ((MAIL, 1), (other, 2), (MAIL, 3)):
        assert not isinstance(await at_home.broker.do(_bed(number, mail)), Exception)
    # One is deleted already: only its history and its changes know of whom it was.
    await at_home.broker.do(Operation("delete", "urn:bed:3"))
    outbox = "SELECT string_agg(convert_from(change, 'UTF8'), ' ') FROM outbox"
    await _eventually_in_stream(at_home.bus, "CHANGES", "urn:bed:3")
    assert MAIL in await at_home.database.pool.fetchval(outbox)

    heard = at_home.broker.feed.watch(None)
    begun: asyncio.Task[list[Any]] = asyncio.ensure_future(anext(heard))
    await at_home.jobs.open()
    request, _ = await at_home.rights.open("erasure", Person(account, (MAIL,)), "person:1")
    await _closed(at_home, request)

    left = await at_home.database.pool.fetchval(outbox)
    assert MAIL not in left and f'"urn:bed:{account}"' in left  # that they are deleted is told, and no more
    assert other in left
    assert MAIL not in await _in_stream(at_home.bus, "CHANGES")
    assert [change.operation for change in await begun][:1] == ["delete"]
    # The stream is not broken by it.
    await at_home.broker.do(_bed(9, other))
    await _eventually_in_stream(at_home.bus, "CHANGES", "urn:bed:9")
    assert MAIL not in await _in_stream(at_home.bus, "CHANGES")


async def test_an_attempt_that_died_after_the_graph_leaves_nothing_to_be_told(at_home: House) -> None:
    await at_home.broker.do(_bed(1, MAIL))
    await at_home.broker.do(Operation("delete_evolution", "urn:bed:1"))
    outbox = "SELECT string_agg(convert_from(change, 'UTF8'), ' ') FROM outbox"
    assert MAIL in await at_home.database.pool.fetchval(outbox)
    await at_home.jobs.open()
    request, _ = await at_home.rights.open("erasure", Person(None, (MAIL,)), "person:1")
    await _closed(at_home, request)
    assert MAIL not in await at_home.database.pool.fetchval(outbox)


@pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")
async def test_messages_of_devices_on_their_way_are_forgotten(at_home: House, nats: NatsServer) -> None:
    await ensure_intake(at_home.bus)  # nobody reads: they wait
    await at_home.database.pool.execute(
        "INSERT INTO device (id, name, profile, type, entity_id, publish) "
        "VALUES ('sensor-1', '', 'p', 't', 'urn:x', '{garden/roof}')"
    )
    theirs = ("json/Lamp/sensor-1", "garden/roof", "json/Lamp/2")
    assert nats.mqtt_host is not None and nats.mqtt_port is not None
    async with aiomqtt.Client(nats.mqtt_host, nats.mqtt_port, identifier="device") as client:
        for topic in theirs:
            text = f"by {MAIL.upper()}" if topic == "json/Lamp/2" else "private"
            await client.publish(topic, text, qos=1, retain=True)
        await client.publish("json/Lamp/sensor-10", "of somebody else", qos=1, retain=True)
    streams = ("$MQTT_msgs", "$MQTT_rmsgs")
    for stream in streams:
        before = await _in_stream(at_home.bus, stream)
        assert before.count("private") == 2 and MAIL.upper() in before, stream
    await at_home.jobs.open()
    request, _ = await at_home.rights.open("erasure", Person(None, (MAIL,), ("sensor-1",)), "person:1")
    assert (await _closed(at_home, request))["transport"] == 6
    for stream in streams:
        after = await _in_stream(at_home.bus, stream)
        assert "private" not in after and MAIL.upper() not in after, stream
        assert "of somebody else" in after


@pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")
async def test_messages_that_a_device_has_not_released_are_forgotten(
    at_home: House, nats: NatsServer
) -> None:
    await ensure_intake(at_home.bus)
    assert nats.mqtt_host is not None and nats.mqtt_port is not None
    reader, writer = await asyncio.open_connection(nats.mqtt_host, nats.mqtt_port)
    writer.write(b"\x10\x12\0\4MQTT\4\0\0\0\0\6device")  # CONNECT, a session that lasts
    assert (await reader.readexactly(4))[0] == 0x20  # CONNACK
    told = (
        ("json/Lamp/sensor-1", "private"),
        ("json/Lamp/2", f"by {MAIL}"),
        ("json/Lamp/3", "of somebody else"),
    )
    for number, (topic, text) in enumerate(told, 1):
        body = len(topic).to_bytes(2) + topic.encode() + number.to_bytes(2) + text.encode()
        writer.write(bytes((0x34, len(body))) + body)  # PUBLISH, QoS 2
        assert await reader.readexactly(4) == b"\x50\2" + number.to_bytes(2)  # PUBREC, and no PUBREL after it
    before = await _in_stream(at_home.bus, "$MQTT_qos2in")
    assert "private" in before and MAIL in before
    await at_home.jobs.open()
    request, _ = await at_home.rights.open("erasure", Person(None, (MAIL,), ("sensor-1",)), "person:1")
    assert (await _closed(at_home, request))["transport"] == 2
    after = await _in_stream(at_home.bus, "$MQTT_qos2in")
    assert "private" not in after and MAIL not in after and "of somebody else" in after
    writer.write(b"\x62\2\0\1")  # PUBREL of what is gone: the device gets its PUBCOMP and goes on
    assert await reader.readexactly(4) == b"\x70\2\0\1"
    writer.close()
    await writer.wait_closed()


async def test_a_person_has_the_same_rights_in_every_tenant(
    at_home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "rhinecloud.people.rights._TOLD", 0.1
    )  # nobody tells the changes of the other tenant here
    account = await at_home.settle("A", MAIL)
    await at_home.tenants.registry.prepare("harbour")
    async with at_home.tenants.use("harbour") as served:
        pool = served.database.pool
        await served.broker.do(_bed(7, MAIL))
        await pool.execute(
            "INSERT INTO audit (actor, action, subject, detail) VALUES ($1, 'x', 'y', '{}')",
            f"person:{account}",
        )
        for device, name in (("s", f"ask {MAIL}"), ("other", "ask other@example.org")):
            await pool.execute(
                "INSERT INTO device (id, name, profile, type, entity_id) VALUES ($1, $2, 'p', 't', 'urn:x')",
                device,
                name,
            )
        await served.broker.keep([intake.UnmappedMessage("mqtt", "t", f"by {MAIL}".encode(), "why")])
    person = await at_home.rights.person(account)
    held = {one.holding.text[1]: one for one in await at_home.rights.held(person)}
    assert [one.get("tenant") for one in held["beds"].rows] == [None, "harbour"]
    assert "harbour" in str(held["messages of your devices not assigned"].rows)
    changed = await at_home.rights.correct(person, "device", "name", f"ask {MAIL}", "ask me", "person:1")
    assert changed == 2
    await pool.execute("UPDATE device SET name = $1 WHERE id = 's'", f"ask {MAIL}")

    await at_home.jobs.open()
    request, _ = await at_home.rights.open("erasure", person, f"person:{account}")
    await _closed(at_home, request)

    async def left() -> list[str]:
        found = []
        for table in ("entity", "history_rows", "history", "outbox", "audit", "device", "unmapped", "mail"):
            text = await pool.fetchval(f'SELECT string_agg(t::text, $1) FROM "{table}" t', "\n") or ""
            if any(one in text for one in (MAIL, MAIL.encode().hex(), f"person:{account}")):
                found.append(table)
        return found

    async with at_home.tenants.use("harbour") as served:
        pool = served.database.pool
        assert await left() == []
        assert await pool.fetchval("SELECT count(*) FROM device WHERE name LIKE '%other%'") == 1
        # A restore brings them back there only.
        await served.broker.do(_bed(8, MAIL))
    await at_home.people.room.pool.execute("DELETE FROM erasure")
    assert await at_home.rights.repeat() == 1
    async with at_home.tenants.use("harbour") as served:
        pool = served.database.pool
        assert await left() == []
        await pool.execute("INSERT INTO audit (at, actor, action, subject, detail) "
                           "VALUES (now() - interval '4 years', 'a', 'x', 'y', '{}')")  # fmt: skip
    assert await at_home.rights.retain() == {"tenant_harbour.audit": 1}

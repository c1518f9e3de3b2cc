"""Upgrade and rollback of the data: what an older version wrote is brought along, what a newer one wrote is served
where that is safe, and refused in words where it is not."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import asyncpg
import httpx
import pytest

from rhinecloud.backups.before import back_up_before_one_way, folder_of
from rhinecloud.engines import Engines
from rhinecloud.hosting import app_migrations
from rhinecloud.settings import Settings
from rhinecloud.store import DEFAULT, Database, Registry, Rooms, TooNew, graph_migrations, migrations
from rhinecloud.store.examination import examine_version
from rhinecloud.store.versions import installed, one_way
from tests.conftest import Serve, quiet
from tests.engines.test_backup import execute, rhinecloud, value
from tests.engines.test_supervision import embedded

TENANT = [name for name, _ in graph_migrations()[r"tenant\_%"]]
FUTURE = "INSERT INTO tenant_city.migration (name, one_way, rhinecloud) VALUES ('tenant_9999_future.sql', {}, '9.0.0')"
LAMP = "urn:ngsi-ld:Streetlight:1"
DEFAULTS = "https://uri.etsi.org/ngsi-ld/default-context/"

# An installation as its bare columns, indexes, constraints, functions and sequences: what two have to have in common.
_SHAPE = """
SELECT 'column', table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
WHERE table_schema = 'tenant_city' AND table_name !~ '_\\d{8}$'
UNION ALL
SELECT 'index', tablename, indexname, indexdef, '', '' FROM pg_indexes
WHERE schemaname = 'tenant_city' AND tablename !~ '_\\d{8}$'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '' FROM pg_constraint
WHERE connamespace = 'tenant_city'::regnamespace AND conrelid::regclass::text !~ '_\\d{8}$'
UNION ALL
SELECT 'routine', proname, prosrc, '', '', '' FROM pg_proc WHERE pronamespace = 'tenant_city'::regnamespace
ORDER BY 1, 2, 3, 4
"""


def of_an_older_version(patch: pytest.MonkeyPatch, count: int) -> None:
    """The program as it was when the graph had `count` migrations."""
    all_of_them = migrations._files

    def files(prefix: str) -> list[tuple[str, str]]:
        return all_of_them(prefix)[: count if prefix == "tenant_" else None]

    patch.setattr(migrations, "_files", files)


async def shape(url: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(record) for record in await connection.fetch(_SHAPE)]
    finally:
        await connection.close()


async def test_data_of_each_older_version_become_those_of_this_one(
    empty_database_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step after step, as if each migration were a release of its own, with a row that has to survive them all."""
    for count in range(1, len(TENANT) + 1):
        with monkeypatch.context() as patch:
            of_an_older_version(patch, count)
            await Registry(empty_database_url).prepare(DEFAULT)
        if count == 1:
            await execute(
                empty_database_url,
                "INSERT INTO tenant_city.entity VALUES ('urn:x:1', '{https://example.org/Lamp}', '{/de/duisburg}', "
                """'{"https://example.org/on": [{"type": "Property", "value": 1}]}', now(), now())""",
                "INSERT INTO tenant_city.unmapped (source, topic, payload, reason) VALUES ('mqtt', 'a/b', 'x', 'why')",
                "INSERT INTO tenant_city.context VALUES ('https://example.org/c.jsonld', '{}')",
            )
        # The program of then goes on with its own data.
        with monkeypatch.context() as patch:
            of_an_older_version(patch, count)
            await Registry(empty_database_url).prepare(DEFAULT)
    assert await shape(empty_database_url) == await shape(database_url)
    assert await value(empty_database_url, "SELECT count(*) FROM tenant_city.entity WHERE facts <> '{}'") == 1
    assert (
        await value(empty_database_url, "SELECT url FROM tenant_city.context")
        == "https://example.org/c.jsonld"
    )
    assert await value(empty_database_url, "SELECT pattern FROM tenant_city.unmapped") == "a/#"


async def test_a_newer_version_that_only_added_is_served_and_another_is_refused(database_url: str) -> None:
    await execute(database_url, "ALTER TABLE tenant_city.entity ADD COLUMN later text", FUTURE.format("NULL"))
    database = await Database.open(database_url)
    await database.close()
    assert [level async for level, _ in examine_version(database_url)] == ["good"]
    await execute(database_url, "UPDATE rhinecloud.version SET rhinecloud = '9.0.0'")
    assert [level async for level, _ in examine_version(database_url)] == ["note"]

    await execute(
        database_url, "UPDATE tenant_city.migration SET one_way = 'lamps are gone' WHERE rhinecloud = '9.0.0'"
    )
    with pytest.raises(
        TooNew,
        match=re.escape(
            f"9.0.0 by tenant_9999_future.sql, which cannot be undone (lamps are gone); this is {installed()}"
        ),
    ):
        await Database.open(database_url)
    ((level, words),) = [finding async for finding in examine_version(database_url)]
    assert level == "wrong" and "backup that was made before the upgrade" in words


def test_what_older_programs_may_not_live_with_says_so() -> None:
    """Whoever takes something away says in the migration whether it is one way."""
    takes_away = re.compile(
        r"^\s*(ALTER .*)?\b(DROP|RENAME|TRUNCATE|DELETE FROM|SET NOT NULL|TYPE)\b", re.MULTILINE
    )
    root = Path(migrations.__file__).parent.parent
    found = [file for file in root.glob("*/sql/*.sql") if takes_away.search(file.read_text())]
    assert found, "the pattern finds nothing any more"
    silent = [
        file.name
        for file in found
        if one_way(file.read_text()) is None and "-- Not one way: " not in file.read_text()
    ]
    assert not silent, f"say '-- One way: why' or '-- Not one way: why' in {silent}"


async def test_a_backup_is_made_before_and_only_then(
    empty_database_url: str, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data=data_folder, database_url=empty_database_url)
    families = graph_migrations()
    assert await back_up_before_one_way(settings, empty_database_url, families) is None  # nothing to lose
    with monkeypatch.context() as patch:
        of_an_older_version(patch, 1)
        await Registry(empty_database_url).prepare(DEFAULT)
    first = await back_up_before_one_way(settings, empty_database_url, families)
    assert first is not None and first.parent == folder_of(settings) and first.stat().st_mode & 0o077 == 0
    # A start that failed after it makes no second one.
    assert await back_up_before_one_way(settings, empty_database_url, families) == first
    await Registry(empty_database_url).prepare(DEFAULT)
    assert await back_up_before_one_way(settings, empty_database_url, families) is None


async def test_a_migration_of_an_app_that_cannot_be_undone_is_preceded_by_a_backup_with_its_schema(
    empty_database_url: str, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = app_migrations()
    (pattern, older) = next(one for one in known.items() if "noticeboard" in one[0])
    await Registry(empty_database_url).prepare(DEFAULT)
    await Rooms(empty_database_url).prepare(pattern.replace("\\", ""), older)
    await execute(empty_database_url, "CREATE TABLE app_noticeboard.kept AS SELECT generate_series(1, 7)")
    settings = Settings(data=data_folder, database_url=empty_database_url)
    families = graph_migrations() | known
    assert await back_up_before_one_way(settings, empty_database_url, families) is None
    newer = [*older, ("9000_end.sql", "-- One way: notices go\nDROP TABLE kept;")]
    made = await back_up_before_one_way(settings, empty_database_url, families | {pattern: newer})
    assert made is not None and "9000_end" in made.name
    assert "7  app_noticeboard.kept" in await asyncio.to_thread(rhinecloud, "backup", "verify", made)


@embedded
async def test_upgrade_and_rollback_of_a_city(
    serve: Serve, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Engines(Settings(data=data_folder, mqtt_port=0, open=True), quiet) as engines:
        with monkeypatch.context() as patch:
            of_an_older_version(patch, 1)
            await Registry(engines.database_url).prepare(DEFAULT)
        await execute(
            engines.database_url,
            f"INSERT INTO tenant_city.entity VALUES ('{LAMP}', '{{{DEFAULTS}Lamp}}', '{{}}', "
            f"""'{{"{DEFAULTS}on": [{{"type": "Property", "value": 7}}]}}', now(), now())""",
        )

    server = serve(data=data_folder)

    async def lamp() -> object:
        async with httpx.AsyncClient(base_url=server.base_url, timeout=30) as client:
            answer = await client.get(f"/ngsi-ld/v1/entities/{LAMP}", params={"options": "keyValues"})
            return answer.json().get("on", answer.text)

    assert await lamp() == 7
    assert f"served by this version, {installed()}" in rhinecloud("check", "--data", data_folder)
    (before,) = (data_folder / "before-upgrade").glob("*.tar")
    assert "cannot be undone: a backup is made before" in server.output

    # A newer version was here, and went: what it added does not disturb.
    await execute(
        server.database_url,
        "ALTER TABLE tenant_city.entity ADD COLUMN later text NOT NULL DEFAULT 'x'",
        FUTURE.format("NULL"),
    )
    server.stop()
    server = serve(data=data_folder)
    assert await lamp() == 7

    await execute(
        server.database_url, "UPDATE tenant_city.migration SET one_way = 'x' WHERE rhinecloud = '9.0.0'"
    )
    assert "brought to Rhine Cloud 9.0.0" in rhinecloud("check", "--data", data_folder, code=1)
    server.stop()
    refused = serve(data=data_folder, wait=False)
    assert refused.process.wait(60) == 1
    assert "brought to Rhine Cloud 9.0.0" in refused.output and "restore the backup" in refused.output

    rhinecloud("restore", before, "--data", data_folder, "--force")
    server = serve(data=data_folder)
    assert await lamp() == 7


async def test_a_room_is_refused_to_an_older_program_and_not_to_its_own(database_url: str) -> None:
    rooms = Rooms(database_url)
    adds, takes = (
        ("0001.sql", "CREATE TABLE t (n int)"),
        ("0002.post.sql", "-- One way: t goes.\nDROP TABLE t"),
    )
    room = await rooms.prepare("app_trees", [adds, takes])
    assert await rooms.migrate(room, [adds], later=[takes]) == []  # this program, in its first phase
    with pytest.raises(TooNew, match="0002.post.sql, which cannot be undone \\(t goes.\\)"):
        await rooms.migrate(room, [adds])
    assert await rooms.prepare("app_trees") == room  # without migrations: a restore puts its roles right

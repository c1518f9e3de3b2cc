"""What a backup costs, and what a city has lost when it comes back from one, with 50,000 lamps and their history.

While a backup is made, entities go on being created over HTTP, each with the moment of its acknowledgement. Then the
city ends, another is restored from the backup, and the last of those entities that is there says which moment the
backup holds.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import msgspec

from rhinecloud.engines.sealing import new_key
from rhinecloud.settings import Settings, to_json

from .installation import Installation

_LAMPS = """
INSERT INTO entity (id, types, attributes, created_at, modified_at)
SELECT 'urn:bench:Lamp:' || lpad(i::text, 7, '0'), '{urn:bench:Lamp}', (
    SELECT jsonb_object_agg('urn:bench:a' || k, jsonb_build_array(jsonb_build_object(
        'type', 'Property', 'value', round((random() * 1000)::numeric, 2), 'observedAt', now(),
        'unitCode', 'WTT', 'createdAt', now(), 'modifiedAt', now())))
    FROM generate_series(1, 10) AS k WHERE i > 0
), now(), now() FROM generate_series(1, $1::int) AS i
"""
_SERIES = """
INSERT INTO series (entity_id, attribute, dataset, unit, observed)
SELECT id, 'urn:bench:a1', '', 'WTT', true FROM entity WHERE types && '{urn:bench:Lamp}'
"""
# A month of values every hour for each lamp, in the form that the nightly job gives them; and a day of rows.
_CHUNKS = """
INSERT INTO chunk (series, month, at0, at1, n, vmin, vmax, vsum, tick, offsets, values)
SELECT id, '2026-10-01', '2026-10-01', '2026-10-30 23:00', 720, 0, 100, 36000, 1000000,
       (SELECT array_agg(h * 3600) FROM generate_series(0, 719) AS h),
       (SELECT array_agg(floor(random() * 10000) / 100) FROM generate_series(1, 720 + 0 * id) AS h)
FROM series
"""
_ROWS = """
INSERT INTO history (series, at, value)
SELECT id, now() - h * interval '1 hour', floor(random() * 10000) / 100 FROM series, generate_series(1, 24) AS h
"""
_MARKS = "SELECT id FROM entity WHERE types && '{https://uri.etsi.org/ngsi-ld/default-context/Mark}'"
_COUNTS = "SELECT (SELECT count(*) FROM entity), (SELECT sum(n) FROM chunk)::bigint + (SELECT count(*) FROM history)"


class Result(msgspec.Struct, frozen=True):
    """Sizes in MB (10⁶ bytes), times in seconds. `behind` is the age of the backup's state when the backup is complete:
    with one every E hours at most E hours and `behind` are lost. `back` is from an empty folder to the first answer:
    decryption, restore and start. `missing`: acknowledged before the last write that the backup has, and not in it."""

    lamps: int
    values: int
    database_mb: float
    backup_mb: float
    backup_s: float
    behind_s: float
    writes_meanwhile: int
    restore_s: float
    start_s: float
    back_s: float
    missing: int


def run(lamps: int, say: Callable[[str], None]) -> Result:
    """Measure once, in temporary folders."""
    folder = Path(tempfile.mkdtemp(prefix="rhinecloud-bench-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        return _measure(folder, lamps, say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path, lamps: int, say: Callable[[str], None]) -> Result:
    private, public = new_key()
    key, shelf = folder / "key", folder / "shelf"
    key.write_text(private)
    shelf.mkdir()
    (folder / "city").mkdir(mode=0o711)
    (folder / "again").mkdir(mode=0o711)
    city = Installation(folder / "city")
    city.start()
    try:
        say(f"filling {lamps:,} lamps with a month of history …")
        values, size = asyncio.run(_fill(city.url, lamps))
        marks = _Marks(city.port)
        marks.start()
        marks.wait_for(20)
        say("backing up …")
        settings = Settings(data=city.data, backup_to=str(shelf), backup_recipient=public)
        begun = time.monotonic()
        order = msgspec.json.encode([to_json(settings), city.url])
        subprocess.run(
            [sys.executable, "-m", "rhinecloud.backups"], input=order, check=True, stdout=sys.stderr
        )
        complete = time.monotonic()
        marks.wait_for(len(marks.acknowledged) + 20)
        marks.stop()
    finally:
        city.stop()
    (file,) = shelf.iterdir()
    say("restoring …")
    again = Installation(folder / "again")
    restoring = time.monotonic()
    command = [sys.executable, "-m", "rhinecloud.cli", "restore", file, "--key", key, f"--data={again.data}"]
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)
    restored = time.monotonic()
    try:
        start = again.start()
        back = time.monotonic() - restoring
        there, count, kept_values = asyncio.run(_look(again.url))
    finally:
        again.stop()
    held = [number for number in marks.acknowledged if number in there]
    if not held or count < lamps or kept_values < values:
        raise RuntimeError(
            f"the backup lacks something: {len(held)} marks, {count} entities, {kept_values} values"
        )
    last = max(held)
    return Result(
        lamps=lamps,
        values=values,
        database_mb=round(size / 1e6, 1),
        backup_mb=round(file.stat().st_size / 1e6, 1),
        backup_s=round(complete - begun, 1),
        behind_s=round(complete - marks.acknowledged[last], 1),
        writes_meanwhile=sum(begun < at < complete for at in marks.acknowledged.values()),
        restore_s=round(restored - restoring, 1),
        start_s=round(start, 1),
        back_s=round(back, 1),
        missing=sum(number < last and number not in there for number in marks.acknowledged),
    )


def table(result: Result) -> str:
    """For people."""
    return "\n".join(
        [
            f"{result.lamps:,} lamps, {result.values:,} values of history, database {result.database_mb:,.0f} MB",
            f"  backup, encrypted            {result.backup_s:8.1f} s   {result.backup_mb:,.1f} MB, "
            f"{result.writes_meanwhile:,} writes meanwhile",
            f"  age of its state at the end  {result.behind_s:8.1f} s   data loss: at most the interval and this",
            f"  restore                      {result.restore_s:8.1f} s",
            f"  start                        {result.start_s:8.1f} s",
            f"  back in service after        {result.back_s:8.1f} s",
            f"  acknowledged before that state and not in it: {result.missing}",
        ]
    )


class _Marks(threading.Thread):
    """Creates one entity after the other; `acknowledged`: the moment of each answer."""

    def __init__(self, port: int) -> None:
        super().__init__(name="marks")
        self._url = f"http://127.0.0.1:{port}"
        self._ends = threading.Event()
        self.acknowledged: dict[int, float] = {}

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            number = 0
            while not self._ends.wait(0.02):
                answer = client.post(
                    "/ngsi-ld/v1/entities", json={"id": f"urn:mark:{number}", "type": "Mark"}
                )
                answer.raise_for_status()
                self.acknowledged[number] = time.monotonic()
                number += 1

    def wait_for(self, count: int) -> None:
        """Until so many were acknowledged; a minute at most."""
        deadline = time.monotonic() + 60
        while len(self.acknowledged) < count:
            if time.monotonic() > deadline or not self.is_alive():
                raise RuntimeError("no entities are created")
            time.sleep(0.02)

    def stop(self) -> None:
        """End."""
        self._ends.set()
        self.join()


async def _fill(url: str, lamps: int) -> tuple[int, int]:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET search_path TO tenant_city, public")
        await connection.execute(_LAMPS, lamps)
        for statement in (_SERIES, _CHUNKS, _ROWS, "ANALYZE"):
            await connection.execute(statement)
        _, values = await connection.fetchrow(_COUNTS)
        return int(values), int(await connection.fetchval("SELECT pg_database_size(current_database())"))
    finally:
        await connection.close()


async def _look(url: str) -> tuple[set[int], int, int]:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET search_path TO tenant_city, public")
        marks = {int(record["id"].rpartition(":")[2]) for record in await connection.fetch(_MARKS)}
        entities, values = await connection.fetchrow(_COUNTS)
        return marks, int(entities), int(values)
    finally:
        await connection.close()

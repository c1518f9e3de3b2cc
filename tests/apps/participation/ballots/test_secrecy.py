"""Whoever has the database, its files or a backup after a secret poll was closed tries to join ballots to voters.

Everybody writes a word of their own, so that a single row that is joined would be seen; and the same is tried before
closing, when it can be done, so that these tests would notice if they looked in the wrong place.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
import pytest_asyncio

from rhinecloud.apps.participation.ballots import results
from rhinecloud.apps.participation.ballots.receiving import hashed
from rhinecloud.apps.participation.events.model import Event, Poll
from rhinecloud.apps.participation.joining import passes
from rhinecloud.city import Transaction
from rhinecloud.engines import binaries
from tests.conftest import EXTERNAL_DATABASE

from .hall import Hall, Phone

VOTERS = 300
TABLES = "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'app_participation'::regnamespace AND c.relkind = 'r'"


@dataclass
class Vote:
    """Who voted what, in the order of arrival: what the hostile reader wants to know."""

    phones: Sequence[Phone]
    words: Sequence[str]
    event: Event
    poll: Poll

    @property
    def keys(self) -> list[bytes]:
        return [hashed(passes.ballot_key(phone.secret, self.poll.number)) for phone in self.phones]


async def voted(hall: Hall, voters: int = VOTERS) -> Vote:
    event = await hall.event()
    poll = await hall.poll(event, "words", secret=True, most=1)
    phones = [Phone() for _ in range(voters)]
    words = [f"Wort{n:04d}" for n in range(voters)]
    for start in range(0, voters, 25):  # some at a time, as they come in a hall
        await asyncio.gather(
            *(
                hall.cast(event, poll, phones[n], [words[n]], other=n % 2 == 0)
                for n in range(start, start + 25)
            )
        )
    return Vote(phones, words, event, poll)


@pytest_asyncio.fixture(scope="module")
async def closed(hall: Hall) -> Vote:
    vote = await voted(hall)
    await hall.close(vote.poll)
    return vote


def agreement(order: Sequence[int]) -> float:
    """Spearman's correlation of the numbers 0…n−1 in this order with their own order: 1 for the same order."""
    n = len(order)
    return 1 - 6 * sum((place - number) ** 2 for place, number in enumerate(order)) / (n * (n * n - 1))


def is_chance(order: Sequence[int]) -> bool:
    """Whether a shuffled order would look like this (but for one in a million)."""
    return abs(agreement(order)) < 5 / math.sqrt(len(order) - 1)


def test_the_measure_sees_an_order_that_was_not_shuffled() -> None:
    assert not is_chance(range(VOTERS)) and not is_chance(range(VOTERS)[::-1])
    batches = [n for start in range(0, VOTERS, 25) for n in reversed(range(start, start + 25))]
    assert not is_chance(batches)


async def word_order(hall: Hall, statement: str, poll: int) -> list[int]:
    rows = await hall.rows.fetch(statement, poll)
    return [int(re.findall(r"Wort(\d{4})", row["choice"])[0]) for row in rows]


async def test_rows_tell_nothing_but_choices_and_their_order_is_chance(hall: Hall, closed: Vote) -> None:
    columns = await hall.rows.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'counted'::regclass AND attnum > 0"
    )
    assert [row["attname"] for row in columns] == ["poll", "choice"]
    number = closed.poll.number
    for order in ("ctid", "cmin::text, ctid", "xmin::text, ctid"):
        found = await word_order(hall, f"SELECT choice FROM counted WHERE poll = $1 ORDER BY {order}", number)
        assert sorted(found) == list(range(VOTERS)) and is_chance(found)
    assert await hall.rows.fetchval(
        "SELECT count(DISTINCT (xmin::text, xmax::text, cmin::text)) = 1 FROM counted WHERE poll = $1", number
    )
    assert await hall.rows.fetch("SELECT FROM ballot WHERE poll = $1", number) == []
    assert await hall.rows.fetch("SELECT FROM voted WHERE poll = $1", number) == []
    # Neither does the order of participants, whose rows are made with their first votes, agree with it.
    rows = await hall.rows.fetch(
        "SELECT id FROM participant WHERE event = $1 ORDER BY ctid", closed.event.number
    )
    at = {phone.participant: n for n, phone in enumerate(closed.phones)}
    people = {at[row["id"]]: place for place, row in enumerate(rows)}
    words = await word_order(hall, "SELECT choice FROM counted WHERE poll = $1 ORDER BY ctid", number)
    assert is_chance([people[word] for word in words])


async def test_no_transaction_wrote_both_a_ballot_and_who_voted(hall: Hall, closed: Vote) -> None:
    transactions: dict[str, set[str]] = {}
    for row in await hall.rows.fetch(TABLES):
        table = row["relname"]
        found = await hall.rows.fetch(f'SELECT DISTINCT xmin::text AS x FROM "{table}"')
        transactions[table] = {one["x"] for one in found}
    assert transactions["counted"] and transactions["participant"]
    assert not transactions["counted"] & transactions["participant"]


async def test_a_backup_made_afterwards_holds_no_key_and_no_order(
    hall: Hall, closed: Vote, module_database_url: str, programs: Path
) -> None:
    still_open = await voted(hall)
    dump = await asyncio.to_thread(dumped, module_database_url, programs)
    assert sum(key.hex() in dump for key in still_open.keys) == VOTERS  # before closing it can be done
    assert not any(key.hex() in dump for key in closed.keys)
    lines = dump.splitlines()
    told = [line for line in lines if "Wort" in line and line.startswith(f"{closed.poll.number}\t")]
    assert len(told) == VOTERS and all(re.fullmatch(r'\d+\t\["Wort\d{4}"\]', line) for line in told)
    assert is_chance([int(line[-6:-2]) for line in told])
    people = {str(phone.participant) for phone in closed.phones}
    lines_of_people = [line for line in lines if any(one in line for one in people)]
    assert len(lines_of_people) == VOTERS  # in `participant`, and nowhere else
    assert not any("Wort" in line for line in lines_of_people)
    await hall.close(still_open.poll)


def dumped(url: str, programs: Path) -> str:
    program = binaries.postgresql(programs).bin / "pg_dump"
    return subprocess.run([program, url], check=True, capture_output=True, text=True).stdout


@pytest.mark.skipif(EXTERNAL_DATABASE is not None, reason="its files are not ours to read")
async def test_the_files_of_the_database_hold_no_key_after_closing(
    hall: Hall, module_database_url: str, closed: Vote
) -> None:
    folder = Path(parse_qs(urlsplit(module_database_url).query)["host"][0]).parent
    vote = await voted(hall, 25)
    await checkpoint(module_database_url)
    before = await asyncio.to_thread(in_files, folder, vote.keys)
    assert before == 25  # while the poll is open whoever reads the files can do it
    await hall.close(vote.poll)
    await checkpoint(module_database_url)
    assert await asyncio.to_thread(in_files, folder, vote.keys) == 0
    assert await asyncio.to_thread(in_files, folder, closed.keys[:25]) == 0


async def checkpoint(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CHECKPOINT")
    await connection.close()


def in_files(folder: Path, keys: Sequence[bytes]) -> int:
    """How many of these stand in files of tables and indexes (not in the write-ahead log)."""
    found: set[bytes] = set()
    looked = 0
    for place, _, names in os.walk(folder):
        if "/base/" in f"{place}/":
            for name in names:
                looked += 1
                content = (Path(place) / name).read_bytes()
                found |= {key for key in keys if key in content}
    assert looked > 100, f"no tables in {folder}"
    return len(found)


async def test_who_watches_every_vote_come_sees_no_step_of_less_than_ten(hall: Hall) -> None:
    event = await hall.event()
    poll = await hall.poll(event, secret=True)
    told, steps = 0, []
    for n in range(67):
        await hall.cast(event, poll, Phone(), [poll.options[n % 3].number], other=n % 2 == 0)
        await asyncio.sleep(0.03)
        for whole in (False, True):
            seen = await hall.tally(poll, whole=whole)
            assert sum(seen.options.values()) == seen.told
            if seen.told != told:
                steps.append(seen.told - told)
                told = seen.told
    await hall.close(poll)
    steps.append((await hall.tally(poll)).told - told)
    assert len(steps) > 1 and sum(steps) == 67 and min(steps) >= 10, steps


async def test_an_audit_line_holds_no_choice(hall: Hall, closed: Vote) -> None:
    rows = await hall.rows.fetch("SELECT audit::text FROM tenant_city.audit")
    assert rows and not any("Wort" in row[0] for row in rows)


async def test_closing_that_is_cut_off_has_done_nothing_and_can_be_done_again(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = await hall.event()
    poll = await hall.poll(event, secret=True)
    phones = [Phone() for _ in range(30)]
    for phone in phones:
        await hall.cast(event, poll, phone, [poll.options[0].number])

    async def cut_off(transaction: Transaction, poll: Poll) -> None:
        assert (
            await transaction.connection.fetchval("SELECT count(*) FROM ballot WHERE poll = $1", poll.number)
            == 0
        )
        await transaction.connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as patched:
        patched.setattr(results, "settle", cut_off)
        with pytest.raises(asyncpg.PostgresError):
            await hall.close(poll)
    assert await hall.rows.fetchval("SELECT count(*) FROM counted WHERE poll = $1", poll.number) == 0
    assert (await hall.now(event, poll.number)).state == "open"
    assert (await hall.cast(event, poll, phones[0], [poll.options[1].number], 2)).changed
    await hall.close(poll)
    assert list((await hall.tally(poll)).options.values()) == [29, 1, 0]

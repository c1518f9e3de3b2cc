"""Somebody stays administrator, also where administrators remove each other at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from rhinecloud.bus import Bus
from rhinecloud.files import Files
from rhinecloud.people import organisations
from rhinecloud.people.house import house
from rhinecloud.people.organisations import LastAdministrator
from rhinecloud.people.register import Person
from rhinecloud.people.rights import Rights
from rhinecloud.people.service import People
from rhinecloud.settings import Settings

from .conftest import Community

_WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

Removal = Callable[[People, int, int], Awaitable[bool]]


async def _take(people: People, account: int, city: int) -> bool:
    return await people.take_role(account, city, "administrator", "person:0")


async def _block(people: People, account: int, city: int) -> bool:
    return await people.block(account, "person:0", blocked=True)


async def _delete(people: People, account: int, city: int) -> bool:
    return await people.delete(account, "person:0")


@pytest.mark.parametrize("removal", [_take, _block, _delete])
async def test_who_removes_the_other_waits_for_the_first_and_is_refused(
    community: Community, removal: Removal
) -> None:
    people = community.people
    one, city = await community.settle("Eins", "administrator")
    other, _ = await community.settle("Zwei", "administrator")
    # The first has removed the other, and has not committed yet.
    async with people.keeping_administrators() as transaction:
        await organisations.leave(transaction.connection, other, city, "administrator")
        second = asyncio.create_task(removal(people, one, city))  # type: ignore[arg-type]
        while not await people.room.pool.fetchval(_WAITING):
            assert not second.done(), second
            await asyncio.sleep(0.02)
    with pytest.raises(LastAdministrator):
        await second
    assert await organisations.administrators(people.room.pool) == 1


async def test_however_many_are_removed_at_once_one_is_left(community: Community) -> None:
    people = community.people
    settled = [await community.settle(f"Leitung {number}", "administrator") for number in range(6)]
    ways = [_take, _block, _delete]
    done = await asyncio.gather(
        *(ways[number % 3](people, *one) for number, one in enumerate(settled)), return_exceptions=True
    )
    assert sorted(map(repr, done)) == [repr(LastAdministrator()), *["True"] * 5]
    assert await organisations.administrators(people.room.pool) == 1


async def test_two_administrators_cannot_both_be_erased(
    community: Community, bus: Bus, data_folder: Path
) -> None:
    settings = Settings(data=data_folder)
    files = Files.of_settings(community.database, settings)
    people = community.people
    rights = Rights(people, community.tenants, bus, files, community.jobs, house(), settings)
    one, city = await community.settle("Eins", "administrator")
    other, _ = await community.settle("Zwei", "administrator")
    done = await asyncio.gather(
        *(rights.open("erasure", Person(account), f"person:{account}") for account in (one, other)),
        return_exceptions=True,
    )
    assert [type(result) for result in done].count(LastAdministrator) == 1, done
    # The one whose erasure waits for its job is none any more whom the other could leave the city to.
    left = one if isinstance(done[0], LastAdministrator) else other
    with pytest.raises(LastAdministrator):
        await people.take_role(left, city, "administrator", "person:0")
    assert await organisations.administrators(people.room.pool) == 1

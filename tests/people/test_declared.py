"""No column of the house is undeclared; a new one is found."""

from __future__ import annotations

import pytest

from rhinecloud.people.declared import assert_declared
from rhinecloud.people.house import PEOPLE, TENANT, house
from rhinecloud.people.register import GROUNDS
from rhinecloud.store import Connections, Database, RoomDatabase, Rooms, migrations_in


async def test_every_column_of_the_house_is_declared(database_url: str) -> None:
    database = await Database.open(database_url)
    room = await Rooms(database_url).prepare("room_people", migrations_in("rhinecloud.people"))
    connections = Connections(database_url, 4)
    people = RoomDatabase(connections, room)
    try:
        await assert_declared(database.pool, TENANT)
        await assert_declared(people.pool, PEOPLE)
        await database.pool.execute("ALTER TABLE device ADD COLUMN owner_phone text")
        await people.pool.execute("CREATE TABLE visitor (name text, born date)")
        with pytest.raises(AssertionError, match=r"device\.owner_phone is not declared"):
            await assert_declared(database.pool, TENANT)
        with pytest.raises(AssertionError, match=r"visitor\.born is not declared"):
            await assert_declared(people.pool, PEOPLE)
    finally:
        await people.close()
        await connections.close()
        await database.close()


def test_every_activity_says_what_the_record_needs() -> None:
    for _, activity in house().activities():
        assert activity.ground in GROUNDS and activity.provision and activity.recipients
        texts = [activity.title, activity.purpose, activity.subjects, *activity.recipients]
        texts += [text for holding in activity.holdings for text in (holding.text, holding.retention.text)]
        assert all(german and english for german, english in texts), activity.key

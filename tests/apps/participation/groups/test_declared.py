"""Every column of what groups keep is declared."""

from __future__ import annotations

from rhinecloud.apps.participation.groups import manifest
from rhinecloud.people.declared import columns_of

from ..moderation.conftest import Town


async def test_every_column_is_declared(town: Town) -> None:
    tables = {one.name for one in manifest.HOLDINGS}
    there = {one for one in await columns_of(town.rows, "app_participation") if one[0] in tables}
    declared = {
        (one.name, name)
        for one in manifest.HOLDINGS
        for name in (*(column.name for column in one.columns), *one.impersonal)
    }
    assert there == declared


async def test_members_go_a_year_after_the_groups_end(town: Town) -> None:
    number = await town.group("Ende")
    table = next(one for one in manifest.HOLDINGS if one.name == "member")
    await town.belongs(await town.person("citizen"), number)
    since = f"SELECT {table.retention.since} FROM member WHERE theme_group = $1"
    assert await town.rows.fetchval(since, number) is None
    await town.rows.execute(
        "UPDATE theme_group SET state = 'over', ended_at = now() WHERE number = $1", number
    )
    assert await town.rows.fetchval(since, number) is not None and table.retention.days == 365

"""What is declared of votes is there, and can be found, erased and let go as declared."""

from __future__ import annotations

from rhinecloud.apps.participation.ballots import manifest
from rhinecloud.people.declared import columns_of
from rhinecloud.people.holdings import condition
from rhinecloud.people.register import Person

from .hall import Hall, Phone


async def test_every_column_is_declared(hall: Hall) -> None:
    tables = {one.name for one in manifest.HOLDINGS}
    there = {one for one in await columns_of(hall.rows, "app_participation") if one[0] in tables}
    declared = {
        (one.name, name)
        for one in manifest.HOLDINGS
        for name in (*(column.name for column in one.columns), *one.impersonal)
    }
    assert there == declared


async def test_a_persons_named_votes_are_found_by_mail_and_go_a_year_after_the_event(hall: Hall) -> None:
    event = await hall.event("seat", invitations=2)
    await hall.rows.execute(
        "UPDATE invitation SET mail = 'Wer@Example.org' WHERE event = $1 AND number = 1", event.number
    )
    poll, secret = await hall.poll(event), await hall.poll(event, secret=True)
    phones = [Phone(invitation=n) for n in (1, 2)]
    for phone in phones:
        for one in (poll, secret):
            await hall.cast(event, one, phone, [one.options[0].number])
    person = Person(mails=("wer@example.org",))
    found = {}
    for table in manifest.HOLDINGS:
        where, values = condition(table, person)
        if where:
            rows = await hall.rows.fetch(f'SELECT * FROM "{table.name}" WHERE {where}', *values)
            found[table.name] = [row.get("participant") for row in rows]
    mine = [phones[0].participant]
    assert found == {"vote": mine, "voted": mine, "question": [], "support": []}
    old = {one.name: one.retention.since for one in manifest.HOLDINGS if one.retention.since}
    assert old.keys() == {"vote", "question"}
    for ended, gone in (("now()", 0), ("now() - interval '366 days'", 2)):
        await hall.rows.execute(f"UPDATE event SET ended_at = {ended} WHERE number = $1", event.number)
        late = f"({old['vote']}) < now() - interval '365 days'"
        assert await hall.rows.fetchval(f"SELECT count(*) FROM vote WHERE {late}") == gone

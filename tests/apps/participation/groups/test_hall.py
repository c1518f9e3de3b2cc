"""A hall, one address, nobody with an account: everybody comes into their group by the place that they have."""

from __future__ import annotations

import secrets
from uuid import uuid4

import msgspec

from rhinecloud.apps.participation.joining import passes
from rhinecloud.apps.participation.joining.codes import short_code

from ..moderation.conftest import Town
from .test_belonging import link, state


async def test_thirty_people_of_one_hall_come_in_by_their_places_and_strangers_are_slowed_down(
    town: Town,
) -> None:
    people = 30
    code, key = short_code(), secrets.token_bytes(32)
    event = await town.rows.fetchval(
        "INSERT INTO event (code, title, admission, expected, state, key, created_by) "
        "VALUES ($1, 'Auftakt', 'open', 30, 'open', $2, 'test') RETURNING number",
        code,
        key,
    )
    poll = await town.rows.fetchval(
        "INSERT INTO poll (event, place, kind, title, secret, results, state, rule) "
        "VALUES ($1, 1, 'groups', 'Welche Gruppe?', false, 'live', 'closed', '{}') RETURNING number",
        event,
    )
    option = await town.rows.fetchval(
        "INSERT INTO option (poll, place, title) VALUES ($1, 1, 'Wirtschaft') RETURNING number", poll
    )
    await town.rows.execute("INSERT INTO published (poll, way, published_at) VALUES ($1, 'lot', now())", poll)
    cookies = []
    for position in range(people):
        who = uuid4()
        await town.rows.execute(
            "INSERT INTO participant (event, id, kind) VALUES ($1, $2, 'person')", event, who
        )
        await town.rows.execute(
            "INSERT INTO placement (poll, event, participant, ticket, kind, position, wishes, rank) "
            "VALUES ($1, $2, $3, $4, 'person', $5, $6, 1)",
            *(poll, event, who, f"T{position}", position, [option]),
        )
        cookies.append({"Cookie": f"vote-{code}={passes.write(key, passes.Pass(who, b's' * 16))}"})
    organiser = await town.person("editor")
    answer = await organiser.post(f"/participation/polls/{poll}/groups")
    assert answer.headers["location"].endswith("made=1")
    hall = town.anybody()
    path = f"/participation/e/{code}/group"
    for number, cookie in enumerate(cookies):
        given = {"name": f"Gast {number}", "mail": f"guest{number}@hall.example"}
        answer = await hall.post(path, data=given, headers=cookie)
        assert (answer.status_code, answer.headers.get("location")) == (
            303,
            "/participation/groups/wirtschaft?done=written",
        ), answer.text
    shown = await link(town, "guest7@hall.example")
    await hall.post("/participation/groups/wirtschaft/own", data={"m": shown, "action": "confirm"})
    assert await state(town, "guest7@hall.example") == "member"
    told = await town.rows.fetchval("SELECT told FROM theme_group WHERE name = 'wirtschaft'")
    assert msgspec.json.decode(told)["memberCount"]["value"] == 1
    # A place that was used sends no more letters than a stranger may.
    answers = [
        await hall.post(path, data={"name": "x", "mail": f"more{number}@hall.example"}, headers=cookies[0])
        for number in range(25)
    ]
    assert answers[0].status_code == 303 and answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0
    assert (
        await town.rows.fetchval(
            "SELECT count(*) FROM member WHERE placed AND mail LIKE 'more%@hall.example'"
        )
        == 0
    )

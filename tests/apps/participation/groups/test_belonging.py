"""Coming into a group: with and without an account, by a letter that arrives, by an invitation; consents; leaving."""

from __future__ import annotations

import json
import re

import asyncpg
import pytest

from rhinecloud.apps.participation import app
from rhinecloud.apps.participation.groups.manifest import HOLDINGS
from rhinecloud.people import holdings
from rhinecloud.people.register import Person as Subject
from tests.mail.servers import Taken

from ..moderation.conftest import Person, Town, words_of

LINK = re.compile(r"/own\?m=(\S+)")


async def made(town: Town, title: str) -> tuple[Person, str]:
    """Who organises, and the path of a new group."""
    organiser = await town.person("editor")
    answer = await organiser.post("/participation/groups/new", data={"title": title})
    assert answer.status_code == 303, answer.text
    return organiser, answer.headers["location"].partition("?")[0]


async def state(town: Town, mail: str) -> str | None:
    found: str | None = await town.rows.fetchval("SELECT state FROM member WHERE mail = $1", mail)
    return found


async def link(town: Town, mail: str, count: int = 1) -> str:
    """The link in the newest letter to somebody."""
    taken: Taken = (await town.letters(mail, count))[-1]
    found = LINK.search(words_of(taken))
    assert found is not None, words_of(taken)
    return found[1]


async def test_without_an_account_a_letter_is_followed_and_a_moderator_accepts(town: Town) -> None:
    organiser, path = await made(town, "Wohnen & Quartier")
    assert path == "/participation/groups/wohnen-quartier"
    somebody = town.anybody()
    given = {"name": "Ada", "mail": "ada@example.org", "organisation": "Verein", "kind": "club"}
    answer = await somebody.post(f"{path}/join", data=given)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=written")
    shown = await link(town, "ada@example.org")
    assert await state(town, "ada@example.org") == "unconfirmed"
    # Programs that follow links in letters confirm nothing.
    assert "Sind Sie das?" in (await somebody.get(f"{path}/own?m={shown}")).text
    assert await state(town, "ada@example.org") == "unconfirmed"
    confirmed = {"m": shown, "action": "confirm", "consent-newsletter": "on"}
    assert (await somebody.post(f"{path}/own", data=confirmed)).status_code == 303
    assert await state(town, "ada@example.org") == "requested"
    assert "Ada" not in (await somebody.get(f"{path}?m={shown}")).text
    number = await town.rows.fetchval("SELECT number FROM member WHERE mail = 'ada@example.org'")
    accepted = {"action": "accept", "member": str(number)}
    assert (await somebody.post(f"{path}/members", data=accepted)).status_code == 303  # to the sign-in
    assert await state(town, "ada@example.org") == "requested"
    assert (await organiser.post(f"{path}/members", data=accepted)).status_code == 303
    assert await state(town, "ada@example.org") == "member"
    assert await link(town, "ada@example.org", 2) == shown
    assert "Ada, Verein" in (await somebody.get(f"{path}?m={shown}")).text
    assert "Ada" not in (await somebody.get(path)).text
    row = await town.rows.fetchrow(
        "SELECT newsletter_at, photographs_at FROM member WHERE number = $1", number
    )
    assert row["newsletter_at"] is not None and row["photographs_at"] is None
    withdrawn = {"m": shown, "action": "consents", "consent-photographs": "on"}
    assert (await somebody.post(f"{path}/own", data=withdrawn)).status_code == 303
    row = await town.rows.fetchrow(
        "SELECT newsletter_at, photographs_at FROM member WHERE number = $1", number
    )
    assert row["newsletter_at"] is None and row["photographs_at"] is not None
    assert (await somebody.post(f"{path}/own", data={"m": shown, "action": "leave"})).status_code == 303
    assert await state(town, "ada@example.org") is None
    assert (await somebody.get(f"{path}/own?m={shown}")).status_code == 404


async def test_the_form_does_not_tell_whose_address_is_known_and_writes_once(town: Town) -> None:
    _, path = await made(town, "Breitband")
    for name in ("Ada", "Mallory"):
        answer = await town.anybody().post(f"{path}/join", data={"name": name, "mail": "Twice@example.org"})
        assert answer.headers["location"] == f"{path}?done=written"
    assert (
        await town.rows.fetchval("SELECT name FROM member WHERE lower(mail) = 'twice@example.org'") == "Ada"
    )
    letters = await town.letters("Twice@example.org", 1)
    assert "Ada" not in words_of(letters[0])  # a stranger's words


async def test_with_an_account_one_asks_and_the_groups_moderator_accepts(town: Town) -> None:
    organiser, path = await made(town, "Verwaltung")
    ada, ben = await town.person("citizen"), await town.person("citizen")
    await town.belongs(ben, await group(town, path), "moderator")
    assert (
        (await ada.post(f"{path}/join", data={"name": "Ada"}))
        .headers["location"]
        .endswith("own?done=requested")
    )
    number = await town.rows.fetchval("SELECT number FROM member WHERE account = $1", ada.id)
    page = await ben.get(f"{path}/members")
    assert page.status_code == 200 and "Ada" in page.text
    assert (await ada.get(f"{path}/members")).status_code == 403
    assert (
        await ada.post(f"{path}/members", data={"action": "accept", "member": str(number)})
    ).status_code == 403
    assert (
        await ben.post(f"{path}/members", data={"action": "accept", "member": str(number)})
    ).status_code == 303
    words = words_of((await town.letters(ada.mail))[0])
    assert "Sie gehören jetzt zur Themengruppe Verwaltung" in words
    assert (ben.id, "group.accept") in await town.audited(f"group:{await group(town, path)}")
    # A speaker is named in public with their consent only.
    speaker = {"action": "role", "member": str(number), "role": "speaker"}
    await organiser.post(f"{path}/members", data=speaker)
    assert "Ada" not in (await town.anybody().get(path)).text
    await ada.post(f"{path}/own", data={"action": "consents", "consent-named": "on"})
    assert "Ada" in (await town.anybody().get(path)).text
    # Nobody else's membership is reached by a number.
    assert (await ben.get(f"{path}/own?m={number}.{'0' * 32}")).text.count("Ada") == 0


async def test_whoever_must_not_is_led_to_the_sign_in_and_back(town: Town) -> None:
    _, path = await made(town, "Energie")
    for rest in ("/members", "/edit", "/own", "/meetings/new"):
        answer = await town.anybody().get(path + rest)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={path}{rest}")


async def test_an_invitation_is_accepted_with_consents_or_refused(town: Town) -> None:
    organiser, path = await made(town, "Infrastruktur")
    for name in ("yes", "no"):
        given = {"action": "invite", "name": name, "mail": f"{name}@invited.example", "role": "speaker"}
        assert (
            (await organiser.post(f"{path}/members", data=given)).headers["location"].endswith("done=invited")
        )
    assert (await organiser.post(f"{path}/members", data=given)).headers["location"].endswith("done=known")
    yes, no = await link(town, "yes@invited.example"), await link(town, "no@invited.example")
    somebody = town.anybody()
    await somebody.post(f"{path}/own", data={"m": yes, "action": "confirm", "consent-named": "on"})
    await somebody.post(f"{path}/own", data={"m": no, "action": "leave"})
    assert await state(town, "yes@invited.example") == "member"
    assert await state(town, "no@invited.example") is None
    entity = await entity_of(town, path)
    assert entity["memberCount"]["value"] == 1 and "yes" not in json.dumps(entity)


async def test_news_come_to_whom_consents_only_and_end_by_their_link(town: Town) -> None:
    organiser, path = await made(town, "Digitales")
    yes, no = await town.person("citizen"), await town.person("citizen")
    await yes.post(f"{path}/join", data={"name": "Ja", "consent-newsletter": "on"})
    await no.post(f"{path}/join", data={"name": "Nein", "consent-photographs": "on"})
    await town.rows.execute(
        "UPDATE member SET state = 'member', joined_at = now() WHERE name IN ('Ja', 'Nein')"
    )
    news = {"action": "news", "subject": "Treffen", "text": "Wir treffen uns.\n\n<b>Bis bald</b>"}
    assert (await yes.post(f"{path}/members", data=news)).status_code == 403
    empty = await organiser.post(f"{path}/members", data=news | {"text": " "})
    assert empty.status_code == 422 and 'value="Treffen"' in empty.text
    assert (await organiser.post(f"{path}/members", data=news)).headers["location"].endswith("done=news")
    words = words_of((await town.letters(yes.mail))[0])
    assert "Wir treffen uns." in words
    shown = LINK.search(words)
    assert shown is not None
    await town.anybody().post(f"{path}/own", data={"m": shown[1], "action": "consents"})
    await organiser.post(f"{path}/members", data=news)
    await town.letters(no.mail, 0)
    await town.letters(yes.mail, 1)
    told = await town.rows.fetch(
        "SELECT detail FROM tenant_city.audit WHERE action = 'participation.group.news'"
    )
    assert [json.loads(row["detail"])["letters"] for row in told] == [1, 0]


async def test_bad_input_is_answered_clearly_and_nothing_is_lost(town: Town) -> None:
    organiser, path = await made(town, "Klima")
    somebody = town.anybody()
    for field, text in (
        ("name", "x" * 1_000_000),
        ("name", "a\x00b"),
        ("name", "  "),
        ("mail", "nobody"),
        ("mail", "a@b.c\nBcc: d@e.f"),
        ("mail", "a@-.example"),
        ("kind", "king"),
    ):
        given = {"name": "Ada", "mail": "ada@bad.example", "organisation": "kept"} | {field: text}
        answer = await somebody.post(f"{path}/join", data=given)
        assert answer.status_code == 422 and 'value="kept"' in answer.text, (field, text[:20])
    assert await town.rows.fetchval("SELECT count(*) FROM member WHERE mail LIKE '%bad.example'") == 0
    markup = {"title": "<script>alert(1)</script>", "about": "<b>x</b>\n\nzwei", "state": "active"}
    assert (await organiser.post(f"{path}/edit", data=markup)).status_code == 303
    page = (await somebody.get(path)).text
    assert "<script>alert" not in page and "<b>x</b>" not in page and "<p>zwei</p>" in page
    for wrong in (
        f"{path}/members?x={'9' * 30}",
        "/participation/groups/nowhere",
        "/participation/groups/%00",
    ):
        assert (await organiser.get(wrong)).status_code in (200, 404)
    for number in ("9" * 30, "-1", "x", ""):
        answer = await organiser.post(f"{path}/members", data={"action": "accept", "member": number})
        assert answer.headers["location"].endswith("done=gone")


async def test_what_is_kept_of_somebody_is_found_and_erased(town: Town) -> None:
    _, path = await made(town, "Sport")
    ada = await town.person("citizen")
    await ada.post(f"{path}/join", data={"name": "Ada"})
    own = await asyncpg.create_pool(
        town.server.database_url, min_size=1, max_size=1, server_settings={"search_path": "app_participation"}
    )
    reach = holdings.Reach({"app_participation": own}, None, None, None)  # type: ignore[arg-type]
    table = next(one for one in HOLDINGS if one.name == "member")
    somebody = Subject(account=ada.account, mails=(ada.mail or "",))
    rows = await holdings.rows(reach, "app_participation", table, somebody)
    assert [row["name"] for row in rows] == ["Ada"]
    assert await holdings.erase(reach, "app_participation", table, somebody) == 1
    assert await town.rows.fetchval("SELECT count(*) FROM member WHERE account = $1", ada.id) == 0
    await own.close()


def test_all_is_declared_and_translated() -> None:
    assert {one.name for one in HOLDINGS} == {"member", "place_used", "theme_group"}
    assert "participation.take_part" in app.granted["citizen"]


async def group(town: Town, path: str) -> int:
    number: int = await town.rows.fetchval(
        "SELECT number FROM theme_group WHERE name = $1", path.rpartition("/")[2]
    )
    return number


async def entity_of(town: Town, path: str) -> dict[str, dict[str, object]]:
    told = await town.rows.fetchval("SELECT told FROM theme_group WHERE name = $1", path.rpartition("/")[2])
    return dict(json.loads(told))


@pytest.mark.parametrize("action", ["", "confirm", "explode"])
async def test_an_account_cannot_confirm_what_a_letter_has_to(town: Town, action: str) -> None:
    _, path = await made(town, f"Kultur {action}")
    ada = await town.person("citizen")
    await ada.post(f"{path}/join", data={"name": "Ada"})
    assert (await ada.post(f"{path}/own", data={"action": action})).status_code == 400
    assert await town.rows.fetchval("SELECT state FROM member WHERE account = $1", ada.id) == "requested"


async def test_an_address_that_went_to_another_account_takes_no_membership_with_it(town: Town) -> None:
    _, path = await made(town, "Bildung")
    before, after = await town.person("citizen"), await town.person("citizen", mail=False)
    await before.post(f"{path}/join", data={"name": "Vorher"})
    await after.post(f"{path}/join", data={"name": "Nachher"})
    await town.rows.execute("UPDATE room_people.account SET mail = NULL WHERE id = $1", before.account)
    await town.rows.execute(
        "UPDATE room_people.account SET mail = $2 WHERE id = $1", after.account, before.mail
    )
    assert (await after.post(f"{path}/join", data={"name": "Nachher"})).status_code == 303
    rows = await town.rows.fetch(
        "SELECT name, mail, account FROM member WHERE account = ANY($1) ORDER BY number",
        [before.id, after.id],
    )
    assert [tuple(row) for row in rows] == [
        ("Vorher", None, before.id),
        ("Nachher", before.mail, after.id),
    ]

"""Places on a real server: the draw, publishing, leaving, moving up, letters."""

from __future__ import annotations

import asyncio
import csv
import email
import email.policy
import hashlib
import io
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from rhinecloud.apps.participation import app
from rhinecloud.apps.participation.choosing import drawing, manifest, rules
from rhinecloud.apps.participation.choosing.rules import settle
from rhinecloud.apps.participation.events.model import Option

from ..conftest import THEMES, Organiser, filled, told
from .conftest import Vote, Voting


def options(vote: Vote, capacity: int = 3) -> list[Option]:
    return [Option(number, title, capacity) for number, title in zip(vote.options, THEMES, strict=True)]


def published(vote: Vote, word: str = "Rhein") -> None:
    vote.organiser.close(vote.event, vote.poll)
    assert vote.act("word", word=word).status_code == 303
    assert vote.act("publish", way="lot").status_code == 303


def places(vote: Vote) -> list[dict[str, str]]:
    """What everybody sees, as CSV."""
    text = vote.organiser.client.get(f"{vote.path}/places.csv").content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text), delimiter=";"))


def assert_full_and_fair(vote: Vote, settlement: rules.Settlement) -> None:
    """The server's places are those of the rule."""
    titles = {None: ""} | {one.number: one.title for one in settlement.options}
    found = {
        line["ticket"]: (line["group"], line["wish"]) for line in places(vote) if line["state"] != "left"
    }
    assert found == {
        one.who.ticket: (titles[one.option], str(one.rank or "")) for one in settlement.standings
    }


def test_from_the_vote_to_places_that_everybody_can_check(voting: Voting) -> None:
    vote = voting(people=40)
    page = vote.organiser.client.get(vote.path).text
    committed = vote.rule["seed"]
    assert len(committed) == 64 and committed in page
    seed = vote.organiser.rows("SELECT seed FROM app_participation.draw WHERE poll = $1", vote.poll)[0][0]
    assert hashlib.sha256(seed.hex().encode()).hexdigest() == committed

    # While people vote there is no draw, and no way to one.
    assert vote.act("word", word="Rhein").status_code == 422
    assert vote.phone(vote.wishes[0].participant).get(f"{vote.path}/own").status_code == 204
    vote.organiser.close(vote.event, vote.poll)
    assert "Wort aus dem Saal fehlt noch" in vote.organiser.client.get(vote.desk).text
    assert vote.act("publish", way="lot").status_code == 422
    assert vote.act("word", word=" \n ").status_code == 422
    assert vote.act("word", word="  Rhein \n und Ruhr").status_code == 303
    assert vote.act("word", word="Elbe").status_code == 422
    word = vote.organiser.rows("SELECT word FROM app_participation.draw WHERE poll = $1", vote.poll)[0][0]
    assert word == "Rhein und Ruhr"

    # The secret is still one, and nobody votes any more who could know the order.
    for path in (vote.path, vote.desk):
        assert seed.hex() not in vote.organiser.client.get(path).text
    steered = {"action": "open", "poll": str(vote.poll)}
    refused = vote.organiser.client.post(f"/participation/events/{vote.event}/remote", data=steered)
    assert "Die Plätze sind schon verlost" in refused.text
    state = vote.organiser.rows("SELECT state FROM app_participation.poll WHERE number = $1", vote.poll)[0][0]
    assert state == "closed"

    # Only what was announced can be published.
    compared = vote.organiser.client.get(vote.desk).text
    assert "Die Reihenfolge der Anmeldung wurde nicht festgehalten" in compared
    for way in ("arrival", "solver"):
        assert vote.act("publish", way=way).status_code == 422
    assert vote.act("publish", way="magic").status_code == 400
    assert vote.act("publish", way="lot").status_code == 303
    assert vote.act("publish", way="lot").status_code == 422

    page = vote.organiser.client.get(vote.path).text
    assert seed.hex() in page and "Rhein und Ruhr" in page
    tickets = vote.organiser.client.get(f"{vote.path}/tickets.txt").text.split()
    assert tickets == sorted(one.ticket for one in vote.wishes)
    assert [line["ticket"] for line in places(vote)] == drawing.order(seed, "Rhein und Ruhr", tickets)
    settlement = settle(vote.drawn(), options(vote))
    assert_full_and_fair(vote, settlement)
    for one in settlement.standings[:5] + settlement.standings[-5:]:
        own = vote.own(one.who.participant)
        assert (own["ticket"], own.get("option"), own.get("rank")) == (one.who.ticket, one.option, one.rank)
        assert [ahead["option"] for ahead in own["ahead"]] == list(one.waits_for)
        for ahead in own["ahead"]:
            queue = [other.who.ticket for other in rules.waiting(settlement, ahead["option"])]
            assert queue[ahead["place"] - 1] == own["ticket"]
    lines = vote.organiser.rows("SELECT count(*) FROM app_participation.placement WHERE poll = $1", vote.poll)
    assert lines[0][0] == 40


def test_who_leaves_makes_room_for_the_next_at_once(voting: Voting) -> None:
    vote = voting(people=40)
    published(vote)
    settlement = settle(vote.drawn(), options(vote))
    leaver = next(
        one for one in settlement.standings if one.rank == 1 and rules.waiting(settlement, one.option or 0)
    )
    expected, moves = rules.leave(settlement, leaver.who.participant)
    phone = vote.phone(leaver.who.participant)
    given = {"poll": str(vote.poll), "act": "leave"}
    stranger = httpx.Client(base_url=vote.organiser.url, headers={"Sec-Fetch-Site": "same-origin"})
    assert stranger.post(f"/participation/e/{vote.code}/leave", data=given).status_code == 403
    stranger.close()
    assert (
        phone.post(f"/participation/e/{vote.code}/leave", data=given)
        .headers["location"]
        .endswith("done=leave")
    )
    assert_full_and_fair(vote, expected)
    assert vote.own(leaver.who.participant)["state"] == "left"
    assert vote.own(moves[0].participant)["rank"] == moves[0].rank
    # A second time, or by two fingers, nothing more happens.
    again = phone.post(f"/participation/e/{vote.code}/leave", data=given)
    assert again.headers["location"] == vote.path
    assert_full_and_fair(vote, expected)
    assert "Sie haben Ihren Platz aufgegeben" in phone.get(vote.path).text


def test_who_stays_is_passed_over(voting: Voting) -> None:
    vote = voting(people=40)
    published(vote)
    settlement = settle(vote.drawn(), options(vote))
    content = next(one for one in settlement.standings if one.rank is not None and one.rank > 1)
    vote.phone(content.who.participant).post(
        f"/participation/e/{vote.code}/leave", data={"poll": str(vote.poll), "act": "stay"}
    )
    assert vote.own(content.who.participant)["ahead"] == []
    settlement = rules.stay(settlement, content.who.participant)
    for one in [one for one in settlement.standings if one.rank == 1][:6]:
        vote.phone(one.who.participant).post(
            f"/participation/e/{vote.code}/leave", data={"poll": str(vote.poll), "act": "leave"}
        )
        settlement, _ = rules.leave(settlement, one.who.participant)
    assert_full_and_fair(vote, settlement)
    assert vote.own(content.who.participant)["rank"] == content.rank


def test_many_who_leave_at_the_same_moment_lose_nobodys_place(voting: Voting) -> None:
    vote = voting(people=60)
    published(vote)
    settlement = settle(vote.drawn(), options(vote))
    leavers = [one for one in settlement.standings if one.rank is not None][::2]
    phones = [vote.phone(one.who.participant) for one in leavers]
    given = {"poll": str(vote.poll), "act": "leave"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda phone: phone.post(f"/participation/e/{vote.code}/leave", data=given).status_code,
                phones,
            )
        )
    assert answers == [303] * len(leavers)
    kept = [line for line in places(vote) if line["state"] != "left"]
    assert len(kept) == 60 - len(leavers)
    taken = {title: sum(line["group"] == title for line in kept) for title in THEMES}
    waited = {title: sum(f"{title} (" in line["waiting for"] for line in kept) for title in THEMES}
    for title in THEMES:
        assert taken[title] <= 3
        assert taken[title] == 3 or waited[title] == 0


def test_the_organiser_gives_up_a_place_and_the_audit_does_not_say_which(voting: Voting) -> None:
    vote = voting(people=40)
    published(vote)
    settlement = settle(vote.drawn(), options(vote))
    one = next(one for one in settlement.standings if one.rank == 1)
    assert vote.act("release", ticket="AAAA-AAAA").status_code == 422
    assert vote.act("release", ticket=one.who.ticket.lower().replace("-", " ")).status_code == 303
    assert_full_and_fair(vote, rules.leave(settlement, one.who.participant)[0])
    lines = [str(dict(row)) for row in audited(vote.organiser, vote.poll)]
    assert sum("places.release" in line for line in lines) == 1
    assert not [line for line in lines if one.who.ticket in line or any(title in line for title in THEMES)]


def audited(organiser: Organiser, poll: int) -> list[Any]:
    table = organiser.rows(
        "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relname = 'audit' AND c.relkind IN ('r', 'p')"
    )[0][0]
    return organiser.rows(f"SELECT * FROM {table}.audit WHERE subject = $1", f"poll:{poll}")


def test_a_capacity_goes_up_and_who_waits_moves_up_and_never_below_what_is_taken(voting: Voting) -> None:
    vote = voting(people=40)
    published(vote)
    settlement = settle(vote.drawn(), options(vote))
    page = vote.organiser.client.get(f"/participation/polls/{vote.poll}").text
    fewer = filled(page) | {"option-0-capacity": "2"}
    refused = vote.organiser.client.post(f"/participation/polls/{vote.poll}", data=fewer)
    assert refused.status_code == 422 and any(
        "3 Plätze sind schon vergeben" in one for one in told(refused.text)
    )
    assert_full_and_fair(vote, settlement)
    vote.organiser.post(f"/polls/{vote.poll}", **(filled(page) | {"option-0-capacity": "5"}))
    more = [Option(one.number, one.title, 5 if at == 0 else 3) for at, one in enumerate(settlement.options)]
    expected, moves = rules.offer(settlement, more)
    assert moves
    assert_full_and_fair(vote, expected)


def test_reserved_places_and_arrival_and_the_solver(voting: Voting) -> None:
    vote = voting(people=60, by="arrival", solver="on", **{"option-0-club": "2", "option-1-club": "1"})
    vote.organiser.close(vote.event, vote.poll)
    page = vote.organiser.client.get(vote.desk).text
    assert "Das Wort aus dem Saal" not in page.partition("<h2")[0]
    offered = [
        Option(one.number, one.title, 3, {"club": 2} if at == 0 else {"club": 1} if at == 1 else {})
        for at, one in enumerate(options(vote))
    ]
    by_arrival = settle(vote.wishes, offered)
    assert vote.act("publish", way="solver").status_code == 303
    found = places(vote)
    assert [line["ticket"] for line in found] == [one.ticket for one in vote.wishes]
    placed = sum(line["state"] == "placed" for line in found)
    assert placed >= sum(one.rank is not None for one in by_arrival.standings)
    assert all(sum(line["group"] == title for line in found) <= 3 for title in THEMES)
    assert "Ein Rechenverfahren hat die Plätze so verteilt" in vote.organiser.client.get(vote.path).text


def test_letters_say_once_each_time_that_a_place_changed(voting: Voting) -> None:
    vote = voting(people=12, capacity=1, wishes=2)
    for number, one in enumerate(vote.wishes, 1):
        vote.organiser.rows(
            "INSERT INTO app_participation.invitation (event, number, name, mail) VALUES ($1, $2, $3, $4)",
            vote.event,
            number,
            f"Gast {number} <b>",
            f"guest-{vote.event}-{number}@example.org" if number != 12 else None,
        )
        vote.organiser.rows(
            "UPDATE app_participation.participant SET invitation = $3 WHERE event = $1 AND id = $2",
            vote.event,
            one.participant,
            number,
        )
    published(vote)
    assert wait_for_letters(vote, 11) == 11
    settlement = settle(vote.drawn(), options(vote, 1))
    leaver = next(
        one for one in settlement.standings if one.rank == 1 and rules.waiting(settlement, one.option or 0)
    )
    _, moves = rules.leave(settlement, leaver.who.participant)
    vote.phone(leaver.who.participant).post(
        f"/participation/e/{vote.code}/leave", data={"poll": str(vote.poll), "act": "leave"}
    )
    numbers = {one.participant: number for number, one in enumerate(vote.wishes, 1)}
    written = sum(numbers[move.participant] != 12 for move in moves)
    assert wait_for_letters(vote, 11 + written) == 11 + written
    for row in letters(vote):
        message = email.message_from_bytes(row["message"], policy=email.policy.default)
        text, page = (part.get_content() for part in message.iter_parts())
        assert "Ihre Losnummer: " in text and "Gast" in text
        assert "Gast" not in page or "&lt;b&gt;" in page


def letters(vote: Vote) -> list[Any]:
    table = vote.organiser.rows(
        "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'mail' "
    )[0][0]
    return vote.organiser.rows(
        f"SELECT message FROM {table}.mail WHERE recipient LIKE $1",
        f"guest-{vote.event}-%",
    )


def wait_for_letters(vote: Vote, number: int) -> int:
    """Until so many are written and nothing is left to write."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        untold = vote.organiser.rows(
            "SELECT count(*) FROM app_participation.placement WHERE poll = $1 AND NOT told", vote.poll
        )[0][0]
        if untold == 0 and len(letters(vote)) >= number:
            break
        time.sleep(0.1)
    return len(letters(vote))


async def test_who_looks_is_shown_it_at_once(voting: Voting) -> None:
    vote = voting(people=40)
    published(vote)
    settlement = settle(vote.drawn(), options(vote))
    leaver = next(
        one for one in settlement.standings if one.rank == 1 and rules.waiting(settlement, one.option or 0)
    )
    async with httpx.AsyncClient(base_url=vote.organiser.url, timeout=30) as client:
        path = f"/live/participation/places/{vote.poll}"
        async with client.stream("GET", path, headers={"Accept-Language": "de"}) as events:
            chunks = events.aiter_text()
            text = await anext(chunks)
            while "3 von 3" not in text:
                text += await anext(chunks)
            await asyncio.to_thread(vote.act, "release", ticket=leaver.who.ticket)
            async with asyncio.timeout(20):
                more = ""
                while "Wirtschaft" not in more:
                    more += await anext(chunks)


def test_members_are_for_the_organiser_and_on_record(voting: Voting) -> None:
    vote = voting(people=10)
    published(vote)
    text = vote.organiser.client.get(f"{vote.desk}/members.csv").content.decode("utf-8-sig")
    assert len(list(csv.DictReader(io.StringIO(text), delimiter=";"))) == 10
    assert sum("places.members" in str(dict(row)) for row in audited(vote.organiser, vote.poll)) == 1


def test_who_may_do_what() -> None:
    """Nobody comes to the organiser's pages as everybody, and only phones that are known leave."""
    pages = {(page.path, page.method): page for page in app.pages}
    for page in manifest.PAGES:
        assert pages[page.path, page.method] is page
        assert page.permission == ("participation.organise" if page.path.startswith("/polls/") else "public")
        assert (page.known is not None) == (page.method == "POST" and page.permission == "public")


def test_what_is_not_there_is_404(voting: Voting, organiser: Organiser) -> None:
    vote = voting(people=1)
    other = organiser.poll(vote.event, "single")
    for path in (
        f"/participation/polls/{other}/places",
        f"/participation/polls/{2**70}/places",
        f"/participation/e/{vote.code}/places/{other}",
        f"/participation/e/{vote.code}/places/{2**70}",
        f"{vote.path}/tickets.txt",
        f"{vote.path}/places.csv",
        f"/participation/e/ZZZZZZ/places/{vote.poll}",
    ):
        assert organiser.client.get(path).status_code == 404, path
    phone = vote.phone(vote.wishes[0].participant)
    for given, status in (({"poll": "x"}, 404), ({"poll": "9" * 30}, 404), ({"poll": str(vote.poll)}, 400)):
        assert phone.post(f"/participation/e/{vote.code}/leave", data=given).status_code == status

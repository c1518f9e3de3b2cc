"""The organiser's pages on a real server: forms, what they refuse, and what follows from them."""

from __future__ import annotations

import re

from ..conftest import THEMES, Organiser, filled, told
from ..stage.conftest import Phones, phones

__all__ = ["phones"]  # fixtures

NASTY = "<script>alert('x')</script> & \"Auftakt\""


def test_an_event_is_made_changed_and_removed(organiser: Organiser) -> None:
    number, code = organiser.event(NASTY, template="opening")
    page = organiser.client.get(f"/participation/events/{number}").text
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert re.findall(r'/participation/polls/\d+">([^<]+)<', page) == [
        "In welcher Themengruppe möchten Sie mitarbeiten?",
        "Was fällt Ihnen zur Stadt der Zukunft ein?",
        "Ihre Fragen an die Bühne",
    ]
    given = {
        "title": "Auftakt",
        "admission": "seat",
        "expected": "80",
        "starts_at": "2026-07-01T18:30",
        "lead": "Los",
    }
    assert organiser.post(f"/events/{number}", **given).endswith("?done=kept")
    kept = filled(organiser.client.get(f"/participation/events/{number}").text)
    assert {name: kept[name] for name in given} == given
    assert code in organiser.client.get("/participation").text
    for wrong in ({"title": ""}, {"expected": "0"}, {"starts_at": "bald"}, {"admission": "alle"}):
        answer = organiser.client.post(f"/participation/events/{number}", data=given | wrong)
        assert answer.status_code == 422 and told(answer.text), wrong

    assert organiser.post(f"/events/{number}/act", action="delete") == "/participation?done=deleted"
    assert organiser.client.get(f"/participation/events/{number}").status_code == 404
    assert organiser.rows("SELECT 1 FROM app_participation.poll WHERE event = $1", number) == []
    acts = [row["action"] for row in organiser.rows(
        "SELECT action FROM tenant_city.audit WHERE subject = $1 ORDER BY id", f"event:{number}"
    )]  # fmt: skip
    assert acts == [f"participation.{act}_event" for act in ("create", "edit", "delete")]


def test_an_event_without_polls_is_removed(organiser: Organiser) -> None:
    number, _ = organiser.event()
    assert organiser.post(f"/events/{number}/act", action="delete") == "/participation?done=deleted"


def test_in_english_an_event_begins_in_english(organiser: Organiser) -> None:
    english = {"Accept-Language": "en"}
    given = {"title": "Opening", "template": "opening", "admission": "open", "expected": "150"}
    answer = organiser.client.post("/participation/events/new", data=given, headers=english)
    page = organiser.client.get(answer.headers["location"], headers=english).text
    assert "Which theme group would you like to join?" in page and "The event is made." in page


def test_a_poll_keeps_what_its_form_says(organiser: Organiser) -> None:
    event, _ = organiser.event()
    groups = organiser.poll(
        event,
        "groups",
        title="Wo?",
        wishes="2",
        by="arrival",
        solver="on",
        **{"option-0-capacity": "25", "option-0-club": "5", "option-2-title": ""},
    )
    row = organiser.rows("SELECT kind, title, secret, rule::text AS rule FROM app_participation.poll WHERE number = $1",
                         groups)[0]  # fmt: skip
    assert (row["kind"], row["title"], row["secret"]) == ("groups", "Wo?", False)
    assert (
        '"by": "arrival"' in row["rule"] and '"solver": true' in row["rule"] and '"wishes": 2' in row["rule"]
    )
    assert list(organiser.options(groups)) == [one for one in THEMES if one != "Wohnen"]
    kept = filled(organiser.client.get(f"/participation/polls/{groups}").text)
    assert (kept["option-0-capacity"], kept["option-0-club"], kept["option-1-capacity"]) == ("25", "5", "")
    # More rows lose nothing that was typed and write nothing.
    path = f"/participation/polls/{groups}"
    more = organiser.client.post(path, data=kept | {"option-5-title": "Neu", "more": "1"})
    assert more.status_code == 200
    assert filled(more.text)["option-5-title"] == "Neu" and "Neu" not in organiser.options(groups)
    single = organiser.poll(event, "single", options="Ja\n\nNein\n", secret="yes", results="reveal")
    assert list(organiser.options(single)) == ["Ja", "Nein"]
    answer = organiser.client.post(f"/participation/polls/{single}", data=kept | {"options": "Ja\nJa"})
    assert answer.status_code == 422 and "Zwei Antworten heißen gleich." in answer.text
    assert organiser.client.get(f"/participation/events/{event}/polls/new?template=none").status_code == 404


def test_an_open_poll_keeps_what_people_were_told(organiser: Organiser) -> None:
    event, _ = organiser.event()
    poll = organiser.poll(event, "groups", **{"option-0-capacity": "25"})
    numbers = organiser.options(poll)
    organiser.open(event, poll)
    path = f"/participation/polls/{poll}"
    given = filled(organiser.client.get(path).text)
    organiser.post(f"/polls/{poll}", **given | {"option-0-capacity": "30", "option-1-capacity": "7"})
    assert filled(organiser.client.get(path).text)["option-0-capacity"] == "30"
    assert organiser.options(poll) == numbers, "who chose one of them still means the same"
    for change in (
        {"title": "Anders"},
        {"option-0-title": "Anders"},
        {"option-5-title": ""},
        {"by": "arrival"},
    ):
        answer = organiser.client.post(path, data=given | change)
        assert answer.status_code == 422, change
        assert "bleibt, wie es ist" in answer.text
    removing = organiser.client.post(f"{path}/delete")
    assert removing.status_code == 422 and "zuerst die Abstimmung schließen" in removing.text
    assert (
        organiser.client.post(f"/participation/events/{event}/act", data={"action": "delete"}).status_code
        == 422
    )
    admission = {"title": "x", "admission": "seat", "expected": "150"}
    changed = organiser.client.post(f"/participation/events/{event}", data=admission)
    assert changed.status_code == 422 and "Der Zugang bleibt" in changed.text


def test_the_remote_control_steers_and_bears_being_pressed_twice(organiser: Organiser) -> None:
    event, code = organiser.event(polls=["yes-no", "scale"])
    first, second = (row["number"] for row in organiser.rows(
        "SELECT number FROM app_participation.poll WHERE event = $1 ORDER BY place", event
    ))  # fmt: skip

    def state(poll: int) -> tuple[str, bool, bool]:
        row = organiser.rows(
            "SELECT p.state, revealed, current_poll = p.number AS shown FROM app_participation.poll p "
            "JOIN app_participation.event e ON e.number = p.event WHERE p.number = $1",
            poll,
        )[0]
        return row["state"], row["revealed"], bool(row["shown"])

    for _ in range(2):
        organiser.open(event, first)
        assert state(first) == ("open", False, True)
    organiser.show(event, second)
    assert state(first) == ("open", False, False) and state(second) == ("prepared", False, True)
    for _ in range(2):
        organiser.close(event, first)
        assert state(first)[0] == "closed"
    again = organiser.client.post(
        f"/participation/events/{event}/remote", data={"action": "open", "poll": str(first)}
    )
    assert again.status_code == 409 and told(again.text)
    for action, revealed in (("reveal", True), ("reveal", True), ("hide", False)):
        organiser.steer(event, action, second)
        assert state(second)[1] is revealed
    organiser.steer(event, "welcome")
    assert state(second)[2] is False
    organiser.open(event, second)
    organiser.end(event)
    assert state(second) == ("closed", False, False)
    after = organiser.client.post(
        f"/participation/events/{event}/remote", data={"action": "show", "poll": str(first)}
    )
    assert after.status_code == 409 and "vorbei" in after.text


def test_the_order_of_polls_is_changed(organiser: Organiser) -> None:
    event, _ = organiser.event(polls=["single", "scale"])
    second = organiser.rows("SELECT max(number) FROM app_participation.poll WHERE event = $1", event)[0][0]
    assert organiser.post(f"/polls/{second}/up").endswith(f"#poll-{second}")
    page = organiser.client.get(f"/participation/events/{event}").text
    assert re.findall(r'/participation/polls/(\d+)">', page)[0] == str(second)


def test_what_a_button_cannot_mean(organiser: Organiser) -> None:
    event, _ = organiser.event()
    other, _ = organiser.event(polls=["scale"])
    foreign = organiser.rows("SELECT number FROM app_participation.poll WHERE event = $1", other)[0]["number"]
    for data, status in (
        ({}, 422),
        ({"action": "open"}, 422),
        ({"action": "open", "poll": str(foreign)}, 404),
        ({"action": "open", "poll": "9" * 30}, 404),
        ({"action": "explode", "poll": ""}, 422),
    ):
        assert organiser.client.post(f"/participation/events/{event}/remote", data=data).status_code == status
    for path in (
        "/events/999999",
        f"/events/{10**30}",
        "/polls/999999",
        f"/polls/{10**30}",
        "/events/999999/remote",
    ):
        assert organiser.client.get(f"/participation{path}").status_code == 404, path


def test_a_short_code_is_found_however_it_is_typed(organiser: Organiser) -> None:
    _, code = organiser.event()
    for typed in (code, code.lower(), f" {code[:3]} {code[3:]}", f"{code[:3]}-{code[3:]}"):
        answer = organiser.client.get("/participation", params={"code": typed})
        assert (answer.status_code, answer.headers.get("location")) == (303, f"/participation/e/{code}"), (
            typed
        )
    wrong = organiser.client.get("/participation", params={"code": "<b>ZZ"})
    assert wrong.status_code == 404
    assert "&lt;b&gt;ZZ" in wrong.text and "keine Veranstaltung" in wrong.text


def test_removing_an_event_leaves_nothing_of_it(organiser: Organiser, phones: Phones) -> None:
    event, code = organiser.event(polls=["groups", "yes-no", "words", "questions"])
    polls = [row["number"] for row in organiser.rows(
        "SELECT number FROM app_participation.poll WHERE event = $1 ORDER BY place", event
    )]  # fmt: skip
    groups, secret, words, questions = polls
    for poll in polls:
        organiser.open(event, poll)
    phone = phones(code)
    phone.vote(groups, wish_1=organiser.options(groups)["Wohnen"])
    phone.vote(secret, option=organiser.options(secret)["Ja"])
    phone.vote(words, word_1="Rhein")
    phone.client.post(f"{phone.path}/questions", data={"poll": str(questions), "question": "Wann?"})
    for poll in polls:
        organiser.close(event, poll)
    kept = {table: count for table, count in counts(organiser, event, polls).items() if count}
    assert {"event", "poll", "option", "participant", "vote", "counted", "question"} <= set(kept)
    assert "ballot" not in kept and "voted" not in kept
    organiser.post(f"/events/{event}/act", action="delete")
    assert not any(counts(organiser, event, polls).values())
    assert phone.client.get(phone.path).status_code == 404


def counts(organiser: Organiser, event: int, polls: list[int]) -> dict[str, int]:
    """How many rows of each table of the app are of an event or its polls."""
    columns = organiser.rows(
        "SELECT table_name, array_agg(column_name::text) AS columns FROM information_schema.columns "
        "WHERE table_schema = 'app_participation' GROUP BY table_name"
    )
    found: dict[str, int] = {}
    for table, names in columns:
        by = {"poll": "poll = ANY($2)", "event": "event = $1"}
        if table in ("poll", "event"):
            by |= {"number": "number = ANY($2)" if table == "poll" else "number = $1"}
        where = [condition for name, condition in by.items() if name in names]
        if where:
            condition = " OR ".join([*where, "$1::bigint IS NULL", "$2::bigint[] IS NULL"])
            statement = f'SELECT count(*) FROM app_participation."{table}" WHERE {condition}'
            found[table] = organiser.rows(statement, event, polls)[0][0]
    return found


# The last one: wrong codes are counted for the whole server.
def test_guessing_short_codes_is_slowed_down_and_right_ones_still_pass(
    organiser: Organiser,
) -> None:
    _, code = organiser.event()
    answers = [
        organiser.client.get("/participation", params={"code": f"ZZZZ{a}{b}"})
        for a in "ABCDEFGH"
        for b in "ABCDEFGH"
    ]
    assert {answer.status_code for answer in answers} == {404, 429}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers if answer.status_code == 429)
    assert organiser.client.get("/participation", params={"code": code}).status_code == 303

"""Wanted states as a pure state machine: whatever happens in whatever order, what is promised holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rhinecloud.gateways.devices import wanted as steps
from rhinecloud.gateways.devices.wanted import AWAY, PAUSES, Wanted

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def fresh(version: int = 1, now: datetime = BEGIN, values: dict[str, Any] | None = None) -> Wanted:
    return Wanted(
        device="lamp-1",
        version=version,
        wanted=values or {"dim": 40},
        actor="test",
        created_at=now,
        next_at=now,
        due_at=now + DAY,
    )


def test_attempts_come_at_growing_pauses_and_never_after_the_time_out() -> None:
    one = fresh()
    pauses = []
    now = BEGIN
    for _ in range(len(PAUSES) + 3):
        one = steps.attempted(one, now, listening=True)
        pauses.append((one.next_at - now).total_seconds())
        now = one.next_at
    assert pauses == [*PAUSES, PAUSES[-1], PAUSES[-1], PAUSES[-1]]
    late = one.due_at - timedelta(seconds=7)
    assert steps.attempted(one, late, listening=True).next_at == one.due_at


def test_an_attempt_that_nobody_heard_is_no_sending() -> None:
    one = steps.attempted(fresh(), BEGIN, listening=False)
    assert (one.state, one.sends, one.sent_at, one.attempts) == ("wanted", 0, None, 1)
    one = steps.attempted(one, one.next_at, listening=True)
    assert (one.state, one.sends, one.attempts) == ("sent", 1, 2)


def test_a_device_that_comes_back_is_told_soon() -> None:
    one = fresh()
    for _ in range(20):
        one = steps.attempted(one, one.next_at, listening=False)
    now = one.next_at - timedelta(seconds=200)
    assert steps.heard(one, now).next_at == now
    back = steps.connected(one, now)
    assert back.next_at == now + steps.SETTLING
    again = steps.attempted(back, back.next_at, listening=True)
    assert (again.next_at - back.next_at).total_seconds() == PAUSES[0]


def test_who_talks_all_the_time_is_not_told_all_the_time() -> None:
    one = fresh()
    now = BEGIN
    attempts = 0
    while now < BEGIN + timedelta(hours=1):
        if now >= one.next_at:
            one = steps.attempted(one, now, listening=True)
            attempts += 1
        one = steps.heard(one, now)
        now += timedelta(seconds=1)
    assert attempts <= len(PAUSES) + 3600 / PAUSES[-1] + 1


def test_who_speaks_every_quarter_of_an_hour_is_told_each_time() -> None:
    one = steps.attempted(fresh(), BEGIN, listening=True)
    for quarter in range(1, 5):
        now = BEGIN + timedelta(minutes=15 * quarter)
        assert steps.heard(one, now).next_at <= now
        one = steps.attempted(steps.heard(one, now), now, listening=True)


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.booleans() | st.text(max_size=3), max_size=4))
def test_what_is_reported_agrees_with_itself_and_with_more(values: dict[str, Any]) -> None:
    assert steps.agrees(values, values)
    assert steps.agrees(values, {**values, "another": 1})
    for name in values:
        assert not steps.agrees(values, {key: value for key, value in values.items() if key != name})


def test_numbers_agree_as_numbers_and_yes_is_not_one() -> None:
    assert steps.agrees({"dim": 40}, {"dim": 40.0})
    assert not steps.agrees({"on": True}, {"on": 1})
    assert not steps.agrees({"dim": 1}, {"dim": True})
    assert steps.agrees({"light": {"dim": 1}}, {"light": {"dim": 1, "power": 3}})
    assert not steps.agrees({"light": {"dim": 1}}, {"light": 1})


def test_what_is_reported_value_by_value_confirms_when_all_is_so() -> None:
    one = fresh(values={"POWER": "ON", "Dimmer": 30})

    def report(one: Wanted, **values: Any) -> Wanted:
        return steps.confirmed(one, BEGIN, None, "done", "", values)

    one = report(one, POWER="ON", Wifi="good")
    assert (one.state, one.detail) == ("wanted", {"reported": {"POWER": "ON"}})
    assert report(one, Wifi="bad") is one
    assert report(report(one, POWER="OFF"), Dimmer=30).open, "it was switched off meanwhile"
    assert report(one, Dimmer=20).open
    done = report(one, Dimmer=30)
    assert (done.state, done.detail) == ("confirmed", {"reported": {"POWER": "ON", "Dimmer": 30}})
    assert steps.confirmed(one, BEGIN, None, "failed", "no", {}).state == "failed"


def test_versions_grow_also_past_what_a_restore_took_back() -> None:
    before = steps.next_version(0, BEGIN)
    assert steps.next_version(before, BEGIN) == before + 1
    assert steps.next_version(0, BEGIN + DAY) > before + 10  # a restored database knows nothing of `before`
    assert before < 2**31


class Story(RuleBasedStateMachine):
    """One device, its versions, and everything that may happen to them, as the rows would see it."""

    @initialize()
    def begin(self) -> None:
        self.now = BEGIN
        self.rows: list[Wanted] = []
        self.published: list[int] = []  # versions, in the order in which they went out
        self.ended: dict[int, Wanted] = {}
        self.last = 0

    def change(self, step: Any) -> None:
        self.rows = [step(one) for one in self.rows]

    @rule(seconds=st.floats(0.1, 100_000))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(dim=st.integers(0, 3))
    def want(self, dim: int) -> None:
        self.last = steps.next_version(self.last, self.now)
        self.change(lambda one: steps.superseded(one, self.now, self.last))
        self.rows.append(fresh(self.last, self.now, {"dim": dim}))

    @rule(listening=st.booleans())
    def the_sender_looks(self, listening: bool) -> None:
        for place, one in enumerate(self.rows):
            if not one.open or one.next_at > self.now:
                continue
            ended = steps.timed_out(one, self.now)
            if ended is one:
                self.published.append(one.version)
                ended = steps.attempted(one, self.now, listening=listening)
            self.rows[place] = ended

    @rule()
    def a_message(self) -> None:
        self.change(lambda one: steps.heard(one, self.now))

    @rule()
    def a_connection(self) -> None:
        self.change(lambda one: steps.connected(one, self.now))

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), result=st.sampled_from(["done", "failed"]))
    def a_confirmation(self, data: st.DataObject, result: str) -> None:
        version = data.draw(st.sampled_from([one.version for one in self.rows] + [self.last + 1]))
        self.rows = [
            steps.confirmed(one, self.now, version, result, "", {}) if one.version == version else one
            for one in self.rows
        ]

    @rule(dim=st.integers(0, 3))
    def a_report(self, dim: int) -> None:
        self.change(lambda one: steps.confirmed(one, self.now, None, "done", "", {"dim": dim}))

    @invariant()
    def at_most_one_is_open_and_it_is_the_newest(self) -> None:
        if not hasattr(self, "rows"):
            return
        assert [one.version for one in self.rows if one.open] in ([], [self.last])

    @invariant()
    def what_went_out_never_goes_back(self) -> None:
        assert self.published == sorted(self.published) if hasattr(self, "published") else True

    @invariant()
    def what_has_ended_stays(self) -> None:
        if not hasattr(self, "rows"):
            return
        for one in self.rows:
            assert one.open == (one.state in ("wanted", "sent"))
            assert one.next_at <= one.due_at
            assert one.state != "sent" or one.sends > 0
            if not one.open:
                assert self.ended.setdefault(one.version, one) == one

    @invariant()
    def an_open_one_is_looked_at_again_soon(self) -> None:
        if not hasattr(self, "rows"):
            return
        for one in self.rows:
            if one.open:
                assert one.next_at <= self.now + timedelta(seconds=PAUSES[-1])


TestStory = Story.TestCase
TestStory.settings = settings(max_examples=60, stateful_step_count=40)


def test_the_silence_that_counts_grows_with_the_pause() -> None:
    one = steps.attempted(fresh(), BEGIN, listening=True)
    assert steps.heard(one, BEGIN + AWAY / 2).next_at == one.next_at
    for _ in range(10):
        one = steps.attempted(one, one.next_at, listening=True)
    assert one.sent_at is not None
    soon, late = one.sent_at + timedelta(seconds=60), one.sent_at + timedelta(seconds=200)
    assert steps.heard(one, soon).next_at == one.next_at
    assert steps.heard(one, late).next_at == late

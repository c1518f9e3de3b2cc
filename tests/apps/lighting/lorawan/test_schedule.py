"""Schedules in few bytes: whatever is written is read again, and nothing else is taken for one."""

from __future__ import annotations

import random
import shutil
import subprocess
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rhinecloud.apps.lighting as lighting
from rhinecloud.apps.lighting.cadastre.lamps import Lamp
from rhinecloud.apps.lighting.control.calendars import Calendar
from rhinecloud.apps.lighting.control.programs import Astro, Program, parse
from rhinecloud.apps.lighting.control.rules import DEFAULTS
from rhinecloud.apps.lighting.control.targets import Override
from rhinecloud.apps.lighting.lorawan.compiling import NIGHTS, Impossible, schedule_of
from rhinecloud.apps.lighting.lorawan.frames import FRAME, Receiver, Report, frames, report, reported
from rhinecloud.apps.lighting.lorawan.judging import Heard, Wanted, judge
from rhinecloud.apps.lighting.lorawan.schedule import (
    DAY,
    MOST_NIGHTS,
    Malformed,
    Night,
    Schedule,
    Step,
    decode,
    encode,
    hash_of,
    same,
)
from rhinecloud.apps.lighting.planning.groups import Group, Types
from rhinecloud.apps.lighting.planning.plan import Assignment, Plan

CODEC = Path(lighting.__file__).parent / "static" / "lorawan-codec.js"
ZONE = ZoneInfo("Europe/Berlin")


@st.composite
def nights(draw: st.DrawFn) -> Night:
    minutes = sorted(draw(st.sets(st.integers(1, DAY - 1), max_size=12)))
    levels = draw(st.lists(st.integers(0, 100), min_size=len(minutes), max_size=len(minutes)))
    return Night(draw(st.integers(0, 100)), tuple(map(Step, minutes, levels)))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Nights of any kind, and such as resemble the night before."""
    found: list[Night] = []
    for _ in range(draw(st.integers(1, MOST_NIGHTS))):
        if found and draw(st.booleans()):
            shift = draw(st.integers(-140, 140))
            moved = [Step(step.minute + shift, step.level) for step in found[-1].steps]
            if all(0 < step.minute < DAY for step in moved):
                found.append(Night(found[-1].level, tuple(moved)))
                continue
        found.append(draw(nights()))
    return Schedule(draw(st.integers(0, 2**31)), tuple(found))


@given(schedules())
def test_what_is_written_is_read(schedule: Schedule) -> None:
    assert decode(encode(schedule)) == schedule


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_schedule_or_malformed(body: bytes) -> None:
    try:
        schedule = decode(body)
    except Malformed:
        return
    assert decode(encode(schedule)) == schedule


@given(schedules(), st.integers(0, DAY * (MOST_NIGHTS + 3)))
def test_the_level_is_that_of_the_last_step_and_the_last_night_is_repeated(
    schedule: Schedule, past: int
) -> None:
    instant = 60.0 * (schedule.start + past)
    number, minute = min(past // DAY, len(schedule.nights) - 1), past % DAY
    night = schedule.nights[number]
    expected = [night.level, *(step.level for step in night.steps if step.minute <= minute)][-1]
    assert schedule.level_at(instant) == expected
    assert expected in schedule.levels_between(instant - 60, instant + 60)
    assert schedule.level_at(60.0 * schedule.start - 1) is None


def test_a_body_is_written_as_the_reference_says() -> None:
    """The example of docs/reference/lighting-lorawan.md."""
    first = Night(0, (Step(300, 100), Step(600, 50), Step(1080, 0)))
    second = Night(0, (Step(301, 100), Step(600, 50), Step(1079, 0)))
    body = encode(Schedule(28_000_000, (first, second)))
    assert body.hex(" ") == "01 ab 3f 00 02 03 00 01 2c 64 02 58 32 04 38 00 83 01 00 ff"
    assert f"{hash_of(7, body):08x}" == f"{zlib.crc32(bytes((0, 0, 0, 7)) + body):08x}"
    (frame,) = frames(7, body)
    assert frame[:10].hex(" ") == f"11 00 00 00 07 {hash_of(7, body).to_bytes(4).hex(' ')} 00"


@pytest.mark.parametrize(
    "night",
    [
        Night(101),
        Night(0, (Step(0, 5),)),
        Night(0, (Step(DAY, 5),)),
        Night(0, (Step(9, 5), Step(9, 6))),
        Night(0, tuple(Step(minute, minute % 100) for minute in range(1, 129))),
    ],
)
def test_what_cannot_be_written_is_refused(night: Night) -> None:
    with pytest.raises(Malformed):
        encode(Schedule(0, (night,)))


def body_of(number: int) -> bytes:
    """As long as several frames."""
    chance = random.Random(number)
    some = sorted(chance.sample(range(1, DAY), 40))
    return encode(Schedule(number, (Night(3, tuple(Step(one, chance.randrange(101)) for one in some)),)))


@given(st.randoms(use_true_random=False), st.data())
def test_a_lamp_takes_the_newest_whole_schedule_in_whatever_order_frames_come(
    chance: random.Random, data: st.DataObject
) -> None:
    sent = [(version, body_of(version)) for version in (5, 6, 7)]
    all_frames = [(version, frame) for version, body in sent for frame in frames(version, body)]
    assert len(all_frames) > 6
    assert all(len(frame) <= FRAME for _, frame in all_frames)
    came = data.draw(st.lists(st.sampled_from(all_frames), max_size=40))
    lamp, versions = Receiver(), [0]
    for _, frame in came:
        lamp.take(frame)
        versions.append(lamp.version)
    assert versions == sorted(versions)
    again = [frame for _, frame in all_frames]
    chance.shuffle(again)
    last = [frame for version, frame in all_frames if version == 7]
    chance.shuffle(last)
    for frame in [*again, *last]:
        lamp.take(frame)
    assert (lamp.version, lamp.hash) == (7, hash_of(7, sent[-1][1]))
    assert lamp.schedule == decode(sent[-1][1])


def test_a_changed_piece_is_noticed() -> None:
    first, *rest = frames(3, body_of(3))
    broken = bytearray(first)
    broken[-1] ^= 1
    lamp = Receiver()
    for frame in rest:
        lamp.take(frame)
    with pytest.raises(Malformed):
        lamp.take(bytes(broken))
    assert lamp.version == 0
    for frame in (first, *rest):
        lamp.take(frame)
    assert lamp.version == 3
    for nothing in (b"", b"\x11", first + b"more", b"\x12" + first[1:]):
        with pytest.raises(Malformed):
            lamp.take(nothing)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.none() | st.integers(0, 100),
    st.none() | st.integers(0, 65_534),
)
def test_a_report_is_read_as_it_was_written(
    version: int, name: int, clock: int, level: int | None, deciwatts: int | None
) -> None:
    power = None if deciwatts is None else deciwatts / 10
    one = Report(version=version, hash=name, clock=clock, level=level, power=power)
    assert reported(report(one)) == one


def test_the_codec_for_network_servers_reads_reports_in_the_same_way() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the codec is not run")
    cases = [
        Report(version=2**32 - 1, hash=0x00C0FFEE, clock=1_800_000_000, level=65, power=38.5),
        Report(version=0, hash=0, clock=17, level=None, power=None),
        Report(version=1, hash=2**31, clock=2**32 - 1, level=0, power=0),
    ]
    sent = msgspec.json.encode([[*report(one)] for one in cases]).decode()
    decoded = f"{sent}.map((bytes) => decodeUplink({{bytes, fPort: 10}}))"
    script = f"{CODEC.read_text()}\nconsole.log(JSON.stringify({decoded}))"
    said = subprocess.run([node, "-e", script], capture_output=True, check=True, timeout=60).stdout
    first, second, third = (one["data"] for one in msgspec.json.decode(said))
    assert first == {
        "scheduleVersion": 2**32 - 1,
        "scheduleHash": "00c0ffee",
        "deviceClock": 1_800_000_000,
        "illuminanceLevel": 0.65,
        "powerState": "on",
        "powerConsumption": 38.5,
    }
    assert second == {"scheduleVersion": 0, "scheduleHash": "00000000", "deviceClock": 17}
    assert (third["scheduleHash"], third["powerState"], third["powerConsumption"]) == ("80000000", "off", 0)
    script = f"{CODEC.read_text()}\nconsole.log(JSON.stringify(decodeUplink({{bytes: [1, 2], fPort: 10}})))"
    said = subprocess.run([node, "-e", script], capture_output=True, check=True, timeout=60).stdout
    assert msgspec.json.decode(said)["errors"]


# From the plan


def lamp(name: str, **facts: Any) -> Lamp:
    return Lamp(id=name, lon=6.76, lat=51.43, device=name, sign_394=True, **facts)


PROGRAM = parse(
    b'{"id":"night","name":["Nacht","night"],"periods":[{"kind":"astro","sunset_offset":0,"sunrise_offset":0}],'
    b'"fixed":[{"at":"12:00","level":100},{"at":"22:30","level":50},{"at":"05:00","level":100}]}'
)


def plan_of(program: Program = PROGRAM, *assignments: Assignment) -> Plan:
    return Plan(
        programs=(program,),
        calendars=tuple(Calendar(id=one, name=(one, one), default=program.id) for one in ("every", "other")),
        groups=(Group(id="all", name=("alle", "all"), selection=Types(categories=("road", "crossing"))),),
        assignments=assignments or (Assignment("group", "all", "every"),),
        rules=DEFAULTS,
    )


AT = datetime(2026, 3, 20, 15, tzinfo=UTC).timestamp()  # nine nights before the clock changes


def test_the_schedule_follows_the_plan_for_two_weeks_and_the_change_of_the_hour() -> None:
    assert isinstance(PROGRAM.periods[0], Astro)
    schedule, body, calendar = schedule_of(plan_of(), [lamp("a"), lamp("b")], AT, ZONE)
    assert (len(schedule.nights), calendar) == (NIGHTS, "every")
    assert decode(body) == schedule
    assert len(frames(1, body)) <= 4

    def level(day: int, hour: int, minute: int = 0) -> int | None:
        return schedule.level_at(datetime(2026, 3, day, hour, minute, tzinfo=ZONE).timestamp())

    assert [level(20, 17), level(20, 20), level(20, 23), level(21, 4, 59)] == [0, 100, 50, 50]
    assert [level(21, 5), level(21, 12)] == [100, 0]
    # 22:30 and 5:00 are what the clocks in the street show, before and after the change.
    assert [level(28, 22, 29), level(28, 22, 30), level(29, 22, 29), level(29, 22, 30)] == [100, 50, 100, 50]
    assert [level(30, 4, 59), level(30, 5)] == [50, 100]


def test_a_level_is_never_below_what_the_rules_ask_of_any_lamp() -> None:
    crossing = lamp("c", category="crossing")
    schedule, _, _ = schedule_of(plan_of(), [lamp("a"), crossing], AT, ZONE)
    assert schedule.level_at(datetime(2026, 3, 20, 23, tzinfo=ZONE).timestamp()) == 100


def test_an_override_of_all_counts_and_one_of_some_does_not() -> None:
    begins, ends = AT + 3_600, AT + 7_200
    over = Override(id="1", level=7, begins=begins, ends=ends)
    two = [lamp("a"), lamp("b")]
    schedule, _, _ = schedule_of(plan_of(), two, AT, ZONE, {"a": (over,), "b": (over,)})
    assert [schedule.level_at(begins + 60), schedule.level_at(ends + 60)] != [7, 7]
    assert schedule.level_at(begins + 60) == 7
    partly, _, _ = schedule_of(plan_of(), two, AT, ZONE, {"a": (over,)})
    assert partly.level_at(begins + 60) != 7
    assert not same(schedule, partly, schedule.start)
    assert same(schedule, partly, int(ends // 60) + 1)


@pytest.mark.parametrize(
    ("assignments", "lamps", "why"),
    [
        ((Assignment("lamp", "a", "every"), Assignment("lamp", "b", "other")), ["a", "b"], "different"),
        ((Assignment("lamp", "a", "every"),), ["a", "b"], "1 lamps have no calendar"),
        ((Assignment("lamp", "a", "every"),), [], "names its device"),
    ],
)
def test_lamps_that_cannot_have_one_schedule(
    assignments: tuple[Assignment, ...], lamps: list[str], why: str
) -> None:
    with pytest.raises(Impossible, match=why):
        schedule_of(plan_of(PROGRAM, *assignments), [lamp(name) for name in lamps], AT, ZONE)


def test_many_steps_make_fewer_nights() -> None:
    steps = [
        {"at": f"{(12 + one // 4) % 24:02}:{15 * (one % 4):02}", "level": 10 + 7 * (one * one % 11)}
        for one in range(96)
    ]
    busy = msgspec.json.decode(b'{"id":"night","name":["Nacht","night"]}') | {"fixed": steps}
    schedule, body, _ = schedule_of(plan_of(parse(msgspec.json.encode(busy))), [lamp("a")], AT, ZONE)
    assert 2 <= len(schedule.nights) <= NIGHTS
    assert frames(1, body)


# What a lamp says

SCHEDULE = Schedule(28_000_000, (Night(0, (Step(300, 100), Step(600, 50))),))
WANTED = Wanted(7, hash_of(7, encode(SCHEDULE)), SCHEDULE)


def heard(minute: float = 400, *, drift: float = 0, **said: Any) -> Heard:
    at = datetime.fromtimestamp(60 * (SCHEDULE.start + minute), UTC)
    values = {"version": 7, "hash": WANTED.hash, "level": 100.0, "clock": at.timestamp() + drift, **said}
    return Heard(at=at, **values)


def test_a_lamp_that_says_what_it_should_is_verified() -> None:
    verdict = judge(heard(), WANTED, 60)
    assert (verdict.state, verdict.drift, verdict.expected, verdict.troubles) == ("verified", 0, (100,), {})
    assert judge(heard(level=None), WANTED, 60).troubles == {}
    assert judge(heard(clock=None), WANTED, 60).troubles == {}
    for about in (299, 301, 599, 601):  # on its way from one level to the next
        for level in judge(heard(about), WANTED, 60).expected:
            assert judge(heard(about, level=float(level)), WANTED, 60).troubles == {}


def test_what_is_wrong_is_told_with_its_evidence() -> None:
    assert judge(heard(version=6, hash=1), WANTED, 60).state == "older"
    assert judge(heard(version=6, hash=1), WANTED, 60).troubles == {}  # it is sent again first
    for other in ({"version": 8}, {"hash": WANTED.hash ^ 1}):
        verdict = judge(heard(**other), WANTED, 60)
        assert verdict.state == "wrong"
        assert verdict.troubles["schedule_wrong"]["wanted_hash"] == f"{WANTED.hash:08x}"
    assert judge(heard(drift=-60), WANTED, 60).troubles == {}
    verdict = judge(heard(drift=-61, level=0.0), WANTED, 60)
    assert (verdict.state, list(verdict.troubles)) == ("verified", ["clock_drift"])
    assert verdict.troubles["clock_drift"]["drift_seconds"] == -61
    verdict = judge(heard(level=0.0), WANTED, 60)
    assert verdict.troubles["schedule_contradicted"]["expected"] == [100]
    assert judge(heard(clock=40.0), WANTED, 60).troubles["clock_drift"]["never_set"]

"""A hall that votes: how many people can join and vote within half a minute, while the stage is live.

An event is made and steered by its forms, as an organiser does; phones are real HTTP clients in another process
(`participation_load`), each with a page, an event stream and a vote. Afterwards the poll is closed, and its published
result is compared with what the phones were told: a vote that is missing, and one that counts twice, is an error.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import httpx
import msgspec
import numpy as np

from .installation import Costs, Installation, Memory, installation
from .participation_load import Happened, Job

SIZES = (150, 1_000, 5_000)
WITHIN = 30.0  # seconds
_THINKING = 2.0
_WISHES = 2
_GROUPS = ("Economy", "Administration", "Housing", "Infrastructure", "Mobility", "Broadband")
IDLE = 10_000
_SLOWLY = 3  # times: who only looks on does not come in the same half minute
_LIMIT = 1.25  # each hall is so many times larger than the last, until an aim is missed
_MOST_MS, _MOST_STAGE_MS = 1_000.0, 500.0
_PATIENCE = 900.0


class Hall(msgspec.Struct, frozen=True):
    """What became of one hall. Milliseconds: `page` (the HTML), `acknowledged` (from sending a vote to its answer),
    `stage` (from the n-th acknowledgement until the stage shows n votes): median, 99th percentile, worst. `lost` and
    `double`: against the phones' own ledger. `following`: event streams that were open at the end; `memory`: MB of all
    processes then, and `before` the first phone came. `cpu`: seconds of the whole installation; `generator`: of the
    phones. `kilobytes`: what one phone loads that has nothing yet."""

    participants: int
    seconds: float
    received: int
    errors: int
    complaint: str
    repeated: dict[str, int]
    lost: int
    double: int
    streams_lost: int
    page: tuple[float, float, float]
    acknowledged: tuple[float, float, float]
    stage: tuple[float, float, float]
    following: int
    before: Memory
    memory: Memory
    cpu: float
    generator: float
    kilobytes: float

    @property
    def held(self) -> bool:
        """Whether all came through, and 99 of 100 votes were acknowledged within a second, and on the stage half a
        second later."""
        clean = not (self.errors or self.lost or self.double or self.streams_lost)
        return clean and self.acknowledged[1] < _MOST_MS and self.stage[1] < _MOST_STAGE_MS


class Result(msgspec.Struct, frozen=True):
    """`halls` in their order; `idle`: that of so many who only look on; `limit`: the largest hall for which all aims
    were met, None where it was not looked for."""

    halls: tuple[Hall, ...]
    idle: Hall | None
    limit: int | None
    workers: int
    load: float

    @property
    def errors(self) -> int:
        """Votes lost or double, and requests that failed, in the halls of SIZES."""
        return sum(one.errors + one.lost + one.double for one in self.halls if one.participants in SIZES)


def run(
    sizes: Sequence[int],
    say: Callable[[str], None],
    *,
    workers: int,
    idle: int,
    limit: bool,
    assets: float,
    within: float = WITHIN,
) -> Result:
    """Measure each hall, one after the other, in a fresh installation; then the idle pages. `within`: seconds in which
    all come and vote, and for which idle pages are looked at."""
    halls: list[Hall] = []
    for size in sizes:
        say(f"{size} participants …")
        halls.append(_one(size, workers, assets, within))
    found = None
    if limit:
        held = [one.participants for one in halls if one.held]
        for size in _larger(max(held, default=100)):
            say(f"{size} participants (looking for the limit) …")
            halls.append(_one(size, workers, assets, within))
            if not halls[-1].held:
                break
        found = max((one.participants for one in halls if one.held), default=0)
    looking = None
    if idle:
        say(f"{idle} open pages …")
        looking = _one(idle, workers, assets, within, idle=within)
    return Result(tuple(halls), looking, found, workers, os.getloadavg()[0])


def _larger(size: int) -> Iterator[int]:
    while True:
        size = round(size * _LIMIT / 50) * 50
        yield size


def _one(participants: int, workers: int, assets: float, within: float, idle: float = 0.0) -> Hall:
    with installation(f"--workers={workers}") as made:
        made.start()
        address = f"http://127.0.0.1:{made.port}"
        headers = {"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
        with httpx.Client(base_url=address, headers=headers, timeout=60) as organiser:
            code, event, poll, options = _prepare(organiser, participants)
            before, empty = made.costs(), made.memory()
            job = Job(
                port=made.port,
                code=code,
                poll=poll,
                options=options,
                wishes=_WISHES,
                participants=participants,
                seconds=within * _SLOWLY if idle else within,
                thinking=0.0 if idle else _THINKING,
                assets=assets,
                idle=idle,
                seed=participants,
            )
            happened, memory = _phones(made, job)
            after = made.costs()
            counted = {} if idle else _closed(organiser, code, event, poll, options)
    return _judged(participants, happened, counted, (empty, memory), _used(before, after))


def _prepare(organiser: httpx.Client, participants: int) -> tuple[str, int, int, tuple[int, ...]]:
    """An event with the six theme groups, whose vote is open: its short code and numbers."""
    given = {"title": "Bench", "template": "empty", "admission": "open", "expected": str(participants)}
    made = _posted(organiser, "/participation/events/new", given)
    event = int(re.findall(r"/events/(\d+)", made)[0])
    page = organiser.get(f"/participation/events/{event}").text
    code = re.findall(r"/participation/e/([A-HJ-NP-Z2-9]{6})\b", page)[0]
    path = f"/participation/events/{event}/polls/new?template=groups"
    fields = {f"option-{place}-title": title for place, title in enumerate(_GROUPS)}
    fields |= {"title": "Your group", "results": "live", "wishes": str(_WISHES), "by": "lot"}
    poll = int(re.findall(r"made=(\d+)", _posted(organiser, path, fields))[0])
    _posted(organiser, f"/participation/events/{event}/remote", {"action": "open", "poll": str(poll)})
    phone = organiser.get(f"/participation/e/{code}").text
    options = tuple(dict.fromkeys(map(int, re.findall(r'name="wish-1" value="(\d+)"', phone))))
    if not options:
        options = tuple(dict.fromkeys(map(int, re.findall(r'<option value="(\d+)"', phone))))
    return code, event, poll, options


def _posted(organiser: httpx.Client, path: str, given: dict[str, str]) -> str:
    answer = organiser.post(path, data=given)
    if answer.status_code != 303:
        raise RuntimeError(f"{path} answers {answer.status_code}")
    return answer.headers["location"]


def _phones(made: Installation, job: Job) -> tuple[Happened, Memory]:
    """What the phones say, and the memory of the installation while they are still there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.participation_load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(msgspec.json.encode(job) + b"\n")
    process.stdin.flush()
    line = process.stdout.readline()
    memory = made.memory()
    process.stdin.close()
    process.wait(_PATIENCE)
    if not line:
        raise RuntimeError("the phones ended; their complaint stands above")
    return msgspec.json.decode(line, type=Happened), memory


def _closed(
    organiser: httpx.Client, code: str, event: int, poll: int, options: tuple[int, ...]
) -> dict[int, int]:
    """First wishes by option, as everybody may read them after the end."""
    _posted(organiser, f"/participation/events/{event}/remote", {"action": "close", "poll": str(poll)})
    (told,) = organiser.get(f"/participation/e/{code}/results.json").json()["polls"]
    return {option: one["count"] for option, one in zip(options, told["answers"], strict=True)}


def _used(before: Costs, after: Costs) -> float:
    return float(sum(getattr(after, part) - getattr(before, part) for part in Costs.__struct_fields__))


def _judged(
    participants: int,
    happened: Happened,
    counted: dict[int, int],
    memory: tuple[Memory, Memory],
    cpu: float,
) -> Hall:
    options = happened.ledger.keys() | counted.keys()
    apart = [counted.get(one, 0) - happened.ledger.get(one, 0) for one in options] if counted else []
    return Hall(
        participants=participants,
        seconds=happened.seconds,
        received=happened.received,
        errors=happened.errors,
        complaint=happened.complaint,
        repeated=happened.repeated,
        lost=-sum(min(0, one) for one in apart),
        double=sum(max(0, one) for one in apart),
        streams_lost=happened.lost,
        page=_of(happened.page),
        acknowledged=_of(happened.acknowledged),
        stage=_of(happened.stage),
        following=happened.following,
        before=memory[0],
        memory=memory[1],
        cpu=cpu,
        generator=happened.cpu,
        kilobytes=happened.bytes / 1_000,
    )


def _of(times: list[float]) -> tuple[float, float, float]:
    if not times:
        return 0.0, 0.0, 0.0
    median, most = np.percentile(times, [50, 99])
    return float(median), float(most), max(times)


def table(result: Result) -> str:
    """As text."""
    titles = (
        f"{'participants':>12} {'in s':>6} {'received':>8} {'lost':>4} {'double':>6} {'errors':>6} {'again':>5}  "
        f"{'page p50/p99 ms':>16}  {'vote p50/p99/worst ms':>22}  {'stage p50/p99 ms':>16}  "
        f"{'memory before/then MB':>21} {'CPU s':>6}  aims"
    )
    lines = [titles, *map(_line, result.halls)]
    if result.idle is not None:
        one = result.idle
        lines.append(
            f"{one.participants} open pages that only look on: {one.following} streams, {one.errors} errors, "
            f"memory {one.memory.total:.0f} MB (workers {one.memory.worker:.0f} MB), before {one.before.total:.0f} MB"
        )
    if result.limit is not None:
        lines.append(f"the largest hall for which all aims were met: {result.limit}")
    if result.halls:
        kilobytes = max(one.kilobytes for one in result.halls)
        lines.append(f"a phone that has nothing yet loads {kilobytes:.0f} kB; {result.workers} workers, "
                     f"{os.cpu_count()} cores shared with the phones (load {result.load:.1f})")  # fmt: skip
    lines += [f"{one.participants}: {one.complaint}" for one in result.halls if one.complaint]
    return "\n".join(lines)


def _line(one: Hall) -> str:
    page, vote, stage = one.page, one.acknowledged, one.stage
    return (
        f"{one.participants:>12} {one.seconds:>6.1f} {one.received:>8} {one.lost:>4} {one.double:>6} {one.errors:>6} "
        f"{sum(one.repeated.values()):>5}  {f'{page[0]:.0f} / {page[1]:.0f}':>16}  "
        f"{f'{vote[0]:.0f} / {vote[1]:.0f} / {vote[2]:.0f}':>22}  {f'{stage[0]:.0f} / {stage[1]:.0f}':>16}  "
        f"{f'{one.before.total:.0f} / {one.memory.total:.0f}':>21} {one.cpu:>6.1f}  {'met' if one.held else 'missed'}"
    )

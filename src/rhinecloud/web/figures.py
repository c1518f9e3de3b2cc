"""The figures of operations in words: which of them stand first, what they are called, where one goes from them.

A part that is not listed here, or a figure that is not, is shown all the same, by the name that it has in the code.
"""

from __future__ import annotations

from typing import Any

import msgspec

LATE = 5.0  # seconds: a relay that is further behind is called late


def _n(text: str) -> str:
    """Marks a text for the catalogue that is translated later."""
    return text


class Known(msgspec.Struct, frozen=True):
    """What is known of a part: its name, its page, its figures in order. `watch`: somebody should look if one of these
    is above 0."""

    title: str
    figures: dict[str, str]
    path: str | None = None
    watch: tuple[str, ...] = ()


_BRIDGE = {
    "address": _n("address"),
    "connected": _n("connected"),
    "problem": _n("problem"),
    "received": _n("messages received"),
    "taken": _n("taken over"),
    "known": _n("known already"),
    "waiting": _n("waiting"),
    "dropped_qos0": _n("dropped without confirmation"),
    "refused_topics": _n("topics refused"),
    "sessions_lost": _n("sessions forgotten by the broker"),
    "retained_left": _n("retained messages left"),
    "reconnections": _n("connected anew"),
}

PARTS: dict[str, Known] = {
    "postgresql": Known(
        _n("Database"), {"version": _n("version"), "database_bytes": _n("size"), "reason": _n("reason")}
    ),
    "graph": Known(
        _n("Graph"),
        {"entities_estimate": _n("objects (estimate)"), "unmapped": _n("messages not assigned")},
        "/objects",
    ),
    "relay": Known(
        _n("Distribution of changes"),
        {
            "lag_seconds": _n("behind by"),
            "newest": _n("newest change"),
            "told": _n("last change told"),
            "elected_here": _n("this process distributes"),
        },
    ),
    "subscriptions": Known(
        _n("Subscriptions"),
        {"count": _n("subscriptions"), "failing": _n("not taken"), "waiting": _n("waiting")},
        "/subscriptions",
        ("failing",),
    ),
    "writer": Known(_n("Writing"), {"committed": _n("committed"), "waiting": _n("waiting")}),
    "nats": Known(
        _n("Message bus"),
        {
            "connected": _n("connected"),
            "server": _n("server"),
            "published": _n("published"),
            "reconnections": _n("connected anew"),
        },
    ),
    "mqtt": Known(
        _n("Device gateway"),
        {
            "url": _n("address"),
            "received": _n("messages received"),
            "applied": _n("taken over"),
            "received_qos0": _n("received without confirmation"),
            "dropped_qos0": _n("dropped without confirmation"),
            "dropped_flood": _n("dropped of floods"),
            "unmapped": _n("messages not assigned"),
            "intake.messages": _n("messages in the intake"),
            "intake.bytes": _n("size of the intake"),
            "intake.max_bytes": _n("room of the intake"),
            "problem": _n("problem"),
        },
        "/unmapped",
    ),
    "bridge": Known(_n("Bridge"), {"away": _n("brokers not connected")}, None, ("away",)),
    "devices": Known(
        _n("Devices"),
        {
            "commands.wanted": _n("wanted states that are open"),
            "commands.sent": _n("wanted states that were sent"),
            "commands.failed": _n("failed within a day"),
            "commands.timed_out": _n("timed out within a day"),
            "commands.sent_here": _n("commands sent by this process"),
        },
        "/devices",
        ("alarms.",),
    ),
    "door": Known(
        _n("Sign-in of devices"),
        {
            "asked": _n("asked"),
            "granted": _n("let in"),
            "wrong": _n("wrong name or secret"),
            "refused": _n("kept out for a while"),
            "disconnected": _n("connections ended"),
            "unavailable": _n("not decided"),
        },
        "/devices",
    ),
    "meter": Known(
        _n("Meter of messages"),
        {
            "messages": _n("messages received"),
            "message_bytes": _n("size"),
            "talkers": _n("speaking now"),
            "floods": _n("floods"),
            "flooding": _n("flooding now"),
            "dropped_of_floods": _n("dropped of floods"),
        },
    ),
    "push": Known(
        _n("Devices by HTTP"), {"applied": _n("taken over"), "unmapped": _n("messages not assigned")}
    ),
    "jobs": Known(
        _n("Jobs"),
        {
            "waiting": _n("waiting"),
            "running": _n("running"),
            "dead": _n("failed for good"),
            "done_last_hour": _n("done in the last hour"),
            "overdue_seconds": _n("behind by"),
        },
        "/jobs",
        ("dead",),
    ),
    "mail": Known(
        _n("Mail"),
        {
            "server": _n("server"),
            "queued": _n("waiting"),
            "sent": _n("sent"),
            "refused": _n("refused"),
            "bounced": _n("bounced"),
            "reason": _n("reason"),
        },
        "/mail",
    ),
    "files": Known(
        _n("Files"),
        {
            "place": _n("kept in"),
            "files": _n("files"),
            "bytes": _n("size"),
            "arriving": _n("arriving"),
            "leaving": _n("leaving"),
            "reason": _n("reason"),
        },
    ),
    "apps": Known(
        _n("Applications"), {"served": _n("served"), "failed": _n("not served")}, None, ("failed",)
    ),
    "backups": Known(
        _n("Backups"),
        {
            "every": _n("made every"),
            "place": _n("kept in"),
            "newest": _n("newest"),
            "age_seconds": _n("age of the newest"),
            "count": _n("backups kept"),
            "bytes": _n("size"),
            "reason": _n("reason"),
        },
        "/jobs",
        ("late",),
    ),
    "certificate": Known(
        _n("Certificate"),
        {
            "names": _n("names"),
            "ends": _n("good until"),
            "days_left": _n("days left"),
            "issuer": _n("issued by"),
            "problem": _n("problem"),
            "look": _n("has to be renewed"),
        },
        None,
        ("look",),
    ),
    "worker": Known(_n("This process"), {"uptime_seconds": _n("running for"), "memory_bytes": _n("memory")}),
}


class Row(msgspec.Struct, frozen=True):
    """A figure. `name` is in English, which the catalogue translates; `of` what it belongs to, if that has a name."""

    key: str
    name: str
    value: Any
    of: str = ""


class Part(msgspec.Struct, frozen=True):
    """A part of the installation. `state`: ok, look (somebody should), late or away. `rows` stand first, `more` can be
    unfolded."""

    key: str
    title: str
    state: str
    rows: tuple[Row, ...]
    more: tuple[Row, ...] = ()
    path: str | None = None


def part(key: str, figures: dict[str, Any]) -> Part:
    """A part in words."""
    known = PARTS.get(key) or Known(key.replace("_", " "), {})
    flat = dict(_flat(figures))
    first = [Row(name, words, flat.pop(name)) for name, words in known.figures.items() if name in flat]
    more = []
    if key == "bridge":  # broker after broker, in the order of the words
        flat = dict(sorted(flat.items(), key=_of_the_bridge))
    for name, value in flat.items():
        owner, _, last = name.rpartition(".")
        if key == "bridge" and last in _BRIDGE and owner:
            first.append(Row(name, _BRIDGE[last], value, owner))
        elif name.startswith("alarms."):
            first.append(Row(name, last, value))
        else:
            more.append(Row(name, name.replace("_", " "), value))
    state = _state(figures, {row.key: row.value for row in (*first, *more)}, known)
    return Part(key, known.title, state, tuple(first), tuple(more), known.path)


def _of_the_bridge(figure: tuple[str, Any]) -> tuple[str, int]:
    owner, _, last = figure[0].rpartition(".")
    return owner, list(_BRIDGE).index(last) if last in _BRIDGE else len(_BRIDGE)


def _state(figures: dict[str, Any], flat: dict[str, Any], known: Known) -> str:
    if (
        figures.get("ok") is False
        or figures.get("connected") is False
        or figures.get("state") in ("away", "down")
    ):
        return "away"
    if float(figures.get("lag_seconds") or 0) > LATE:
        return "late"
    watched = (value for name, value in flat.items() if name.startswith(known.watch))
    return "look" if known.watch and any(isinstance(v, (int, float)) and v > 0 for v in watched) else "ok"


def _flat(figures: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in figures.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, (list, tuple)):
            rows.append((prefix + name, ", ".join(str(one) for one in value) or None))
        else:
            rows.append((prefix + name, value))
    return rows

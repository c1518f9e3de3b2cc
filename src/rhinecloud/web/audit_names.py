"""What those are called that the audit log knows by their id, and where one sees them: people, tokens, organisations,
devices, applications, objects, jobs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from rhinecloud.people import Actor, names
from rhinecloud.store import devices
from rhinecloud.store.audit import Line

from .operations.pages import segment
from .shell import Shell

_NUMBERED = re.compile(r"(person|token):(\d{1,18})")
_MANY = re.compile(r"(\d+) devices")
_OF_ORGANISATIONS = ("organisation.make", "organisation.rename", "organisation.remove", "invitation.make")
_LINKS: Final[dict[str, tuple[str, str]]] = {  # of each kind: where it is seen, and who may look
    "person": ("/people/{}", "people.manage"),
    "organisation": ("/people/~organisations/{}", "people.manage"),
    "device": ("/devices/{}", "devices.see"),
    "object": ("/objects/{}", "public"),
    "job": ("/jobs/{}", "jobs.see"),
    "app": ("/{}", "public"),
}
# Who is nobody with an account: German, English.
OTHERS: Final[dict[str, tuple[str, str]]] = {
    "open": ("ohne Anmeldung", "without sign-in"),
    "anonymous": ("unbekannt", "unknown"),
    "command": ("Befehlszeile", "command line"),
    "operator": ("Befehlszeile", "command line"),
    "system": ("Rhine Cloud selbst", "Rhine Cloud itself"),
    "oidc": ("Anmeldedienst der Stadt", "the city's identity provider"),
}


class Known(msgspec.Struct, frozen=True):
    """What an id means: its name in German and English (empty: none, or `gone`), and its page for who looks."""

    name: tuple[str, str] = ("", "")
    path: str | None = None
    gone: bool = False
    id: bool = True  # whether the text is an id, to be shown beside the name


class Names:
    """The names of those that some lines speak of."""

    def __init__(self, found: Mapping[tuple[str, str], str], shell: Shell, reader: Actor) -> None:
        self._found = found
        self._apps = shell.navigation.labels()
        self._reader = reader

    def actor(self, text: str) -> Known:
        """Who did something."""
        if text in OTHERS:
            return Known(OTHERS[text])
        return self._known(*_reference(text, ""))

    def subject(self, line: Line) -> Known:
        """What it was done to."""
        if many := _MANY.fullmatch(line.subject):
            return Known((f"{many[1]} Geräte", line.subject), id=False)
        return self._known(*_reference(line.subject, line.action))

    def _known(self, kind: str, key: str) -> Known:
        if kind == "app":
            label = self._apps.get(f"/{key}", ("", ""))
            return Known(label, self._path(kind, key) if label[0] else None)
        name = self._found.get((kind, key))
        if name is None and kind in ("person", "token", "organisation", "device"):
            return Known(gone=True)
        return Known((name or "",) * 2, self._path(kind, key))

    def _path(self, kind: str, key: str) -> str | None:
        path, permission = _LINKS.get(kind, ("", ""))
        return path.format(segment(key)) if path and self._reader.may(permission) else None


async def of_lines(shell: Shell, reader: Actor, lines: Iterable[Line], actors: Iterable[str]) -> Names:
    """Look up whom these lines, and these actors, are about."""
    asked: dict[str, set[str]] = {}
    references = [_reference(line.subject, line.action) for line in lines]
    for kind, key in [*references, *(_reference(actor, "") for actor in actors)]:
        asked.setdefault(kind, set()).add(key)
    found: dict[tuple[str, str], str] = {}
    kinds: tuple[names.Kind, ...] = ("person", "organisation", "token")
    for kind in kinds:
        told = await names.of(shell.people.room.pool, kind, _numbers(asked.get(kind, ())))
        found |= {(kind, str(number)): name for number, name in told.items()}
    known = await devices.names(shell.broker.database.pool, asked.get("device", ()))
    found |= {("device", key): name for key, name in known.items()}
    return Names(found, shell, reader)


async def called(shell: Shell, part: str) -> tuple[str, ...]:
    """Ids, as they stand in the log, of those whose name has this part."""
    if not part:
        return ()
    return (
        *await names.called(shell.people.room.pool, part),
        *await devices.called(shell.broker.database.pool, part),
    )


def _reference(text: str, action: str) -> tuple[str, str]:
    """Of which kind an id is; ("", id) for what has no name."""
    if numbered := _NUMBERED.fullmatch(text):
        return numbered[1], numbered[2]
    if action in _OF_ORGANISATIONS and text.isascii() and text.isdigit():
        return "organisation", text
    if action.startswith("device.") and text and " " not in text:  # not "7 devices"
        return "device", text
    if action.startswith("app."):
        return "app", text
    if action.startswith("job.") and text.isascii() and text.isdigit():
        return "job", text
    return ("object", text) if text.startswith("urn:") else ("", text)


def _numbers(keys: Collection[str]) -> list[int]:
    return [int(key) for key in keys if len(key) < 19]

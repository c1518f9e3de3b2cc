"""How devices confirm wanted states, and how they are asked for them: the rules of a profile, compiled."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from .document import ConfirmRule, VersionRule
from .paths import MISSING, Path, path
from .rules import Wrong
from .shapes import Confirmation
from .templates import fill_json

_LARGEST = 2**47
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]00-[0-9a-f]{12}")
WANTED = {"version": "{version}", "set": "{set}"}
"""What a device is sent unless its profile says otherwise."""
COMMAND_NAMES = frozenset({"version", "set", "uuid", "key", "value"})


class Confirming:
    """One compiled rule of `confirm`."""

    def __init__(self, given: ConfirmRule, pointer: str) -> None:
        """Raises Wrong for a rule that cannot be."""
        self._given = given
        self._pointer = pointer
        version = given.version
        self._version_rule = VersionRule(path=version) if isinstance(version, str) else version
        self._version = self._path("version", self._version_rule.path) if self._version_rule else None
        self._result = self._path("result", given.result) if given.result.startswith(("$", "@")) else None
        if self._result is None and given.result not in ("done", "failed"):
            raise Wrong(f"{pointer}/result", "a result is done, failed, or a path to it")
        self._detail = self._path("detail", given.detail) if given.detail is not None else None
        self._reported = self._path("reported", given.reported) if given.reported is not None else None
        if self._version is None and self._reported is None:
            raise Wrong(pointer, "a confirmation needs a version, or what is reported")
        if not given.topics:
            raise Wrong(f"{pointer}/topics", "a confirmation needs a topic")

    @property
    def by_version(self) -> bool:
        """Whether the version is named."""
        return self._version is not None

    def read(self, document: Any, device: str | None, *, alone: bool) -> Confirmation | None:
        """The confirmation in a payload; None if it is somebody else's, or none at all where measurements may stand
        on the topic as well (not `alone`). Raises Wrong."""
        version: int | None = None
        if self._version is not None:
            found = self._find_version(document, device)
            if found == "foreign":
                return None
            if found is None and self._reported is None:
                if alone:
                    raise Wrong(f"{self._pointer}/version", f"there is no version at {self._version.text}")
                return None
            version = found if isinstance(found, int) else None
        reported: dict[str, Any] = {}
        if self._reported is not None:
            value = self._reported.first(document)
            reported = value if isinstance(value, dict) else {}
        if version is None and not reported:
            if alone:
                raise Wrong(self._pointer, "the message confirms nothing and reports nothing")
            return None
        if device is None:
            raise Wrong(self._pointer, "nothing says which device confirms")
        return Confirmation(
            device, version, self._read_result(document), self._read_detail(document), reported
        )

    def _path(self, key: str, text: str) -> Path:
        try:
            return path(text)
        except ValueError as error:
            raise Wrong(f"{self._pointer}/{key}", str(error)) from None

    def _find_version(self, document: Any, device: str | None) -> int | Literal["foreign"] | None:
        assert self._version is not None
        assert self._version_rule is not None
        rule = self._version_rule
        found = [value for _, _, value in self._version.all(document) if value is not None]
        for value in found:
            if rule.form == "uuid":
                word = value.lower() if isinstance(value, str) else ""
                if _UUID.fullmatch(word) and word[:24] == uuid_of(device or "", 0)[:24]:
                    return int(word[24:], 16)
                continue
            if isinstance(value, str):
                if not value.startswith(rule.prefix):
                    continue
                value = value.removeprefix(rule.prefix)
                if re.fullmatch(r"\d{1,15}", value, re.ASCII):
                    value = int(value)
            elif rule.prefix:
                continue
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LARGEST:
                raise Wrong(f"{self._pointer}/version", f"{value!r:.60} is no version")
            return value
        return "foreign" if found and (rule.prefix or rule.form == "uuid") else None

    def _read_result(self, document: Any) -> Literal["done", "failed"]:
        if self._result is None:
            return "failed" if self._given.result == "failed" else "done"
        value = self._result.first(document)
        if value is MISSING or value is None:
            return self._given.results.get("", "done")
        word = ("true" if value else "false") if isinstance(value, bool) else str(value)
        known = self._given.results.get(word)
        if known is not None:
            return known
        if value is True or word == "done":
            return "done"
        if value is False or word == "failed":
            return "failed"
        raise Wrong(f"{self._pointer}/results", f"the result {word!r:.60} is neither done nor failed")

    def _read_detail(self, document: Any) -> str:
        value = MISSING if self._detail is None else self._detail.first(document)
        if value is MISSING or value is None:
            return ""
        return (value if isinstance(value, str) else msgspec.json.encode(value).decode())[:1_000]


def uuid_of(device: str, version: int) -> str:
    """An identifier (RFC 9562, version 8) that carries a version and is no other device's, for networks that confirm
    by an identifier of ours."""
    mark = hashlib.blake2b(device.encode(), digest_size=8).hexdigest()
    return f"{mark[:8]}-{mark[8:12]}-8{mark[12:15]}-8{mark[15]}00-{version:012x}"


# What no level of a topic has, or what NATS would take for a wildcard of its own.
_NO_LEVEL = re.compile(r"[/+#*>\s\x00-\x1f\x7f]")


def command_messages(
    topic: str, payload: Any, known: Mapping[str, str], device: str, version: int, values: Mapping[str, Any]
) -> list[tuple[str, bytes]]:
    """The messages for wanted values: one; one for each value where the topic or the payload names {key} or {value}."""
    names: dict[str, Any] = {
        **known,
        "device": device,
        "version": version,
        "set": dict(values),
        "uuid": uuid_of(device, version),
    }
    if "{key}" not in topic and "{value}" not in msgspec.json.encode(payload).decode():
        return [(topic, _bytes(fill_json(payload, names)))]
    return [
        (
            topic.replace("{key}", key),
            _bytes(fill_json(payload, {**names, "key": key, "value": value})),
        )
        for key, value in values.items()
        if key and ("{key}" not in topic or not _NO_LEVEL.search(key))
    ]


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else msgspec.json.encode(value)

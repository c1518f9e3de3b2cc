"""Where in a JSON text each part stands, so that what is wrong with a part can be shown at its line. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


class NotJson(ValueError):
    """A text that is no JSON: `line` (from 1) says where, the message what."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read(text: str) -> Any:
    """The value of a JSON text (RFC 8259). Raises NotJson."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, error.lineno) from None
    except ValueError as error:
        raise NotJson(str(error), 1) from None
    except RecursionError:
        raise NotJson("nested too deeply", 1) from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def lines(text: str) -> dict[str, int]:
    """Line (from 1) of each part of a JSON text, by its pointer (RFC 6901); "" is the whole. A member stands where its
    name stands. For a text that `read` takes."""
    found: dict[str, int] = {}
    open_parts: list[_Part] = []
    key: str | None = None
    line, at = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        token = match[0]
        part = open_parts[-1] if open_parts else None
        if token in ("}", "]"):
            open_parts.pop()
        elif token == ",":
            assert part is not None
            part.index += 1
            part.named = not part.is_object
        elif token == ":":
            assert part is not None
            part.named = True
        elif part is not None and not part.named:
            key = str(json.loads(token))
            found[f"{part.pointer}/{_escaped(key)}"] = line
        else:
            pointer = (
                ""
                if part is None
                else f"{part.pointer}/{_escaped(key or '') if part.is_object else part.index}"
            )
            found.setdefault(pointer, line)
            if token in ("{", "["):
                open_parts.append(_Part(pointer, token == "{"))
    return found


def line_of(found: dict[str, int], pointer: str) -> int:
    """The line of a part, or of the nearest around it that is there."""
    while pointer and pointer not in found:
        pointer = pointer.rpartition("/")[0]
    return found.get(pointer, 1)


class _Part:
    """An object or a list that is not closed yet. `named`: the next token is a value."""

    __slots__ = ("index", "is_object", "named", "pointer")

    def __init__(self, pointer: str, is_object: bool) -> None:
        self.pointer = pointer
        self.is_object = is_object
        self.named = not is_object
        self.index = 0


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")

"""Lists of people to invite, as a spreadsheet saves them. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from rhinecloud.app import Text

from ..events.model import ORGANISATIONS

MOST_LINES: Final = 20_000
_LONGEST: Final = 200  # characters of a name
_FIELD: Final = 10_000  # characters that are looked at; what is longer is another file
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[^\s@\"'<>(),:;\\]+\.[^\s@\"'<>(),:;\\]+"
)
_ORDER: Final = ("name", "mail", "organisation", "kind")
_TITLES: Final[Mapping[str, str]] = {
    "name": "name",
    "mail": "mail",
    "e-mail": "mail",
    "email": "mail",
    "e-mail-adresse": "mail",
    "organisation": "organisation",
    "organization": "organisation",
    "einrichtung": "organisation",
    "kind": "kind",
    "art": "kind",
}
_KINDS: Final = {"": "person"} | {
    word.casefold(): kind for kind, words in ORGANISATIONS.items() for word in (kind, *words)
}


class Invited(msgspec.Struct, frozen=True):
    """Somebody to invite; `kind` is one of `ORGANISATIONS`."""

    name: str
    mail: str | None = None
    organisation: str | None = None
    kind: str = "person"


class BadLine(msgspec.Struct, frozen=True):
    """What is wrong with a line of a list; lines are counted from 1 on."""

    line: int
    text: Text


def read(content: bytes) -> tuple[list[Invited], list[BadLine]]:
    """Whom a list names, and what is wrong with it: each line is a name and, as far as they are known, mail,
    organisation and its kind, separated by semicolons, commas or tabs. A first line may name the columns in another
    order. In UTF-8, or as older spreadsheets write (Windows-1252)."""
    text = _text(content).strip("\n")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    people: dict[tuple[str, str | None], int] = {}
    found: list[Invited] = []
    wrong: list[BadLine] = []
    columns: Sequence[str] = ()
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if not columns:
                named = [_TITLES.get(cell.casefold(), "") for cell in cells]
                columns = named if "name" in named else _ORDER
                if columns is named:
                    continue
            if len(found) + len(wrong) >= MOST_LINES:
                wrong.append(BadLine(rows.line_num, _TOO_MANY))
                break
            one = _judged(dict(zip(columns, cells, strict=False)))
            if isinstance(one, Invited):
                first = people.setdefault((one.name, one.mail), rows.line_num)
                if first == rows.line_num:
                    found.append(one)
                    continue
                one = (
                    f"Diese Person steht schon in Zeile {first}.",
                    f"This person is in line {first} already.",
                )
            wrong.append(BadLine(rows.line_num, one))
    except csv.Error:
        wrong.append(BadLine(rows.line_num, _UNREADABLE))
    if not found and not wrong:
        wrong.append(BadLine(1, ("Die Liste ist leer.", "The list is empty.")))
    return found, wrong


_UNREADABLE: Final[Text] = ("Die Zeile ist nicht lesbar.", "The line cannot be read.")
_TOO_MANY: Final[Text] = (
    f"Eine Liste hat höchstens {MOST_LINES} Zeilen. Bitte teilen Sie sie auf.",
    f"A list has at most {MOST_LINES} lines. Please divide it.",
)


def _judged(cells: Mapping[str, str]) -> Invited | Text:
    name, mail = cells.get("name", ""), cells.get("mail", "")
    organisation, kind = cells.get("organisation", ""), cells.get("kind", "").casefold()
    if not name:
        return ("Der Name fehlt.", "The name is missing.")
    if max(map(len, cells.values())) > _FIELD:
        return _UNREADABLE
    if max(map(len, (name, mail, organisation))) > _LONGEST:
        return (f"Höchstens {_LONGEST} Zeichen in einem Feld.", f"At most {_LONGEST} characters in a field.")
    if not (name + mail + organisation).isprintable():
        return ("Hier sind Zeichen, die man nicht sieht.", "There are characters that cannot be seen.")
    if mail and _ADDRESS.fullmatch(mail) is None:
        return (f"„{mail}“ ist keine E-Mail-Adresse.", f"“{mail}” is no mail address.")
    if kind not in _KINDS:
        known = ", ".join(german for german, _ in ORGANISATIONS.values())
        return (
            f"„{cells['kind'][:40]}“ ist keine bekannte Art. Bekannt sind: {known}.",
            f"“{cells['kind'][:40]}” is no kind that is known. Known are: {', '.join(ORGANISATIONS)}.",
        )
    return Invited(name, mail.lower() or None, organisation or None, _KINDS[kind])


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max(";\t,", key=first.count)

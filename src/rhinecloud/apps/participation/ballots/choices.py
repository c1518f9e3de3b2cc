"""What somebody chose, from a form or as JSON, judged by what the poll allows. Pure.

A choice is a list of numbers of options (one answer, several in the poll's order, or groups by rank, the first wish
first), a list of words, or a step of a scale.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from rhinecloud.app import Text

from ..events.model import Poll

Choice = list[int] | list[str] | int

LONGEST_WORD: Final = 40
LONGEST_QUESTION: Final = 280
_LONGEST_FIELD: Final = 2_000  # characters of a field with words that are looked at
_SEPARATORS: Final = re.compile(r"[,;\n]")
_JOINERS: Final = "\u200c\u200d"  # in words of Persian or Hindi, and in emoji
_decode: Final = msgspec.json.Decoder(int | list[int | str]).decode


class Wrong(ValueError):
    """What was chosen cannot be. `field` is the form's field that it is about."""

    def __init__(self, field: str, text: Text) -> None:
        super().__init__(text[1])
        self.field = field
        self.text = text


def read(poll: Poll, fields: Mapping[str, str]) -> Choice:
    """What a form says: `option`, `option-NUMBER`, `wish-1`…, `value`, or `word-1`… and `words`. Raises Wrong."""
    match poll.kind:
        case "single":
            given = fields.get("option", "").strip()
            return judge(poll, [_number("option", given)] if given else [])
        case "multiple":
            names = [f"option-{option.number}" for option in poll.options]
            return judge(poll, [_number(name, name.partition("-")[2]) for name in names if fields.get(name)])
        case "groups":
            wishes = [
                (f"wish-{n}", fields.get(f"wish-{n}", "").strip()) for n in range(1, poll.rule.wishes + 1)
            ]
            return judge(poll, [_number(name, given) for name, given in wishes if given])
        case "scale":
            given = fields.get("value", "").strip()
            return judge(poll, _number("value", given) if given else None)
        case "words":
            texts = [fields.get(f"word-{n}", "") for n in range(1, poll.rule.most + 1)]
            texts += _SEPARATORS.split(_short("words", fields.get("words", "")))
            return judge(poll, [text for text in texts if text.strip()])
        case _:
            raise Wrong("", ("Hier wird nicht abgestimmt.", "There is no vote here."))


def judge(poll: Poll, given: object) -> Choice:
    """A choice as it is kept, if the poll allows it. Raises Wrong."""
    match poll.kind:
        case "single":
            return _options(poll, "option", given, 1, 1)
        case "multiple":
            chosen = _options(poll, "option", given, poll.rule.least, poll.rule.most)
            order = [option.number for option in poll.options]
            return sorted(chosen, key=order.index)
        case "groups":
            return _options(poll, "wish-1", given, 1, poll.rule.wishes)
        case "scale":
            if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= poll.rule.steps:
                raise Wrong("value", ("Bitte einen Wert wählen.", "Please choose a value."))
            return given
        case "words":
            return _words(poll, given)
        case _:
            raise Wrong("", ("Hier wird nicht abgestimmt.", "There is no vote here."))


def kept(text: str) -> Choice:
    """A choice that was kept, from its JSON."""
    found: Any = _decode(text)
    return found  # type: ignore[no-any-return]


def question(text: str) -> str:
    """A question to the stage as it is kept: one line of at most 280 characters. Raises Wrong."""
    if len(text) > _LONGEST_FIELD:
        raise Wrong("question", _too_long(LONGEST_QUESTION))
    text = _tidy("question", text)
    if not text:
        raise Wrong("question", ("Bitte eine Frage schreiben.", "Please write a question."))
    if len(text) > LONGEST_QUESTION:
        raise Wrong("question", _too_long(LONGEST_QUESTION))
    return text


def folded(word: str) -> str:
    """What words are told apart by: not by case."""
    return word.casefold()


def _options(poll: Poll, field: str, given: object, least: int, most: int) -> list[int]:
    if not isinstance(given, list) or not all(type(one) is int for one in given):
        raise Wrong(field, ("Das kann nicht gewählt werden.", "This cannot be chosen."))
    if len(given) > most:
        raise Wrong(
            field, (f"Höchstens {most} Antworten sind möglich.", f"At most {most} answers are possible.")
        )
    if len(set(given)) != len(given):
        raise Wrong(field, ("Jede Wahl zählt nur einmal.", "Each choice counts only once."))
    if not {option.number for option in poll.options}.issuperset(given):
        raise Wrong(field, ("Diese Antwort gibt es nicht.", "There is no such answer."))
    if len(given) < max(least, 1):
        if least > 1:
            raise Wrong(
                field,
                (f"Bitte mindestens {least} Antworten wählen.", f"Please choose at least {least} answers."),
            )
        raise Wrong(field, ("Bitte eine Antwort wählen.", "Please choose an answer."))
    return given


def _words(poll: Poll, given: object) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise Wrong("words", ("Bitte Wörter schreiben.", "Please write words."))
    if len(given) > 10 * poll.rule.most:
        raise Wrong("words", _too_many(poll.rule.most))
    tidy = [_tidy("words", _short("words", one)) for one in given]
    words = _once(word for word in tidy if word)
    if not words:
        raise Wrong("words", ("Bitte ein Wort schreiben.", "Please write a word."))
    if len(words) > poll.rule.most:
        raise Wrong("words", _too_many(poll.rule.most))
    if any(len(word) > LONGEST_WORD for word in words):
        raise Wrong("words", _too_long(LONGEST_WORD))
    return words


def _once(words: Iterable[str]) -> list[str]:
    found: dict[str, str] = {}
    for word in words:
        found.setdefault(folded(word), word)
    return list(found.values())


def _short(field: str, text: str) -> str:
    if len(text) > _LONGEST_FIELD:
        raise Wrong(field, _too_long(LONGEST_WORD))
    return text


def _tidy(field: str, text: str) -> str:
    """In one line, composed, without what cannot be seen."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if not "".join(sign for sign in text if sign not in _JOINERS).isprintable():
        raise Wrong(
            field, ("Bitte ohne Sonderzeichen schreiben.", "Please write without control characters.")
        )
    # Marks piled up on one letter would cover the lines above it on the stage.
    if re.search(r"\S{3}", "".join(sign if unicodedata.combining(sign) else " " for sign in text)):
        raise Wrong(
            field, ("Bitte ohne Sonderzeichen schreiben.", "Please write without control characters.")
        )
    return text


def _number(field: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Wrong(field, ("Diese Antwort gibt es nicht.", "There is no such answer."))
    return int(text)


def _too_long(most: int) -> Text:
    return (f"Bitte höchstens {most} Zeichen schreiben.", f"Please write {most} characters at most.")


def _too_many(most: int) -> Text:
    return (f"Höchstens {most} Wörter sind möglich.", f"At most {most} words are possible.")

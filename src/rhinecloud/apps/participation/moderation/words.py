"""What somebody writes into a form, tidied, and what cannot be. Pure."""

from __future__ import annotations

import re
from typing import Final

from rhinecloud.app import Text

from ..events.drafting import Wrong

LONGEST_REPORT: Final = 2_000
LONGEST_REASON: Final = 2_000
LONGEST_APPEAL: Final = 4_000
_LONGEST_MAIL: Final = 254
_MAIL: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64})*"
    r"@[^\s@\"'<>(),:;\\]+\.[^\s@\"'<>(),:;\\]+"
)
_MISSING: Final[Text] = ("Bitte schreiben Sie hier etwas.", "Please write something here.")
_UNSEEN: Final[Text] = (
    "Hier sind Zeichen, die man nicht sieht.",
    "There are characters that cannot be seen.",
)


def lines(field: str, text: str, longest: int, *, required: bool = False) -> str:
    """A text of some lines. Raises Wrong."""
    text = text.replace("\r\n", "\n").strip()
    if required and not text:
        raise Wrong(field, _MISSING)
    if len(text) > longest:
        raise Wrong(field, _too_long(longest, len(text)))
    if not text.replace("\n", "").replace("\t", "").isprintable():
        raise Wrong(field, _UNSEEN)
    return text


def mail(field: str, text: str, *, required: bool = False) -> str | None:
    """An address of mail, None for none. Raises Wrong."""
    text = text.strip()
    if not text and not required:
        return None
    if len(text) > _LONGEST_MAIL or not text.isprintable() or _MAIL.fullmatch(text) is None:
        raise Wrong(
            field,
            (
                "Das ist keine E-Mail-Adresse. Sie sieht so aus: name@beispiel.de",
                "This is no mail address. It looks like name@example.org",
            ),
        )
    return text


def _too_long(longest: int, length: int) -> Text:
    said, most = f"{length:,}", f"{longest:,}"
    return (
        f"Das sind {said.replace(',', '.')} Zeichen; höchstens {most.replace(',', '.')} gehen.",
        f"These are {said} characters; {most} are possible at most.",
    )

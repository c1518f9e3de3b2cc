"""What is taken and what is refused: rules, the names of files, the reasons of a refusal. Pure."""

from __future__ import annotations

import re
import unicodedata

import msgspec

from .kinds import DOCUMENTS, IMAGES, KINDS, TABLES, Kind

_LONGEST_NAME = 100  # characters; a file system's limit is 255 bytes
# Separators of paths, what file systems forbid, control characters, and the marks that turn the direction of writing:
# "photo<U+202E>gpj.exe" is shown as "photoexe.jpg".
_FORBIDDEN = re.compile('[\x00-\x1f\x7f-\x9f<>:"|?*\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]')

# What a refusal answers over HTTP.
STATUS = {
    "empty": 422,
    "too-large": 413,
    "too-many": 413,
    "kind": 415,
    "content": 422,
    "malformed": 400,
    "too-slow": 408,
    "full": 507,
}


class Refused(Exception):
    """A file that is not taken. `reason` is one of STATUS; `text` says it in English; `limit` is the number passed."""

    def __init__(self, reason: str, text: str, *, name: str = "", limit: int | None = None) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.name = name
        self.limit = limit
        self.status = STATUS[reason]

    def __str__(self) -> str:
        return f"{self.name}: {self.text}" if self.name else self.text


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What an app takes. `size` is the most bytes of one file (None: what the setting files_max_mb says, which always
    holds), `count` the most in one form, `longest` the longer side of an image in pixels; larger ones are made
    smaller."""

    kinds: tuple[Kind, ...] = IMAGES + DOCUMENTS
    size: int | None = None
    count: int = 10
    longest: int = 4096

    def accept(self) -> str:
        """The value of `accept` for an `<input type="file">`."""
        return ",".join(f".{end}" for kind in self.kinds for end in kind.ends)


def clean_name(name: str, kind: Kind) -> str:
    """A name that any system can show and store, ending as the kind of the content does."""
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    name = " ".join(_FORBIDDEN.sub("", name).split()).strip(" .")
    stem, dot, end = name.rpartition(".")
    if dot and end.lower() in kind.ends:
        end = end.lower()
    else:
        stem, end = name, kind.ends[0]
    stem = stem[:_LONGEST_NAME].strip(" .") or "file"
    return f"{stem}.{end}"


__all__ = ["DOCUMENTS", "IMAGES", "KINDS", "STATUS", "TABLES", "Kind", "Refused", "Rules", "clean_name"]

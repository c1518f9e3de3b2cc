"""Texts that the operator answers for by law, in both languages: model texts of ours until the operator writes others.

Every version is kept, with who wrote it. The Markdown is CommonMark without HTML and images; what it links to is
looked at (`javascript:` and its like are no links).
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Final

import asyncpg
import msgspec
from markdown_it import MarkdownIt

from .service import People

LANGUAGES: Final = ("de", "en")
LONGEST: Final = 100_000  # characters
_GAP = re.compile(r"\[[^\]\n]+\](?![(\[:])")


class LegalPage(msgspec.Struct, frozen=True):
    """A page: its key, its address, its name, and what the law calls for it."""

    key: str
    path: str
    title: tuple[str, str]
    law: str


PAGES: Final = (
    LegalPage("imprint", "/impressum", ("Impressum", "Legal notice"), "§ 5 DDG, § 18 MStV"),
    LegalPage("privacy", "/datenschutz", ("Datenschutz", "Privacy"), "Art. 13, 14 DSGVO"),
    LegalPage(
        "accessibility",
        "/barrierefreiheit",
        ("Barrierefreiheit", "Accessibility"),
        "§ 10b BGG NRW, BITVNRW, (EU) 2016/2102",
    ),
    LegalPage("easy", "/leichte-sprache", ("Leichte Sprache", "Easy read"), "§ 8 BGG NRW"),
)
BY_KEY: Final = {page.key: page for page in PAGES}


class LegalText(msgspec.Struct, frozen=True):
    """A version of a page's text. `id` is 0 for the model text."""

    id: int
    body: str
    at: datetime | None = None
    actor: str = ""

    @property
    def gaps(self) -> list[str]:
        """What the operator still has to fill in: text in square brackets that is no link."""
        return _GAP.findall(self.body)


@cache
def model_text(page: str, language: str, city: str) -> LegalText:
    """The text that comes with Rhine Cloud."""
    body = resources.files(__package__).joinpath("texts", f"{page}.{language}.md").read_text("utf-8")
    return LegalText(0, body.replace("{city}", city))


class Legal:
    """The texts of an installation, in the tables of the room of people."""

    def __init__(self, people: People, city: str) -> None:
        self._people = people
        self._city = city

    async def text(self, page: str, language: str) -> LegalText:
        """The version that counts."""
        record = await self._people.room.pool.fetchrow(
            f"{_SELECT} WHERE page = $1 AND language = $2 ORDER BY id DESC LIMIT 1", page, language
        )
        return LegalText(**record) if record is not None else model_text(page, language, self._city)

    async def versions(self, page: str, language: str, limit: int = 100) -> list[LegalText]:
        """All versions, the newest first, the model text last."""
        records = await self._people.room.pool.fetch(
            f"{_SELECT} WHERE page = $1 AND language = $2 ORDER BY id DESC LIMIT $3", page, language, limit
        )
        return [*(LegalText(**record) for record in records), model_text(page, language, self._city)]

    async def write(
        self, connection: asyncpg.Connection, page: str, language: str, body: str, actor: str
    ) -> int:
        """Keep a new version, which counts from the commit of the caller's transaction on; its id."""
        return int(
            await connection.fetchval(
                "INSERT INTO legal_text (page, language, body, actor) VALUES ($1, $2, $3, $4) RETURNING id",
                page,
                language,
                body,
                actor,
            )
        )


_SELECT = "SELECT id, body, at, actor FROM legal_text"


def html(body: str) -> str:
    """The text as HTML that is safe to be shown: no HTML of the text's own, no images, headings from h2 on."""
    return str(_markdown().render(body))


@cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).disable("image").enable("table")
    markdown.core.ruler.push("headings", _lower_headings)
    return markdown


def _lower_headings(state: object) -> None:
    """The page has its h1 already."""
    for token in state.tokens:  # type: ignore[attr-defined]
        if token.type in ("heading_open", "heading_close") and token.tag == "h1":
            token.tag = "h2"

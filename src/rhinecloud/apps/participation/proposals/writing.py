"""What people do with proposals: write them, support them, comment on them, offer and take amendments, add pictures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from rhinecloud.city import City, Transaction, Upload
from rhinecloud.model import BadRequestData, ResourceNotFound
from rhinecloud.people import Actor

from ..events.drafting import Wrong
from . import drafting, graph, steps, telling
from .drafting import Draft
from .life import State, Step, after
from .steps import Gone, Said

_MOST_PICTURES: Final = 10
_CLOSED: Final = (
    "Dieser Vorschlag ist abgeschlossen und kann nicht mehr geändert werden.",
    "This proposal is closed and cannot be changed any more.",
)


async def create(
    city: City,
    actor: Actor,
    draft: Draft,
    *,
    days: int,
    root: str = "",
    offline: tuple[str, bool, str | None] | None = None,
) -> int:
    """A new proposal; its number. An answer is promised within `days`. `offline`: entered for somebody without an
    account: their name, whether it is shown, and their mail if they want to be told. Raises Wrong."""
    for one in draft.links:
        try:
            await city.broker.retrieve(one, sight=actor.sight)
        except (ResourceNotFound, BadRequestData) as error:
            text = (f"Das Objekt „{one}“ gibt es nicht.", f"There is no object “{one}”.")
            raise Wrong("links", text) from error
    lon, lat = draft.place or (None, None)
    now = city.clock.now()
    async with city.transaction() as transaction:
        number: int = await transaction.connection.fetchval(
            "INSERT INTO proposal (theme_group, title, text, lon, lat, links, on_paper, promised_at, created_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING number",
            *(draft.group, draft.title, draft.text, lon, lat, list(draft.links), offline is not None),
            *(now + timedelta(days=days), now),
        )
        name, named, mail = offline if offline is not None else (draft.name, bool(draft.name), None)
        await transaction.connection.execute(
            "INSERT INTO proposal_author (proposal, actor, name, named, mail) VALUES ($1, $2, $3, $4, $5)",
            *(number, None if offline is not None else actor.id, name, named, mail),
        )
        await steps.note(transaction, city, number, Step.RECEIVE, Said(f"Stadt {city.name}"))
        await graph.settle(city, transaction, number)
        await telling.step(city, transaction, number, Step.RECEIVE, root=root)
        if offline is not None:
            await transaction.audit(actor.id, "participation.proposal_paper", f"proposal:{number}")
    return number


async def support(city: City, actor: Actor, number: int, wanted: bool) -> None:
    """Support a proposal, or take it back. A second time changes nothing. Raises Gone, Wrong."""
    async with city.transaction() as transaction:
        state = await _locked(transaction, number)
        if wanted and not state.open:
            raise Wrong("support", _CLOSED)
        await transaction.connection.execute(
            "INSERT INTO proposal_support (proposal, actor) VALUES ($1, $2) ON CONFLICT DO NOTHING"
            if wanted
            else "DELETE FROM proposal_support WHERE proposal = $1 AND actor = $2",
            number,
            actor.id,
        )
        await graph.settle(city, transaction, number)


async def comment(city: City, actor: Actor, number: int, given: Mapping[str, str]) -> int:
    """Write a comment; its number. Raises Gone, Wrong."""
    text = drafting.lines("comment", given.get("comment", ""), drafting.COMMENT)
    name = drafting.line("comment_name", given.get("comment_name", ""), drafting.NAME, needed=False)
    async with city.transaction() as transaction:
        if await _locked(transaction, number) is State.MERGED:
            raise Wrong("comment", _CLOSED)
        found: int = await transaction.connection.fetchval(
            "INSERT INTO comment (proposal, actor, name, text, at) VALUES ($1, $2, $3, $4, $5) RETURNING number",
            *(number, actor.id, name, text, city.clock.now()),
        )
    return found


async def offer(city: City, actor: Actor, number: int, given: Mapping[str, str], root: str = "") -> int:
    """Offer the authors another text; the number of the amendment. They are told. Raises Gone, Wrong."""
    title = drafting.line("title", given.get("title", ""), drafting.TITLE)
    text = drafting.lines("text", given.get("text", ""), drafting.TEXT)
    why = drafting.lines("why", given.get("why", ""), drafting.COMMENT, needed=False)
    name = drafting.line("name", given.get("name", ""), drafting.NAME, needed=False)
    async with city.transaction() as transaction:
        row = await _row(transaction, number)
        if after(State(row["state"]), Step.AMEND) is None:
            raise Wrong("text", _CLOSED)
        if (title, text) == (row["title"], row["text"]):
            raise Wrong("text", ("Der Text ist noch derselbe.", "The text is still the same."))
        found: int = await transaction.connection.fetchval(
            "INSERT INTO amendment (proposal, actor, name, title, text, why, at) VALUES ($1, $2, $3, $4, $5, $6, $7) "
            "RETURNING number",
            *(number, actor.id, name, title, text, why, city.clock.now()),
        )
        await telling.offered(city, transaction, number, row["title"], root)
    return found


async def decide(city: City, actor: Actor, number: int, amendment: int, taken: bool, root: str = "") -> None:
    """An author takes an amendment, whose author is one of the authors then, or does not. What it takes the place of is
    kept with it. Raises Gone, and Wrong where it is decided already or too late."""
    async with city.transaction() as transaction:
        connection = transaction.connection
        row = await _row(transaction, number)
        offered = await connection.fetchrow(
            "SELECT * FROM amendment WHERE number = $1 AND proposal = $2 FOR UPDATE", amendment, number
        )
        if offered is None:
            raise Gone
        if offered["state"] != "offered":
            raise Wrong("amendment", ("Darüber ist schon entschieden.", "This is decided already."))
        await connection.execute(
            "UPDATE amendment SET state = $2, before_title = $3, before_text = $4, decided_at = $5 WHERE number = $1",
            *(amendment, "taken" if taken else "refused"),
            *((row["title"], row["text"]) if taken else (None, None)),
            city.clock.now(),
        )
        if not taken:
            return
        await connection.execute(
            "UPDATE proposal SET title = $2, text = $3 WHERE number = $1",
            *(number, offered["title"], offered["text"]),
        )
        if offered["actor"] is not None:
            await connection.execute(
                "INSERT INTO proposal_author (proposal, actor, name, named, came) VALUES ($1, $2, $3, $4, 'amended') "
                "ON CONFLICT DO NOTHING",
                *(number, offered["actor"], offered["name"], bool(offered["name"])),
            )
        await steps.write(city, transaction, number, Step.AMEND, Said("", offered["why"]))
        await telling.step(city, transaction, number, Step.AMEND, text=offered["why"], root=root)


async def add_picture(city: City, actor: Actor, number: int, upload: Upload | None, description: str) -> UUID:
    """Add a picture to a proposal, with what it shows in words, for who does not see it. Raises Gone, Wrong."""
    description = drafting.line("description", description, drafting.TITLE)
    if upload is None:
        raise Wrong("photo", ("Bitte wählen Sie ein Bild.", "Please choose a picture."))
    async with city.transaction() as transaction:
        if not (await _locked(transaction, number)).open:
            raise Wrong("photo", _CLOSED)
        connection = transaction.connection
        count = await connection.fetchval("SELECT count(*) FROM proposal_picture WHERE proposal = $1", number)
        if count >= _MOST_PICTURES:
            raise Wrong("photo", ("Höchstens 10 Bilder.", "10 pictures at most."))
        kept = await city.files.keep(transaction, upload, subject=f"proposal:{number}", actor=actor)
        await connection.execute(
            "INSERT INTO proposal_picture (file, proposal, description, at) VALUES ($1, $2, $3, $4)",
            *(kept.id, number, description, city.clock.now()),
        )
    return kept.id


async def remove_picture(city: City, actor: Actor, number: int, file: UUID) -> None:
    """Take a picture away again. Raises Gone."""
    async with city.transaction() as transaction:
        status = await transaction.connection.execute(
            "DELETE FROM proposal_picture WHERE file = $1 AND proposal = $2", file, number
        )
        if status == "DELETE 0":
            raise Gone
        await city.files.remove(transaction, file)


async def _locked(transaction: Transaction, number: int) -> State:
    return State((await _row(transaction, number))["state"])


async def _row(transaction: Transaction, number: int) -> Any:
    row = await transaction.connection.fetchrow(
        "SELECT state, title, text FROM proposal WHERE number = $1 FOR UPDATE", number
    )
    if row is None:
        raise Gone
    return row

"""What becomes of a proposal: steps of its trail, each with the new state, the entity and the letters in one
transaction."""

from __future__ import annotations

from typing import Final

import msgspec

from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from ..events.drafting import Wrong
from . import drafting, graph, telling
from .life import BY_STAFF, State, Step, after

_OFFICE, _SAID = 200, 10_000
_TOO_LATE: Final = (
    "Das geht nicht mehr: Der Vorschlag ist inzwischen weiter. Bitte sehen Sie nach, was daraus wurde.",
    "This is not possible any more: the proposal has gone on meanwhile. Please look at what became of it.",
)


class Gone(Exception):
    """There is no such proposal."""


class Said(msgspec.Struct, frozen=True):
    """What the city says: which office, in which words, with an address of a project."""

    office: str
    text: str = ""
    link: str = ""


def said_of(given: dict[str, str], step: Step) -> Said:
    """What a form says for a step. Raises Wrong."""
    return Said(
        drafting.line("office", given.get("office", ""), _OFFICE),
        drafting.lines("said", given.get("said", ""), _SAID, needed=step.reasoned),
        drafting.address("link", given.get("link", "")),
    )


async def take(city: City, actor: Actor, number: int, step: Step, said: Said, root: str = "") -> State:
    """A step of staff; the state after it. Raises Gone, and Wrong for one that cannot follow."""
    if step not in BY_STAFF:
        raise Wrong("step", _TOO_LATE)
    async with city.transaction() as transaction:
        state = await write(city, transaction, number, step, said)
        await telling.step(
            city,
            transaction,
            number,
            step,
            office=said.office,
            text=said.text,
            link=said.link,
            root=root,
        )
        await transaction.audit(
            actor.id, "participation.proposal_step", f"proposal:{number}", {"step": step.value}
        )
    return state


async def merge(city: City, actor: Actor, number: int, into: int, said: Said, root: str = "") -> None:
    """Merge a proposal into another one: authors and supporters of both are those of the other one then, and the trail
    of each tells it. Raises Gone, and Wrong where it cannot be."""
    if number == into:
        raise Wrong(
            "into",
            ("Bitte einen anderen Vorschlag nennen.", "Please name another proposal."),
        )
    async with city.transaction() as transaction:
        connection = transaction.connection
        # Both in the order of their numbers, so that two merges never wait for each other.
        locked = await connection.fetch(
            "SELECT number FROM proposal WHERE number = ANY($1) ORDER BY number FOR UPDATE", [number, into]
        )
        there = {row["number"] for row in locked}
        if number not in there:
            raise Gone
        if into not in there:
            raise Wrong("into", ("Diesen Vorschlag gibt es nicht.", "There is no such proposal."))
        await write(city, transaction, into, Step.TAKE_IN, said, other=number)
        await connection.execute(
            "INSERT INTO proposal_author (proposal, actor, name, named, mail, came) "
            "SELECT $2, a.actor, a.name, a.named, a.mail, 'merged' FROM proposal_author a WHERE a.proposal = $1 "
            "ORDER BY a.number ON CONFLICT DO NOTHING",
            number,
            into,
        )
        await connection.execute(
            "INSERT INTO proposal_support (proposal, actor) SELECT $2, actor FROM proposal_support WHERE proposal = $1 "
            "ON CONFLICT DO NOTHING",
            number,
            into,
        )
        await write(city, transaction, number, Step.MERGE, said, other=into)
        await graph.settle(city, transaction, into)
        # Who wrote the merged one is an author of the other one by now, and is told once, by this.
        await telling.step(
            city,
            transaction,
            into,
            Step.TAKE_IN,
            office=said.office,
            text=said.text,
            other=number,
            root=root,
        )
        await transaction.audit(
            actor.id, "participation.proposal_merge", f"proposal:{number}", {"into": into}
        )


async def write(
    city: City,
    transaction: Transaction,
    number: int,
    step: Step,
    said: Said,
    *,
    other: int | None = None,
) -> State:
    """A step within a transaction: the trail, the state, the clock, the entity. Raises Gone, and Wrong for a step that
    cannot follow."""
    connection = transaction.connection
    row = await connection.fetchrow("SELECT state FROM proposal WHERE number = $1 FOR UPDATE", number)
    if row is None:
        raise Gone
    state = after(State(row["state"]), step)
    if state is None:
        raise Wrong("step", _TOO_LATE)
    now = city.clock.now()
    await connection.execute(
        "UPDATE proposal SET state = $2, merged_into = $3, "
        "answered_at = CASE WHEN $4 THEN coalesce(answered_at, $5) ELSE answered_at END WHERE number = $1",
        *(number, state.value, other if step is Step.MERGE else None, step.answers, now),
    )
    await note(transaction, city, number, step, said, other=other)
    await graph.settle(city, transaction, number)
    return state


async def note(
    transaction: Transaction,
    city: City,
    number: int,
    step: Step,
    said: Said,
    *,
    other: int | None = None,
) -> None:
    """Write a line of the trail."""
    await transaction.connection.execute(
        "INSERT INTO proposal_step (proposal, step, office, text, link, other, at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *(number, step.value, said.office, said.text, said.link, other, city.clock.now()),
    )

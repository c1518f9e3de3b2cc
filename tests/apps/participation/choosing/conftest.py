"""People who have voted for groups, and their phones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from rhinecloud.apps.participation.choosing import drawing, rows
from rhinecloud.apps.participation.choosing.rules import Wishes
from rhinecloud.apps.participation.joining import passes

from ..conftest import THEMES, Organiser


class Vote:
    """A poll "choose your group" at a server, and who voted in it."""

    def __init__(self, organiser: Organiser, **fields: Any) -> None:
        self.organiser = organiser
        self.event, self.code = organiser.event("Auftakt", admission="open")
        self.poll = organiser.poll(self.event, "groups", **fields)
        self.options = list(organiser.options(self.poll).values())
        self.key: bytes = organiser.rows(
            "SELECT key FROM app_participation.event WHERE number = $1", self.event
        )[0][0]
        self.wishes: list[Wishes] = []
        self.path = f"/participation/e/{self.code}/places/{self.poll}"
        self.desk = f"/participation/polls/{self.poll}/places"
        self._clients: list[httpx.Client] = []

    def voted(self, wishes: Sequence[tuple[int, ...]], kinds: Sequence[str] = ("person",)) -> None:
        """People vote, each by places of options in their order, while the poll is open."""
        for index, chosen in enumerate(wishes):
            who, kind = uuid4(), kinds[index % len(kinds)]
            numbers = [self.options[place] for place in chosen]
            self.wishes.append(Wishes(who, drawing.ticket(self.key, who), kind, tuple(numbers)))
            self.organiser.rows(
                "INSERT INTO app_participation.participant (event, id, kind) VALUES ($1, $2, $3)",
                self.event,
                who,
                kind,
            )
            self.organiser.rows(
                "INSERT INTO app_participation.vote (poll, event, participant, revision, choice, arrival) "
                "VALUES ($1, $2, $3, 1, $4, $5)",
                self.poll,
                self.event,
                who,
                msgspec.json.encode(numbers).decode(),
                index if self.by_arrival else None,
            )

    @property
    def by_arrival(self) -> bool:
        return self.rule["by"] == "arrival"

    @property
    def rule(self) -> dict[str, Any]:
        found = self.organiser.rows("SELECT rule FROM app_participation.poll WHERE number = $1", self.poll)
        return {"by": "lot", "seed": ""} | msgspec.json.decode(found[0][0])

    def phone(self, who: UUID) -> httpx.Client:
        """The phone of somebody who takes part."""
        shown = passes.write(self.key, passes.Pass(who, b"s" * 16))
        client = httpx.Client(
            base_url=self.organiser.url,
            cookies={f"vote-{self.code}": shown},
            headers={"Sec-Fetch-Site": "same-origin", "Accept-Language": "de"},
            timeout=30,
        )
        self._clients.append(client)
        return client

    def own(self, who: UUID) -> dict[str, Any]:
        """What the phone is told of its place."""
        answer = self.phone(who).get(f"{self.path}/own")
        assert answer.status_code == 200
        return dict(answer.json())

    def act(self, act: str, **given: str) -> httpx.Response:
        """The organiser does something at the page of places."""
        return self.organiser.client.post(f"{self.desk}/{act}", data=given)

    def drawn(self) -> list[Wishes]:
        """Who voted, in the order of the draw."""
        seed, word = self.organiser.rows(
            "SELECT seed, word FROM app_participation.draw WHERE poll = $1", self.poll
        )[0]
        return rows.drawn(self.wishes, rows.Draw(seed, word))

    def close(self) -> None:
        for client in self._clients:
            client.close()


Voting = Callable[..., Vote]


def groups(capacity: int | None = 3, **fields: Any) -> dict[str, Any]:
    """The fields of a poll about the six groups with so many places each."""
    found: dict[str, Any] = {}
    for place, title in enumerate(THEMES):
        found[f"option-{place}-title"] = title
        found[f"option-{place}-capacity"] = "" if capacity is None else str(capacity)
    return found | fields


@pytest.fixture
def voting(organiser: Organiser) -> Iterator[Voting]:
    """`voting(**fields)`: an event with an open poll about groups."""
    made: list[Vote] = []

    def one(people: int = 30, seed: int = 1, wishes: int = 3, **fields: Any) -> Vote:
        vote = Vote(organiser, **groups(**fields))
        made.append(vote)
        organiser.open(vote.event, vote.poll)
        chance = random.Random(seed)
        vote.voted(
            [
                tuple(dict.fromkeys(chance.choices(range(6), (8, 6, 4, 2, 1, 1), k=wishes)))
                for _ in range(people)
            ],
            ("person", "club", "business"),
        )
        return vote

    yield one
    for vote in made:
        vote.close()

"""Whatever comes in whatever order from whichever phone: the city does what a model of one page does."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from rhinecloud.apps.participation.ballots import casting
from rhinecloud.apps.participation.ballots.casting import Receipt, Refused, Vote
from rhinecloud.apps.participation.joining import passes

from .hall import Hall, Phone

PEOPLE = 4
STEPS = 120


@dataclass
class Model:
    """What is kept of a poll. By person: the phone whose vote it is (None for paper), revision and choice."""

    secret: bool
    votes: dict[int, tuple[int | None, int, list[int]]] = field(default_factory=dict)
    came_on_paper: dict[int, bool] = field(default_factory=dict)

    def cast(self, person: int, phone: int | None, revision: int, choice: list[int]) -> Any:
        """A receipt as (revision, changed, choice), or "used"."""
        self.came_on_paper.setdefault(person, phone is None)
        if person not in self.votes:
            self.votes[person] = (phone, max(revision, 1), choice)
            return max(revision, 1), True, choice
        owner, kept, chosen = self.votes[person]
        if self.secret and (phone is None or phone != owner):
            return "used"
        if phone is None and not self.came_on_paper[person]:
            return "used"
        if revision > kept:
            self.votes[person] = (phone, revision, choice)
            return revision, True, choice
        if revision == 0 and choice != chosen:
            self.votes[person] = (phone, kept + 1, choice)
            return kept + 1, True, choice
        return kept, False, chosen


@pytest.mark.parametrize("secret", [False, True], ids=["named", "secret"])
@pytest.mark.parametrize("seed", range(6))
async def test_the_city_does_what_the_model_does(hall: Hall, seed: int, secret: bool) -> None:
    chance = random.Random(seed)
    event = await hall.event("invitation", invitations=PEOPLE)
    poll = await hall.poll(event, secret=secret)
    options = [option.number for option in poll.options]
    people = [[Phone(invitation=n + 1)] for n in range(PEOPLE)]
    for phones in people:
        phones.append(Phone(participant=phones[0].participant, invitation=phones[0].invitation))
    model = Model(secret)
    for step in range(STEPS):
        person, on_paper = chance.randrange(PEOPLE), chance.random() < 0.15
        number = None if on_paper else chance.choice([0, 0, 0, 1])
        phone = people[person][number or 0]
        revision = 0 if on_paper else chance.choice([0, 1, 2, 3, step // 10 + 1])
        choice = [chance.choice(options)]
        vote = Vote(
            event=event,
            poll=poll,
            participant=phone.participant,
            invitation=phone.invitation,
            choice=choice,
            revision=revision,
            ballot_key=None if on_paper else passes.ballot_key(phone.secret, poll.number),
            on_paper=on_paper,
        )
        try:
            found: Any = await casting.cast(chance.choice([hall.city, hall.other]), vote)
        except Refused as refused:
            found = refused.reason
        expected = model.cast(person, number, revision, choice)
        assert found == (expected if expected == "used" else Receipt(*expected)), (step, vote)
    await hall.close(poll)
    tally = await hall.tally(poll)
    chosen = [kept[2][0] for kept in model.votes.values()]
    assert tally.ballots == len(chosen)
    assert tally.options == {number: chosen.count(number) for number in options}

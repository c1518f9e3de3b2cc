"""The draw: nobody can know it before, everybody can compute it afterwards."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.participation.choosing import drawing

seeds = st.binary(min_size=32, max_size=32)
words = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=20)
tickets = st.lists(st.uuids().map(lambda who: drawing.ticket(b"key", who)), unique=True, max_size=20)


@given(seeds, words, tickets, st.randoms(use_true_random=False))
def test_the_draw_is_the_same_however_it_is_asked(
    seed: bytes, word: str, some: list[str], chance: object
) -> None:
    drawn = drawing.order(seed, word, some)
    assert sorted(drawn) == sorted(some)
    chance.shuffle(some)  # type: ignore[attr-defined]
    assert drawing.order(seed, word, some) == drawn
    assert drawing.order(seed, word, some[1:]) == [one for one in drawn if one != some[0]] if some else True


@given(seeds, st.lists(st.uuids(), min_size=2, max_size=2, unique=True))
def test_before_the_word_anybody_may_still_be_before_anybody(seed: bytes, two: list[UUID]) -> None:
    """Also for who knows the seed: among some words there are both orders."""
    pair = [drawing.ticket(b"key", one) for one in two]
    assert len({tuple(drawing.order(seed, f"word {n}", pair)) for n in range(80)}) == 2


@given(words, st.lists(st.uuids(), min_size=2, max_size=2, unique=True))
def test_without_the_seed_the_word_says_nothing(word: str, two: list[UUID]) -> None:
    """Also for who chooses the word: among some seeds there are both orders."""
    pair = [drawing.ticket(b"key", one) for one in two]
    assert len({tuple(drawing.order(bytes([n]) * 32, word, pair)) for n in range(80)}) == 2


def test_everybody_is_as_often_the_first() -> None:
    some = [drawing.ticket(b"key", UUID(int=n)) for n in range(6)]
    firsts = Counter(drawing.order(b"s" * 32, str(n), some)[0] for n in range(6_000))
    assert all(abs(number - 1_000) < 150 for number in firsts.values())  # five standard deviations


def test_a_commitment_binds_and_hides() -> None:
    seed = drawing.new_seed()
    assert len(seed) == drawing.SEED_BYTES and drawing.new_seed() != seed
    assert drawing.commitment(seed) != drawing.commitment(bytes(32))
    assert seed.hex() not in drawing.commitment(seed)


def test_it_can_be_computed_again_with_what_every_computer_has(tmp_path: Path) -> None:
    """The recipe that the page gives, which is the one of docs/reference/participation-places.md."""
    guide = Path(__file__).parents[4] / "docs" / "reference" / "participation-places.md"
    assert f"```sh\n{drawing.RECIPE}```" in guide.read_text()
    seed, word = drawing.new_seed(), "Röhren & Rhein's $HOME | 7"
    some = [drawing.ticket(b"key", UUID(int=n)) for n in range(50)]
    (tmp_path / "tickets.txt").write_text("\n".join(some) + "\n")
    recipe = drawing.recipe(seed, word)
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-c", recipe], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    lines = done.stdout.split("\n")
    assert lines[0].split()[0] == drawing.commitment(seed)
    assert [line.split()[1] for line in lines[1:] if line] == drawing.order(seed, word, some)


@given(st.binary(min_size=16, max_size=32), st.lists(st.uuids(), unique=True, max_size=50))
def test_a_ticket_is_a_participants_own(key: bytes, people: list[UUID]) -> None:
    found = [drawing.ticket(key, one) for one in people]
    assert len(set(found)) == len(people)
    assert found == [drawing.ticket(key, one) for one in people]
    for one in found:
        assert len(one) == 9 and one[4] == "-" and not set(one) & set("IO01")


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 101, "a\x00b", "\u202e"])
def test_what_is_no_word(text: str) -> None:
    with pytest.raises(ValueError, match="a word is"):
        drawing.word_of(text)


def test_a_word_is_the_same_however_it_is_typed() -> None:
    assert drawing.word_of("  Ru\u0308hrort \n Hafen ") == "R\u00fchrort Hafen"

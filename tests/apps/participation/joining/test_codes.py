"""Codes and passes: what was signed is known again, and nothing else."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.participation.events.model import CODE, CODE_LENGTH
from rhinecloud.apps.participation.joining import passes
from rhinecloud.apps.participation.joining.codes import MOST, code_of, number_of, short_code
from rhinecloud.apps.participation.joining.here import arriving
from rhinecloud.apps.participation.joining.passes import Pass

KEY, OTHER = b"k" * 32, b"o" * 32
NUMBERS = st.integers(1, MOST)


@given(
    NUMBERS,
    st.sampled_from([str, str.lower, lambda t: t.replace("-", ""), lambda t: f"  {t.replace('-', ' ')}\n"]),
)
def test_a_code_is_known_however_it_is_typed(number: int, typed: object) -> None:
    code = code_of(KEY, number)
    assert len(code) == 19 and set(code) <= {*CODE, "-"}
    assert number_of(KEY, typed(code)) == number  # type: ignore[operator]
    assert number_of(OTHER, code) is None


@given(NUMBERS, st.integers(0, 15), st.sampled_from(CODE))
def test_no_other_code_of_a_character_less_or_more_is(number: int, place: int, other: str) -> None:
    code = code_of(KEY, number).replace("-", "")
    changed = code[:place] + other + code[place + 1 :]
    assert (number_of(KEY, changed) == number) == (changed == code)
    assert number_of(KEY, code[:place] + code[place + 1 :]) is None
    assert number_of(KEY, code + other) is None


@given(st.text(max_size=40) | st.text(CODE + "-", min_size=16, max_size=19))
def test_what_is_no_code_is_none(text: str) -> None:
    assert number_of(KEY, text) is None


@pytest.mark.parametrize(
    "text", ["", "A" * 1_000_000, "ＡＢＣＤ" * 4, "ABCD-EFGH-JKLM-NPQ\0", "0000-0000-0000-0000"]
)
def test_strange_codes(text: str) -> None:
    assert number_of(KEY, text) is None


def test_nothing_is_signed_for_number_zero() -> None:
    """Its code would be let in as nobody's."""
    for number in (0, -1, MOST + 1):
        with pytest.raises(ValueError, match="numbered"):
            code_of(KEY, number)


def test_codes_of_an_event_are_short_and_drawn() -> None:
    drawn = {short_code() for _ in range(1_000)}
    assert len(drawn) > 990 and all(len(code) == CODE_LENGTH and set(code) <= set(CODE) for code in drawn)


@given(st.uuids(), st.binary(min_size=16, max_size=16), st.none() | NUMBERS)
def test_a_pass_is_read_again(participant: UUID, secret: bytes, invitation: int | None) -> None:
    written = passes.write(KEY, Pass(participant, secret, invitation))
    assert passes.read(KEY, written) == Pass(participant, secret, invitation)
    assert passes.read(OTHER, written) is None


@given(st.integers(0, 69), st.characters(codec="utf-8"))
def test_a_pass_that_was_changed_is_none(place: int, other: str) -> None:
    given_ = passes.drawn(KEY, 7)
    written = passes.write(KEY, given_)
    read = passes.read(KEY, written[:place] + other + written[place + 1 :])
    # The last character has bits to spare that mean nothing.
    assert read is None or read == given_


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_what_is_no_pass_is_none(text: str) -> None:
    assert passes.read(KEY, text) is None


def test_a_code_signs_no_pass_and_each_phone_has_a_secret_of_its_own() -> None:
    first, second = passes.drawn(KEY, 7), passes.drawn(KEY, 7)
    assert first.participant == second.participant == passes.participant_of(KEY, 7)
    assert first.participant != passes.participant_of(KEY, 8) != passes.participant_of(OTHER, 8)
    assert (
        first.secret != second.secret
        and passes.drawn(KEY, None).participant != passes.drawn(KEY, None).participant
    )
    keys = {passes.ballot_key(one.secret, poll) for one in (first, second) for poll in (1, 2)}
    assert len(keys) == 4 and all(len(key) == 32 for key in keys)


@given(st.integers(1, 100_000))
def test_a_whole_hall_comes_in_by_an_open_link_at_once(expected: int) -> None:
    at_once, a_second = arriving(expected)
    assert at_once >= expected and 0.5 <= a_second <= 5

"""Keys and claims as NATS writes them. That the server understands them, the tests of the door show."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.nkeys import KeyPair, claims_of, main


@given(st.binary(min_size=32, max_size=32))
def test_a_seed_gives_the_same_pair_again(raw: bytes) -> None:
    pair = KeyPair(raw)
    assert pair.seed.startswith("SA") and pair.public.startswith("A")
    assert (len(pair.seed), len(pair.public)) == (58, 56)
    assert KeyPair.from_seed(pair.seed + "\n").public == pair.public


@given(st.integers(0, 57), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_damaged_seed_is_refused(place: int, letter: str) -> None:
    seed = KeyPair(b"\7" * 32).seed
    damaged = seed[:place] + letter + seed[place + 1 :]
    if damaged == seed:
        return
    with pytest.raises(ValueError, match="seed"):
        KeyPair.from_seed(damaged)


@pytest.mark.parametrize("text", ["", "SA", "not base32!", KeyPair(b"\7" * 32).public])
def test_what_is_no_seed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="seed"):
        KeyPair.from_seed(text)


def test_claims_are_signed_and_can_be_read() -> None:
    pair = KeyPair.new()
    token = pair.sign({"sub": "somebody", "nats": {"type": "user"}})
    claims = claims_of(token, dict)
    assert (claims["iss"], claims["sub"]) == (pair.public, "somebody")
    text, signature = token.rsplit(".", 1)
    padded = base64.b32decode(pair.public + "=" * (-len(pair.public) % 8))
    Ed25519PublicKey.from_public_bytes(padded[1:33]).verify(
        base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)), text.encode()
    )


@pytest.mark.parametrize("token", ["", "a.b", "a.!.c", "a.W10.c", "a.e.c"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="JWT"):
        claims_of(token, dict)


def test_a_key_is_made_for_a_citys_own_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "issuer"
    assert main([str(file)]) == 0
    public = capsys.readouterr().out.strip()
    assert KeyPair.from_seed(file.read_text()).public == public
    assert file.stat().st_mode & 0o077 == 0
    assert main([str(file)]) == 1  # a key that is there stays
    assert KeyPair.from_seed(file.read_text()).public == public

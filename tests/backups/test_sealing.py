"""Encrypted files: who can read them, and what is said about those that cannot be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rhinecloud.engines.account import EngineError
from rhinecloud.engines.sealing import is_sealed, new_key, recipients, sealed, unsealed

PLAIN = bytes(range(256)) * 1_000


def write(target: Path, public: str) -> None:
    with target.open("wb") as file, sealed(file, recipients(public)) as plain:
        for start in range(0, len(PLAIN), 1_000):
            plain.write(PLAIN[start : start + 1_000])


def read(source: Path, key: Path | None, scratch: Path) -> bytes:
    with unsealed(source, key, scratch) as plain:
        assert plain.stat().st_mode & 0o077 == 0 or plain == source
        return plain.read_bytes()


def test_only_the_holders_of_the_keys_read_it_and_damage_is_told(tmp_path: Path) -> None:
    (private, public), (second, public_of_second), (stranger, _) = new_key(), new_key(), new_key()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    file, key = tmp_path / "x.age", tmp_path / "key"
    write(file, f"{public}, {public_of_second}")
    assert is_sealed(file) and PLAIN[:64] not in file.read_bytes()
    for one in (private, second):
        key.write_text(f"# a comment\n{one}\n")
        assert read(file, key, scratch) == PLAIN

    whole = file.read_bytes()
    head = len(whole) - len(PLAIN)
    cases: list[tuple[bytes, str, str]] = [
        (whole, stranger, "for another key than the one in"),
        (whole[: len(whole) // 2], private, "changed or cut off"),
        (whole[: head + 65_536], private, "changed or cut off"),
        (whole[:-1], private, "changed or cut off"),
        (whole + b"x", private, "changed or cut off"),
        (whole[:200_000] + bytes([whole[200_000] ^ 1]) + whole[200_001:], private, "changed or cut off"),
        (whole[:40], private, "changed or cut off"),
        (whole, "AGE-SECRET-KEY-1ABC", "mistyped"),
        (whole, public, "holds no private key"),
    ]
    for content, one, words in cases:
        file.write_bytes(content)
        key.write_text(one)
        with pytest.raises(EngineError, match=re.escape(words)):
            read(file, key, scratch)
    file.write_bytes(whole)
    with pytest.raises(EngineError, match="--key"):
        read(file, None, scratch)
    with pytest.raises(EngineError, match="cannot be read"):
        read(file, tmp_path / "nowhere", scratch)
    assert not list(scratch.iterdir())


def test_what_is_not_encrypted_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "plain"
    file.write_bytes(PLAIN)
    assert read(file, None, tmp_path) == PLAIN


def test_keys_are_looked_at() -> None:
    private, public = new_key()
    assert len(recipients(f"{public} {public}")) == 2 and recipients("") == []
    with pytest.raises(ValueError, match="private key"):
        recipients(private)
    with pytest.raises(ValueError, match="no public key"):
        recipients(public[:-1])


def test_a_failure_while_writing_is_not_swallowed(tmp_path: Path) -> None:
    class Full:
        def write(self, block: bytes) -> int:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            pass

    with pytest.raises(EngineError, match="No space"), sealed(Full(), recipients(new_key()[1])) as plain:  # type: ignore[arg-type]
        for _ in range(1_000):
            plain.write(PLAIN)

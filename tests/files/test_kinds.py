"""What a file is, is told by its content alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.files.checks import Rules, clean_name
from rhinecloud.files.kinds import CSV, JPEG, KINDS, PDF, TEXT, recognise

from . import samples


def kind_of(folder: Path, content: bytes, name: str = "x") -> str | None:
    path = folder / "sample"
    path.write_bytes(content)
    found = recognise(path, name)
    return found.type if found else None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (samples.jpeg(), "image/jpeg"),
        (samples.png(), "image/png"),
        (samples.webp(), "image/webp"),
        (samples.PDF, "application/pdf"),
        ("Größe\tüber alles\r\n".encode(), "text/plain"),
        (samples.odf(samples.ODF + "text"), samples.ODF + "text"),
        (samples.odf(samples.ODF + "spreadsheet"), samples.ODF + "spreadsheet"),
        (
            samples.ooxml(samples.OOXML + "wordprocessingml.document.main+xml"),
            samples.OOXML + "wordprocessingml.document",
        ),
        (
            samples.ooxml(samples.OOXML + "spreadsheetml.sheet.main+xml"),
            samples.OOXML + "spreadsheetml.sheet",
        ),
        (
            samples.ooxml(samples.OOXML + "presentationml.presentation.main+xml"),
            samples.OOXML + "presentationml.presentation",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_by_content(folder: Path, content: bytes, expected: str) -> None:
    assert kind_of(folder, content, "misleading.exe") == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MZ\x90\x00 a program",
        b"\x7fELF\x02\x01",
        b"GIF89a\x01\x00\x01\x00\x00\x00",
        b"text with \x00 in it",
        b"\xff\xfe latin or UTF-16",
        b"PK\x03\x04 broken package",
        samples.package(("readme.txt", b"just a ZIP")),
        samples.package(("../../etc/passwd", b""), ("[Content_Types].xml", b"")),
        samples.ooxml("application/vnd.ms-word.document.macroEnabled.main+xml"),
        samples.ooxml(samples.OOXML + "wordprocessingml.document.main+xml", ("word/vbaProject.bin", b"evil")),
        samples.odf(samples.ODF + "text", ("Basic/Standard/Module1.xml", b"evil")),
        samples.odf("application/vnd.oasis.opendocument.formula"),
    ],
)
def test_what_is_none_of_them(folder: Path, content: bytes) -> None:
    assert kind_of(folder, content, "photo.jpg") is None


def test_a_package_that_would_unpack_to_too_much(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rhinecloud.files.kinds._MOST_UNPACKED", 20_000_000)
    bomb = samples.odf(samples.ODF + "text", ("Pictures/1", bytes(21_000_000)))
    assert len(bomb) < 100_000
    assert kind_of(folder, bomb) is None


def test_tables_are_told_from_texts_by_their_name_only(folder: Path) -> None:
    assert kind_of(folder, b"a;b\n1;2\n", "counts.CSV") == CSV.type
    assert kind_of(folder, b"a;b\n1;2\n", "counts.txt") == TEXT.type


@pytest.mark.parametrize(
    ("given_name", "kind", "expected"),
    [
        ("photo.JPG", JPEG, "photo.jpg"),
        ("C:\\Users\\me\\plan.pdf", PDF, "plan.pdf"),
        ("../../etc/passwd", TEXT, "passwd.txt"),
        ("invoice.exe", PDF, "invoice.exe.pdf"),
        ("photo\u202egpj.exe", JPEG, "photogpj.exe.jpg"),
        ("a\r\nSet-Cookie: x=1.jpg", JPEG, "aSet-Cookie x=1.jpg"),
        ("Stra\u00dfe am U\u0308berweg.pdf", PDF, "Stra\u00dfe am \u00dcberweg.pdf"),
        ("", JPEG, "file.jpg"),
        ("...", PDF, "file.pdf"),
    ],
)
def test_names(given_name: str, kind: object, expected: str) -> None:
    assert clean_name(given_name, kind) == expected  # type: ignore[arg-type]


@given(st.text(max_size=300), st.sampled_from(KINDS))
def test_any_name_becomes_one_that_is_harmless(name: str, kind: object) -> None:
    made = clean_name(name, kind)  # type: ignore[arg-type]
    assert made.isprintable() or all(not c.isspace() or c == " " for c in made)
    assert "/" not in made and "\\" not in made and not made.startswith(".")
    assert made.rpartition(".")[2] in kind.ends  # type: ignore[attr-defined]
    assert len(made.encode()) <= 500
    assert clean_name(made, kind) == made  # type: ignore[arg-type]


def test_what_a_page_may_offer() -> None:
    assert Rules(kinds=(JPEG, PDF)).accept() == ".jpg,.jpeg,.jpe,.pdf"

"""Letters in both languages, as text and as HTML; addresses."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email.policy import default
from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.mail import Attachment, BadAddress, Letters, address_of
from rhinecloud.mail.addresses import mailbox_of
from rhinecloud.mail.letters import Written, message_of
from rhinecloud.web.language import tongues

NOW = datetime(2026, 7, 1, 22, 30, 5, tzinfo=UTC)


@pytest.fixture
def letters(tmp_path: Path) -> Letters:
    (tmp_path / "welcome.txt").write_text(
        '{% extends "letter.txt" %}{% block subject %}Hello\n {{ name }}{% endblock %}'
        "{% block body %}{{ name }} & more{% endblock %}"
    )
    (tmp_path / "welcome.html").write_text(
        '{% extends "letter.html" %}{% block body %}<p>{{ name }} &amp; more</p>{% endblock %}'
    )
    return Letters(tongues("Europe/Berlin"), city_name="Duisburg", folders=[tmp_path])


def test_both_languages(letters: Letters) -> None:
    german, english = (letters.write("test", code, {"at": NOW}) for code in ("de", "en"))
    assert german.subject == "Eine Probenachricht von Duisburg"
    assert english.subject == "A test message of Duisburg"
    assert german.text.startswith("Guten Tag,\n") and "02.07.2026, 00:30:05" in german.text
    assert english.text.startswith("Good day,\n") and "2 Jul 2026, 00:30:05" in english.text
    assert '<html lang="de">' in german.html and "Guten Tag," in german.html
    assert "<title>A test message of Duisburg</title>" in english.html
    assert letters.write("test", "fr", {"at": NOW}) == german


def test_values_are_escaped_where_they_must(letters: Letters) -> None:
    written = letters.write("welcome", "en", {"name": "<b>Ö</b>\r\nBcc: x@y.z"})
    assert written.subject == "Hello <b>Ö</b> Bcc: x@y.z"
    assert "<b>Ö</b>" in written.text and "& more" in written.text
    assert "<b>" not in written.html and "&lt;b&gt;" in written.html


def test_what_is_missing_is_told(letters: Letters) -> None:
    with pytest.raises(jinja2.UndefinedError):
        letters.write("welcome", "de", {})
    with pytest.raises(jinja2.TemplateNotFound):
        letters.write("nothing", "de", {})


def read(raw: bytes) -> email.message.EmailMessage:
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, email.message.EmailMessage)
    return message


def test_a_message(letters: Letters) -> None:
    raw = message_of(
        letters.write("test", "de", {"at": NOW}),
        to="someone@straße.example",
        language="de",
        message_id="<abc@duisburg.test>",
        at=NOW,
        reply_to="Bürgerbüro <amt@duisburg.test>",
        attachments=[Attachment("Plan Süd.pdf", "application/pdf", b"%PDF-1.7")],
    )
    assert raw.isascii() and b"\r\n" in raw and b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998  # RFC 5322 §2.1.1
    message = read(raw)
    assert message["to"] == "someone@xn--strae-oqa.example"
    assert message["message-id"] == "<abc@duisburg.test>" and message["date"].datetime == NOW
    assert message["auto-submitted"] == "auto-generated" and message["content-language"] == "de"
    assert message["reply-to"] == "Bürgerbüro <amt@duisburg.test>"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None and "Sie kann es." in plain.get_content()
    assert html is not None and "Sie kann es." in html.get_content()
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "Plan Süd.pdf" and attachment.get_content() == b"%PDF-1.7"
    with pytest.raises(ValueError, match="attachments"):
        message_of(
            letters.write("test", "de", {"at": NOW}),
            to="a@b.de",
            language="de",
            message_id="<a@b>",
            at=NOW,
            attachments=[Attachment("x", "application/pdf", bytes(16_000_000))],
        )


@given(st.text(max_size=200), st.text(max_size=200))
def test_nothing_written_becomes_a_header(subject: str, text: str) -> None:
    one_line = " ".join(subject.split())
    raw = message_of(
        Written(one_line, text, "<p></p>"), to="a@b.de", language="de", message_id="<a@b.de>", at=NOW
    )
    names = {name.lower() for name in read(raw).keys()}  # noqa: SIM118
    assert names == {
        "to",
        "subject",
        "date",
        "message-id",
        "auto-submitted",
        "content-language",
        "mime-version",
        "content-type",
    }


def test_a_button_of_the_mail_program_ends_them(letters: Letters) -> None:
    address = f"https://beteiligung.duisburg.test/api/participation/digests/12/end?key={'k' * 43}"
    written = letters.write("test", "de", {"at": NOW})
    raw = message_of(
        written, to="a@b.example", language="de", message_id="<a@b>", at=NOW, unsubscribe=address
    )
    assert f"\r\nList-Unsubscribe: <{address}>\r\n".encode() in b"\r\n" + raw
    assert read(raw)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert read(raw)["To"] == "a@b.example" and "Guten Tag" in read(raw).get_body(("plain",)).get_content()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "address", ["http://a.example/", "https://a.example/\r\nBcc: x@y.z", "https://ä.example/"]
)
def test_where_it_cannot_end(letters: Letters, address: str) -> None:
    written = letters.write("test", "de", {"at": NOW})
    with pytest.raises(ValueError, match="no address"):
        message_of(written, to="a@b.example", language="de", message_id="<a@b>", at=NOW, unsubscribe=address)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("someone@example.org", "someone@example.org"),
        (" first.last+tag@EXAMPLE.org ", "first.last+tag@example.org"),
        ("post@münchen.example", "post@xn--mnchen-3ya.example"),
        ("post@straße.example", "post@xn--strae-oqa.example"),  # IDNA 2008: another host than strasse.example
    ],
)
def test_addresses(text: str, expected: str) -> None:
    assert address_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no address",
        "@example.org",
        "a@",
        "a@b",
        "a..b@example.org",
        ".a@example.org",
        "a b@example.org",
        "a@exa mple.org",
        "a@example.org\r\nBcc: b@example.org",
        "a@-example.org",
        "ä@example.org",
        '"a b"@example.org',
        "a@[127.0.0.1]",
        "a" * 65 + "@example.org",
        "a@" + "b" * 250 + ".org",
        "a,b@example.org",
        "a@example.org,b@example.org",
        "<a@example.org>",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(BadAddress):
        address_of(text)


def test_mailboxes() -> None:
    assert mailbox_of("Stadt Duisburg <a@b.de>").display_name == "Stadt Duisburg"
    assert mailbox_of("a@b.de").addr_spec == "a@b.de"
    for wrong in ("Stadt Duisburg", "X <a@b.de>\r\nBcc: c@d.de", "X <>"):
        with pytest.raises(BadAddress):
            mailbox_of(wrong)

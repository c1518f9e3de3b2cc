"""Letters: templates in every language, as text and as HTML, made into messages (RFC 5322, RFC 2045 to 2049).

A letter `welcome` is two templates: `welcome.txt` extends `letter.txt` and has the blocks `subject` and `body`,
`welcome.html` extends `letter.html` and has the block `body`.
Their texts stand in English and are translated as those of the pages are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Protocol

import jinja2
import msgspec

from .addresses import address_of, mailbox_of

TEMPLATES = Path(__file__).parent / "templates"
_LARGEST = 15_000_000  # bytes of all attachments; most servers refuse what is larger than 20 to 25 MB encoded
_POLICY = SMTP.clone(max_line_length=78)


class Tongue(Protocol):
    """A language, as the pages have it."""

    @property
    def code(self) -> str:
        """Its code, as in `de`."""
        ...

    def gettext(self, text: str, /) -> str:
        """The text in this language."""
        ...

    def ngettext(self, one: str, many: str, n: int, /) -> str:
        """The text for a number of things."""
        ...

    def number(self, value: float, digits: int = 3) -> str:
        """A number with at most so many digits."""
        ...

    def moment(self, text: str | datetime | None, seconds: bool = True) -> str:
        """An instant in the city's time."""
        ...


class Attachment(msgspec.Struct, frozen=True):
    """A file that goes with a letter. `type` is its media type."""

    name: str
    type: str
    content: bytes


class Written(msgspec.Struct, frozen=True):
    """A letter in one language: its subject, its text, and the same as HTML."""

    subject: str
    text: str
    html: str


class Letters:
    """All letters. `folders` hold the templates of apps and are looked through before our own."""

    def __init__(
        self,
        tongues: Mapping[str, Tongue],
        *,
        city_name: str,
        public_url: str = "",
        folders: Sequence[Path] = (),
    ) -> None:
        self._environments = {
            code: _environment(tongue, city_name, public_url, [*folders, TEMPLATES])
            for code, tongue in tongues.items()
        }

    @property
    def languages(self) -> tuple[str, ...]:
        """The codes of the languages."""
        return tuple(self._environments)

    def write(self, letter: str, language: str, values: Mapping[str, Any]) -> Written:
        """A letter with these values; a language that there is not becomes the first.

        Raises jinja2.TemplateNotFound for a letter that there is not, jinja2.UndefinedError for a missing value.
        """
        environment = self._environments.get(language) or next(iter(self._environments.values()))
        template = environment.get_template(f"{letter}.txt")
        subject = " ".join("".join(template.blocks["subject"](template.new_context(dict(values)))).split())
        text = template.render(values)
        html = environment.get_template(f"{letter}.html").render(values, subject=subject)
        return Written(subject, text.strip("\n") + "\n", html)


def message_of(
    written: Written,
    *,
    to: str,
    language: str,
    message_id: str,
    at: datetime,
    reply_to: str | None = None,
    attachments: Sequence[Attachment] = (),
    unsubscribe: str | None = None,
) -> bytes:
    """The message, ready but for its From, which is put before it when it is sent.

    Raises BadAddress, and ValueError for attachments that are too large or an `unsubscribe` that is not https.
    """
    message = EmailMessage(policy=_POLICY)
    message["To"] = address_of(to)
    if reply_to is not None:
        message["Reply-To"] = mailbox_of(reply_to)
    message["Subject"] = written.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = message_id
    # Nobody's absence note shall answer a machine (RFC 3834 §5).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(written.text, cte="quoted-printable")
    message.add_alternative(written.html, subtype="html", cte="quoted-printable")
    if sum(len(attachment.content) for attachment in attachments) > _LARGEST:
        raise ValueError(f"attachments of more than {_LARGEST // 1_000_000} MB")
    for attachment in attachments:
        main, _, sub = attachment.type.partition("/")
        message.add_attachment(
            attachment.content, maintype=main, subtype=sub, filename=" ".join(attachment.name.split())
        )
    message["Content-Language"] = language  # last: what begins with Content moves into the first part
    return _ending(unsubscribe) + message.as_bytes()


def _ending(address: str | None) -> bytes:
    """What lets mail programs show a button that ends such letters without a page (RFC 2369, RFC 8058). In bytes, for
    a header that the library folds is one that they cannot read. Raises ValueError for what is no https address."""
    if address is None:
        return b""
    if not address.startswith("https://") or not address.isascii() or not address.isprintable():
        raise ValueError(f"{address!r} is no address that a mail program could send to")
    return f"List-Unsubscribe: <{address}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode()


def _environment(
    tongue: Tongue, city_name: str, public_url: str, folders: Sequence[Path]
) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(list(folders)),
        # In a text there is nothing to escape; in HTML everything is.
        autoescape=lambda name: name is None or not name.endswith(".txt"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(tongue.gettext, tongue.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(number=tongue.number, moment=tongue.moment)
    environment.globals.update(lang=tongue.code, city_name=city_name, public_url=public_url)
    return environment

"""Reports about mail that could not be delivered (RFC 3464), read from any message. Pure."""

from __future__ import annotations

import base64
import email
import quopri
import re
from collections.abc import Callable
from email.message import Message
from email.policy import compat32

import msgspec

from .smtp import short

_TOKEN = re.compile(r"[0-9a-f]{32}")
_MESSAGE_ID = re.compile(r"<([0-9a-f]{32})@[^<>\s]+>")
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")
_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.b64decode,
    "quoted-printable": quopri.decodestring,
}
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


class Report(msgspec.Struct, frozen=True):
    """What is said about one recipient. `token` is that of the message it is about; `action` one of RFC 3464 §2.3.3,
    `status` a code of RFC 3463, `answer` what the other server said."""

    token: str
    action: str
    status: str | None
    answer: str


def reports(content: bytes) -> list[Report]:
    """The reports in a message about messages of ours; none if it is something else.

    What it is about is known by our token alone, in the envelope's id or in the returned Message-ID: an address proves
    nothing, for anybody may send a report.
    """
    try:
        message = email.message_from_bytes(content, policy=compat32)
    except RecursionError:  # parts in parts in parts
        return []
    if message.get_content_type() != "multipart/report" or not message.is_multipart():
        return []
    parts = [part for part in message.get_payload() if isinstance(part, Message)]
    status = next((p for p in parts if p.get_content_type().endswith("/delivery-status")), None)
    if status is None:
        return []
    groups = _groups(status)
    if not groups:
        return []
    token = _token(groups[0].get("original-envelope-id", "")) or _returned(parts)
    if token is None:
        return []
    words = _words(parts)
    found = [_report(token, group, words) for group in groups[1:]]
    return [report for report in found if report is not None]


def _report(token: str, group: Message, words: str) -> Report | None:
    action = str(group.get("action", "")).split(";")[0].strip().lower()
    if action not in _ACTIONS:
        return None
    status = _STATUS.search(str(group.get("status", "")))
    # "smtp; 550 5.1.1 no such user": the kind of the code says nothing to people.
    answer = str(group.get("diagnostic-code", "")).partition(";")[2] or words or str(group.get("status", ""))
    return Report(token, action, status[0] if status else None, short(answer) or action)


def _words(parts: list[Message]) -> str:
    """What the report says to people: not every server writes a diagnostic code."""
    for part in parts:
        if part.get_content_type() == "text/plain":
            decoded = part.get_payload(decode=True)
            return decoded.decode("utf-8", "replace") if isinstance(decoded, bytes) else ""
    return ""


def _groups(part: Message) -> list[Message]:
    """The groups of fields of a delivery-status part: of the message, then of each recipient."""
    payload = part.get_payload()
    parsed = [group for group in payload if isinstance(group, Message)] if isinstance(payload, list) else []
    # Some servers encode the part, which RFC 3464 forbids and RFC 6533 allows: the library has parsed the code then.
    decode = _DECODERS.get(str(part.get("content-transfer-encoding", "")).strip().lower())
    if decode is None:
        return [group for group in parsed if group.keys()]
    try:
        text = decode("\n\n".join(group.as_string() for group in parsed).encode()).decode("utf-8", "replace")
    except ValueError:
        return []
    text = text.replace("\r\n", "\n").strip()
    groups = [email.message_from_string(block, policy=compat32) for block in re.split(r"\n\s*\n", text)]
    return [group for group in groups if group.keys()]


def _token(text: str) -> str | None:
    found = _TOKEN.fullmatch(str(text).strip())
    return found[0] if found else None


def _returned(parts: list[Message]) -> str | None:
    """The token in the Message-ID of the returned message, or of its headers."""
    for part in parts:
        kind = part.get_content_type()
        if kind in ("message/rfc822", "message/global"):
            payload = part.get_payload()
            inner = payload[0] if isinstance(payload, list) and payload else None
            told = str(inner.get("message-id", "")) if isinstance(inner, Message) else ""
        elif kind in ("text/rfc822-headers", "message/global-headers"):
            decoded = part.get_payload(decode=True)
            text = decoded.decode("utf-8", "replace") if isinstance(decoded, bytes) else ""
            told = str(email.message_from_string(text, policy=compat32).get("message-id", ""))
        else:
            continue
        if found := _MESSAGE_ID.search(told):
            return found[1]
    return None

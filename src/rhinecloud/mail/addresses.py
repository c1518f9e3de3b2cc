"""Addresses of mail (RFC 5321 §4.1.2), with names of hosts in any script."""

from __future__ import annotations

import re
from email.headerregistry import Address
from email.utils import parseaddr

import idna

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LONGEST_LOCAL = 64
_LONGEST = 254


class BadAddress(ValueError):
    """It cannot be an address of mail; the message says why."""


def address_of(text: str) -> str:
    """The address as it is sent to: the host's name in ASCII (IDNA 2008). Raises BadAddress.

    Quoted local parts and such with letters beyond ASCII (RFC 6531) are not taken: nearly no server does.
    """
    local, at, host = text.strip().rpartition("@")
    if not at or not local or not host:
        raise BadAddress(f"{text!r} is no address: it has the form name@host")
    if not _LOCAL.fullmatch(local) or len(local) > _LONGEST_LOCAL:
        raise BadAddress(f"{text!r} is no address that can be written to: look at what stands before the @")
    try:
        ascii_host = idna.encode(host.rstrip("."), uts46=True).decode()
    except idna.IDNAError as error:
        raise BadAddress(f"{text!r} is no address: {error}") from None
    address = f"{local}@{ascii_host}"
    if "." not in ascii_host and ascii_host != "localhost":
        raise BadAddress(f"{text!r} is no address: the host's name is not complete")
    if len(address) > _LONGEST:
        raise BadAddress("the address is too long")
    return address


def mailbox_of(text: str) -> Address:
    """A name with an address, as in `City of Duisburg <post@example.org>`. Raises BadAddress."""
    if any(character in text for character in "\r\n\0"):
        raise BadAddress(f"{text!r} is no address")
    name, address = parseaddr(text)
    return Address(name, addr_spec=address_of(address or text))

"""A QR code as a drawing in a page."""

from __future__ import annotations

import re
from typing import Final

import zxingcpp
from markupsafe import Markup, escape

_DRAWN: Final = re.compile(r'<svg width="(\d+)".*<path d="([^"]+)"', re.DOTALL)


def svg(text: str, label: str = "") -> Markup:
    """A QR code (ISO/IEC 18004, correction M: 15 % may be covered) of a text, with its quiet zone, black on white in
    both themes; as large as its place in the page. `label` says what it is to who does not see it; without one it is
    hidden from them, for what stands beside it says the same. Raises ValueError for a text that is too long."""
    drawn = _DRAWN.search(zxingcpp.create_barcode(text, zxingcpp.QRCode, ec_level="M").to_svg())
    if drawn is None:
        raise ValueError("the library draws QR codes otherwise than it did")
    size, path = drawn.groups()
    said = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    return Markup(
        '<svg class="qr" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {0}" shape-rendering="crispEdges" {1}>'
        '<path fill="#fff" d="M0 0h{0}v{0}H0z"/><path fill="#000" d="{2}"/></svg>'
    ).format(size, said, escape(path))

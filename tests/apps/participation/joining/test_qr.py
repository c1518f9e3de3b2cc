"""QR codes: what is drawn in a page is read again, by a reader that sees pixels."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy
import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.participation.events.model import CODE
from rhinecloud.apps.participation.joining.codes import code_of
from rhinecloud.apps.participation.joining.qr import svg

_STEP = re.compile(r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+Z")


def seen(drawing: str, scale: int = 4) -> list[str]:
    """What a reader sees in a drawing."""
    root = ElementTree.fromstring(drawing)
    ground, bars = root.findall("{*}path")
    assert (ground.get("fill"), bars.get("fill")) == ("#fff", "#000")
    size = int(str(root.get("viewBox")).split()[2])
    picture = numpy.full((size, size), 255, numpy.uint8)
    path = str(bars.get("d"))
    assert _STEP.sub("", path) == ""
    for x, y, width, height in (map(int, step) for step in _STEP.findall(path)):
        picture[y : y + height, x : x + width] = 0
    return [
        one.text
        for one in zxingcpp.read_barcodes(numpy.kron(picture, numpy.ones((scale, scale), numpy.uint8)))
    ]


@given(st.text(CODE, min_size=6, max_size=6), st.integers(1, 1_000_000))
def test_an_invitation_is_read_as_it_was_written(code: str, number: int) -> None:
    link = f"https://stadt.example.org/participation/e/{code}/join?code={code_of(b'k' * 32, number)}"
    assert seen(svg(link)) == [link]


def test_it_says_what_it_is_or_is_hidden_from_who_does_not_see_it() -> None:
    assert 'aria-hidden="true"' in svg("https://example.org")
    drawn = svg("https://example.org", 'to "<b>"')
    assert 'role="img"' in drawn and ElementTree.fromstring(drawn).get("aria-label") == 'to "<b>"'


def test_what_no_qr_code_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match=r".+"):
        svg("x" * 5_000)

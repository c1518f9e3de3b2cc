"""Images come out as what they show, and nothing else."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from rhinecloud.files.images import BadImage, clean

from . import samples


def cleaned(folder: Path, content: bytes, media_type: str, longest: int = 4096) -> tuple[Image.Image, bytes]:
    (folder / "in").write_bytes(content)
    size = clean(str(folder / "in"), str(folder / "out"), media_type, longest)
    made = (folder / "out").read_bytes()
    image = Image.open(io.BytesIO(made))
    image.load()
    assert image.size == size
    return image, made


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_photograph_loses_what_it_knows(folder: Path, mode: str) -> None:
    content = samples.jpeg(mode=mode)
    assert b"SPY-CAMERA" in content and b"SECRET-COMMENT" in content
    image, made = cleaned(folder, content, "image/jpeg")
    assert b"SPY-CAMERA" not in made and b"SECRET" not in made
    assert not image.getexif() and "icc_profile" not in image.info
    if mode == "RGB":
        red, blue = image.getpixel((8, 16)), image.getpixel((56, 16))
        assert red[0] > 240 and red[2] < 20 and blue[2] > 240 and blue[0] < 20  # type: ignore[index]


def test_a_photograph_stands_upright(folder: Path) -> None:
    image, _ = cleaned(folder, samples.jpeg(64, 32, orientation=6), "image/jpeg")  # turned by a quarter
    assert image.size == (32, 64)
    top, bottom = image.getpixel((16, 8)), image.getpixel((16, 56))
    assert top[0] > 200 and bottom[2] > 200  # type: ignore[index]


def test_transparency_stays_texts_go(folder: Path) -> None:
    image, made = cleaned(folder, samples.png(), "image/png")
    assert b"SECRET" not in made and image.mode == "RGBA" and image.getpixel((1, 1)) == (0, 128, 0, 128)
    _, made = cleaned(folder, samples.webp(), "image/webp")
    assert b"SECRET" not in made


def test_a_palette_with_transparency(folder: Path) -> None:
    file = io.BytesIO()
    drawn = Image.new("P", (8, 8), 2)
    drawn.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    drawn.paste(1, (0, 0, 4, 8))
    drawn.save(file, "PNG", transparency=1)
    for longest in (4096, 4):
        image, _ = cleaned(folder, file.getvalue(), "image/png", longest)
        seen = image.convert("RGBA")
        assert seen.getpixel((0, 0))[3] == 0  # type: ignore[index]
        assert seen.getpixel((image.width - 1, 1)) == (0, 255, 0, 255)


def test_colours_of_another_space_look_the_same(folder: Path) -> None:
    file = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    Image.new("RGB", (8, 8), (100, 100, 100)).save(file, "PNG", icc_profile=profile)
    image, made = cleaned(folder, file.getvalue(), "image/png")
    assert "icc_profile" not in image.info and b"iCCP" not in made


def test_a_large_one_becomes_smaller(folder: Path) -> None:
    image, _ = cleaned(folder, samples.jpeg(1600, 800), "image/jpeg", longest=400)
    assert image.size == (400, 200)


def test_what_follows_the_picture_is_gone(folder: Path) -> None:
    _, made = cleaned(folder, samples.jpeg() + b"<script>alert(1)</script>", "image/jpeg")
    assert b"script" not in made


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (samples.jpeg()[:200], "image/jpeg"),
        (b"\xff\xd8\xff\xe0 no picture", "image/jpeg"),
        (samples.png()[:40], "image/png"),
        (samples.png(), "image/jpeg"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
def test_what_is_no_picture(folder: Path, content: bytes, media_type: str) -> None:
    with pytest.raises(BadImage):
        cleaned(folder, content, media_type)


def test_a_picture_that_would_fill_the_memory(folder: Path) -> None:
    """A PNG of a few bytes that says it is 60,000 by 60,000."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0" * 1000))
    with pytest.raises(BadImage, match="pixels"):
        cleaned(folder, bomb + chunk(b"IEND", b""), "image/png")

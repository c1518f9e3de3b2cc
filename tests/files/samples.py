"""Files of every kind, made here."""

from __future__ import annotations

import io
import zipfile

from PIL import Image, TiffImagePlugin
from PIL.PngImagePlugin import PngInfo

_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Override PartName="/main.xml" ContentType="{}"/></Types>'
)
OOXML = "application/vnd.openxmlformats-officedocument."
ODF = "application/vnd.oasis.opendocument."


def jpeg(width: int = 64, height: int = 32, *, orientation: int = 1, mode: str = "RGB") -> bytes:
    """Left half red, right half blue, with a position, a camera and a comment in it."""
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((0, 0, 255), (width // 2, 0, width, height))
    exif = Image.Exif()
    exif[0x0110] = "SPY-CAMERA 3000"
    exif[0x0112] = orientation
    exif[0x8825] = {1: "N", 2: tuple(TiffImagePlugin.IFDRational(n) for n in (51, 26, 5))}
    file = io.BytesIO()
    image.convert(mode).save(file, "JPEG", exif=exif, comment=b"SECRET-COMMENT", quality=95)
    return file.getvalue()


def png(width: int = 16, height: int = 16) -> bytes:
    """Half transparent, with a text in it."""
    note = PngInfo()
    note.add_text("Author", "SECRET-AUTHOR")
    file = io.BytesIO()
    Image.new("RGBA", (width, height), (0, 128, 0, 128)).save(file, "PNG", pnginfo=note)
    return file.getvalue()


def webp() -> bytes:
    """With XMP in it."""
    file = io.BytesIO()
    Image.new("RGB", (20, 10), (1, 2, 3)).save(file, "WEBP", xmp=b"<x>SECRET-XMP</x>")
    return file.getvalue()


def package(*parts: tuple[str, bytes]) -> bytes:
    """A ZIP of these parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return file.getvalue()


def ooxml(main: str, *more: tuple[str, bytes]) -> bytes:
    """An office document of Microsoft's kind."""
    return package(("[Content_Types].xml", _TYPES.format(main).encode()), ("main.xml", b"<x/>"), *more)


def odf(kind: str, *more: tuple[str, bytes]) -> bytes:
    """An OpenDocument."""
    return package(("mimetype", kind.encode()), ("content.xml", b"<x/>"), *more)


PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"

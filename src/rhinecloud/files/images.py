"""Images made anew from what they show: positions, cameras, comments and whatever else hides in them stay behind.

It runs in another thread or process: nothing here touches the event loop.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

MOST_PIXELS = 64_000_000  # of what is sent: 192 MB when unpacked
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
_MODES = {
    "JPEG": ("L", "RGB"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I"),
    "WEBP": ("RGB", "RGBA"),
}
_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 88, "progressive": True, "optimize": True},
    "PNG": {"optimize": False},
    "WEBP": {"quality": 86, "method": 3},
}


class BadImage(ValueError):
    """It is no image, a broken one, or one with too many pixels; the message says which."""


def clean(source: str, target: str, media_type: str, longest: int) -> tuple[int, int]:
    """Write the image anew, upright, in sRGB, its longer side at most `longest` pixels; returns width and height.

    Only the pixels (the first picture's, if there are several) are taken over. Raises BadImage.
    """
    form = _FORMATS[media_type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about pictures that are odd but readable
        try:
            with Image.open(source, formats=(form,)) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise BadImage(f"the image has more than {MOST_PIXELS // 1_000_000} million pixels")
                if form == "JPEG":
                    # Decodes a large photograph at a half or a quarter of its size, at a fraction of the cost.
                    image.draft(None, (longest, longest))
                image.load()
                made = _painted(image, form, longest)
        except BadImage:
            raise
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
            raise BadImage(f"the image cannot be read: {error}") from None
        except Image.DecompressionBombError:
            raise BadImage("the image has too many pixels") from None
        made.save(Path(target), form, **_OPTIONS[form])
    return made.width, made.height


def _painted(image: Image.Image, form: str, longest: int) -> Image.Image:
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    if profile:
        upright = _in_srgb(upright, profile)
    if upright.mode not in _MODES[form]:
        upright = upright.convert("RGBA" if form != "JPEG" and _see_through(upright) else "RGB")
    if max(upright.size) > longest:
        if upright.mode == "P":
            upright = upright.convert("RGBA" if _see_through(upright) else "RGB")
        upright.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    # What a format's writer would take over by itself: comments, profiles, XMP.
    upright.info = {name: value for name, value in upright.info.items() if name == "transparency"}
    upright.getexif().clear()
    return upright


def _see_through(image: Image.Image) -> bool:
    return "A" in image.getbands() or "transparency" in image.info


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    mode = image.mode if image.mode in ("RGB", "RGBA", "L") else "RGB"
    try:
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB" if mode == "L" else mode,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image  # a profile that does not fit its picture: most viewers ignore it as well
    return converted if converted is not None else image

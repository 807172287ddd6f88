"""Whether the small picture that cameras keep inside a picture still shows the same."""

from io import BytesIO

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import ExifTags, Image

from countenance.media.pictures import PICTURE_ERRORS

TIFF_HEAD = b"Exif\x00\x00"
OFFSET, LENGTH = 0x0201, 0x0202
MAX_BYTES, MAX_SIDE = 256 * 1024, 1024
WIDTH, HEIGHT = 64, 48
"""At which both are compared."""
BLACK = 24
"""Bars that fill a small picture up are darker."""
MIN_LIKENESS = 0.75
"""Correlation below which it is another picture."""
MAX_PART = 48.0
"""Grey levels by which a part may differ after brightness and contrast were made alike."""
MAX_ASPECT = 0.06
"""By how much the shapes may differ, as a share."""

Grey = UInt8[np.ndarray, "_ _"]
Small = Float32[np.ndarray, "48 64"]


def thumbnail_in(picture: Image.Image) -> Image.Image | None:
    """The small picture in a picture's EXIF, where there is one that can be read."""
    exif = picture.info.get("exif")
    if not isinstance(exif, bytes):
        return None
    try:
        tags = picture.getexif().get_ifd(ExifTags.IFD.IFD1)
        offset, length = int(tags[OFFSET]), int(tags[LENGTH])
        data = exif.removeprefix(TIFF_HEAD)[offset : offset + min(length, MAX_BYTES)]
        small = Image.open(BytesIO(data), formats=("JPEG",))
        if max(small.size) > MAX_SIDE or min(small.size) < 16:
            return None
        small.load()
    except (*PICTURE_ERRORS, TypeError):
        return None
    return small


def seen_in_thumbnail(luma: Grey, small: Image.Image) -> tuple[str, ...]:
    """That the small picture shows another scene, another framing, or differs in a part."""
    whole_grey = np.asarray(small.convert("L"))
    # Cameras fill a preview of another shape up with bars.
    thumbnail = min((whole_grey, _without_bars(whole_grey)), key=lambda each: _misfit(each, luma))
    is_reframed = _misfit(thumbnail, luma) > MAX_ASPECT
    whole = cv2.resize(luma, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
    shown = cv2.resize(thumbnail, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
    if min(whole.std(), shown.std()) < 2:
        return ()
    likeness = float(np.corrcoef(whole.ravel(), shown.ravel())[0, 1])
    if is_reframed or likeness < MIN_LIKENESS:
        return (
            "The small preview inside it doesn't show the same picture, or not in the same framing. Cropping or "
            "turning with a program that leaves the preview alone does this, and so does changing what is seen: look "
            "at the preview, for example with ExifTool.",
        )
    if _differs_in_a_part(whole, shown):
        return (
            "The small preview inside it differs from the picture in a part. Retouching with a program that leaves the "
            "preview alone does this: look at the preview, for example with ExifTool.",
        )
    return ()


def _misfit(one: Grey, other: Grey) -> float:
    """By how much two shapes differ, as a share."""
    misfit: float = abs((one.shape[1] / one.shape[0]) / (other.shape[1] / other.shape[0]) - 1)
    return misfit


def _without_bars(grey: Grey) -> Grey:
    bright = grey > BLACK
    rows, columns = np.flatnonzero(bright.mean(axis=1) > 0.02), np.flatnonzero(bright.mean(axis=0) > 0.02)
    # Bars fill at most a third; a dark picture has none.
    if len(rows) < 0.6 * grey.shape[0] or len(columns) < 0.6 * grey.shape[1]:
        return grey
    return grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _differs_in_a_part(whole: Small, shown: Small) -> bool:
    slope, level = np.polyfit(shown.ravel(), whole.ravel(), 1)
    difference = cv2.blur(whole - (slope * shown + level), (5, 5))
    return bool(np.abs(difference).max() > MAX_PART)

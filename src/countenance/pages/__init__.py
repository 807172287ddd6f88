"""Pages for people: one file with its images inside, without scripts or network access."""

import base64
import re
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

VERIFIED = "verified"
"""Folder of a project with one folder a report on files that were looked at."""
JPEG_QUALITY = 82
SHOWS_FACES = ("this page shows faces", "this page shows a face")
"""One of these stands in each page that shows any."""
PICTURE = re.compile(r"base64,[A-Za-z0-9+/=]+")


def environment_of(package: str) -> Environment:
    """Templates of a package's folder `pages`, which extend `page.html`."""
    return Environment(
        loader=ChoiceLoader([PackageLoader(package, "pages"), PackageLoader("countenance.pages", "parts")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def is_page_about(path: Path, words: Iterable[str]) -> bool:
    """Whether a file is one of these pages, and has one of these words in it: people's names, or digests."""
    # A picture's letters may hold any short word by chance.
    text = PICTURE.sub("", path.read_bytes().decode(errors="replace"))
    return any(each in text for each in SHOWS_FACES) and any(names(text, word) for word in words)


def names(text: str, word: str) -> bool:
    """Whether a text has a word in it, as a whole: `dana-2` isn't `dana`."""
    return re.search(rf"(?<![A-Za-z0-9_-]){re.escape(word)}(?![A-Za-z0-9_-])", text) is not None


def data_address(rgb: UInt8[np.ndarray, "H W 3"]) -> str:
    """A picture as the address of itself."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg_of(rgb)).decode()}"


def jpeg_of(rgb: UInt8[np.ndarray, "H W 3"], *, quality: int = JPEG_QUALITY) -> bytes:
    """A picture as JPEG, for a page; never a file."""
    written, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert written
    return jpeg.tobytes()

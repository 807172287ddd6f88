"""Pages for people: one file with its images inside, without scripts or network access."""

import base64

import cv2
import numpy as np
from jaxtyping import UInt8
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

JPEG_QUALITY = 82


def environment_of(package: str) -> Environment:
    """Templates of a package's folder `pages`, which extend `page.html`."""
    return Environment(
        loader=ChoiceLoader([PackageLoader(package, "pages"), PackageLoader("countenance.pages", "parts")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def data_address(rgb: UInt8[np.ndarray, "H W 3"]) -> str:
    """A picture as the address of itself."""
    written, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert written
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}"

import cv2
import numpy as np

from countenance.watermark.embed import mark
from countenance.watermark.read import read


def test_a_first_mark_is_read() -> None:
    noise = np.random.default_rng(0).normal(128, 120, (720, 1280, 3))
    picture = np.clip(cv2.GaussianBlur(noise, (0, 0), 3), 0, 255).astype(np.uint8)
    reading = read([mark(picture, 0xABCDEF123456)])
    assert reading is not None
    assert reading.mark_id == 0xABCDEF123456
    assert read([picture]) is None

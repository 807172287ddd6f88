"""Which way up a stored video is shown."""

from collections.abc import Mapping
from typing import cast

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame

from countenance.errors import MediaError
from countenance.pixels import Pixels, ResizedPixels

Matrix = tuple[int, int, int, int]
"""A turn by right angles, perhaps mirrored: (a, b, c, d) takes a stored (x, y) to (ax + cy, bx + dy)."""

UPRIGHT: Matrix = (1, 0, 0, 1)
EXIF_ORIENTATION = 0x0112
ORIENTATIONS: dict[int, Matrix] = {
    1: UPRIGHT,
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""By the value of the EXIF tag."""


def display_matrix(frame: VideoFrame) -> Matrix:
    """How the stored pixels of a frame are to be turned.

    Raises:
        MediaError: not by right angles.
    """
    # PyAV's types name only one kind of side data.
    data = cast(Mapping[str, SideData], frame.side_data).get("DISPLAYMATRIX")
    if data is None:
        return UPRIGHT
    values = np.frombuffer(bytes(data), np.int32).astype(np.int64)[[0, 1, 3, 4]]
    largest = np.abs(values).max()
    # Right angles come as exact numbers; one in a thousand leaves room for those that were computed.
    a, b, c, d = (int(value) for value in np.where(np.abs(values) * 1000 > largest, np.sign(values), 0))
    if abs(a * d - b * c) != 1 or (a != 0) == (b != 0):
        raise MediaError("expected a video turned by 90, 180 or 270 degrees, got another angle; turn it upright first")
    return a, b, c, d


def rotation_deg(matrix: Matrix) -> int:
    """The clockwise turn in a matrix, after mirroring left and right where it mirrors."""
    a, b, c, d = matrix
    mirrored = -1 if a * d - b * c < 0 else 1
    return {(1, 0): 0, (0, 1): 90, (-1, 0): 180, (0, -1): 270}[a * mirrored, b * mirrored]


def turn(rgb: Pixels, matrix: Matrix) -> ResizedPixels:
    """Turn a stored picture upright."""
    a, b, c, d = matrix
    turned, flip_x, flip_y = (rgb, a < 0, d < 0) if a else (rgb.swapaxes(0, 1), c < 0, b < 0)
    return np.ascontiguousarray(turned[:: -1 if flip_y else 1, :: -1 if flip_x else 1])

"""Face mask from the mesh."""

import cv2
import numpy as np
from jaxtyping import Float32

from countenance.geometry import transform_points

# The mesh's outline, once around, from the top of the forehead.
OUTLINE = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
SUBPIXEL_BITS = 4


def face_mask(landmarks_xy: Float32[np.ndarray, "468 2"], size_wh: tuple[int, int]) -> Float32[np.ndarray, "H W"]:
    """1 inside the mesh, 0 outside, anti-aliased at the border.

    The convex hull, because the far side of a turned head folds over the outline.
    """
    width, height = size_wh
    mask = np.zeros((height, width), np.uint8)
    hull = cv2.convexHull(np.round(landmarks_xy[list(OUTLINE)] * (1 << SUBPIXEL_BITS)).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 255, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)
    return mask.astype(np.float32) / 255


def hull_in_crop(
    landmarks_xyz: Float32[np.ndarray, "468 3"], to_crop: Float32[np.ndarray, "2 3"], size: int
) -> Float32[np.ndarray, "S S"]:
    """The mask of a mesh of the frame, in its crop."""
    return face_mask(transform_points(to_crop, landmarks_xyz[:, :2]), (size, size))

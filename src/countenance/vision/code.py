"""A QR code in a frame: what it says, where it lies, and how the camera saw its edges.

Its pattern is known once it is read. So it is laid onto the frame, blurred as much as fits best, and what is left says
how exactly the frame shows that pattern: a code that was filmed has the lens's blur, the sensor's noise and the light
of its place; one that was laid over the picture afterwards has less of all three.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import segno
from jaxtyping import Float, Float32, UInt8

QUIET = 2
"""Modules of white around the code that are compared, too."""
FINE = 3
"""So many times finer than the frame's pixels the pattern is laid."""
BLURS_PX = (0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2, 3.0)
MAX_FIT_STEPS, FIT_STEP = 25, 1e-4
MIN_MODULE_PX = 2.0
"""A code whose modules are smaller than this isn't measured."""
REBLUR_PX = 1.0
EDGE_QUANTILE = 0.1
MIN_EDGE_LUMA = 8.0
"""Slope, in luma a pixel after blurring, of an edge that counts."""
MIN_EDGES = 60

Corners = Float32[np.ndarray, "4 2"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SeenCode:
    """A QR code that was read in a frame."""

    text: str
    corners_xy: Corners
    """Outer corners of its pattern, from its own upper left one on."""
    blur_px: float
    """Standard deviation of the blur with which its pattern fits best; NaN where it is too small to tell."""
    white: float
    black: float
    """Luma, 0–255, of its white and black in its middle."""
    misfit: float
    """Root mean square of what the fit leaves, in parts of the contrast between white and black."""
    picture_blur_px: float
    """The same of the sharpest edges elsewhere in the frame; NaN where there are hardly any."""

    @property
    def is_mirrored(self) -> bool:
        """Whether it is seen as in a mirror."""
        one, other = self.corners_xy[1] - self.corners_xy[0], self.corners_xy[3] - self.corners_xy[0]
        return bool(one[0] * other[1] - one[1] * other[0] < 0)


class CodeReader:
    """Finds and reads the QR code of a frame; not thread-safe."""

    def __init__(self) -> None:
        self._detector = cv2.QRCodeDetector()

    def __call__(self, rgb: UInt8[np.ndarray, "H W 3"], *, measure: bool = True) -> SeenCode | None:
        """The code of the frame, if one is there that can be read; without `measure` only where it is, which is much
        quicker.
        """
        luma = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
        try:
            text, points, _ = self._detector.detectAndDecode(luma)
        except (cv2.error, UnicodeDecodeError):
            # A pattern that only looks like a code.
            return None
        if not text or points is None:
            return None
        corners_xy = np.asarray(points, np.float32).reshape(4, 2)
        return measured(luma, str(text), corners_xy) if measure else _unmeasured(str(text), corners_xy)


def pattern_of(text: str) -> Float32[np.ndarray, "M M"]:
    """The code's modules with white around it, 1 for white."""
    matrix = np.array(list(segno.make(text, error="h", micro=False, boost_error=False).matrix), np.float32)
    return np.pad(1 - matrix, QUIET, constant_values=1)


def measured(luma: UInt8[np.ndarray, "H W"], text: str, corners_xy: Corners) -> SeenCode:
    """What can be measured of a code that was read at about these corners."""
    pattern = pattern_of(text)
    num = len(pattern) - 2 * QUIET
    side_px = float(np.mean([np.linalg.norm(corners_xy[i] - corners_xy[i - 1]) for i in range(4)]))
    if side_px / num < MIN_MODULE_PX:
        return _unmeasured(text, corners_xy)
    # A pixel of the pattern's picture is a module.
    modules = np.array([[0, 0], [num, 0], [num, num], [0, num]], np.float32) + QUIET - 0.5
    to_frame = cv2.getPerspectiveTransform(modules, corners_xy)
    outer = cv2.perspectiveTransform(_outline(len(pattern))[None], to_frame)[0]
    low = np.maximum(np.floor(outer.min(axis=0)) - 2, 0).astype(int)
    high = np.minimum(np.ceil(outer.max(axis=0)) + 3, [luma.shape[1], luma.shape[0]]).astype(int)
    seen = luma[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    if min(seen.shape) < 16:
        return _unmeasured(text, corners_xy)
    to_seen = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]], np.float64) @ to_frame
    to_seen = _settled(pattern, seen, to_seen)
    blur_px, white, black, misfit = _fit(pattern, seen, to_seen)
    refined = cv2.perspectiveTransform(modules[None], to_seen)[0] + low
    return SeenCode(
        text=text,
        corners_xy=np.asarray(refined, np.float32),
        blur_px=blur_px,
        white=white,
        black=black,
        misfit=misfit,
        picture_blur_px=_picture_blur(luma, np.asarray(refined, np.float32)),
    )


def _unmeasured(text: str, corners_xy: Corners) -> SeenCode:
    return SeenCode(
        text=text,
        corners_xy=corners_xy,
        blur_px=np.nan,
        white=np.nan,
        black=np.nan,
        misfit=np.nan,
        picture_blur_px=np.nan,
    )


def _outline(size: int) -> Float32[np.ndarray, "4 2"]:
    return np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32) - 0.5


def _settled(
    pattern: Float32[np.ndarray, "M M"], seen: Float32[np.ndarray, "H W"], to_seen: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "3 3"]:
    """The place at which the pattern fits best, to a fraction of a pixel; where the search fails, as it was."""
    scale = 4
    fine = cv2.resize(pattern, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    fine = cv2.GaussianBlur(fine, (0, 0), 1.2)
    # Pixel centres are at integers in both.
    to_fine = np.array([[1 / scale, 0, 0.5 / scale - 0.5], [0, 1 / scale, 0.5 / scale - 0.5], [0, 0, 1]])
    start = (to_seen @ to_fine).astype(np.float32)
    everywhere = np.full(seen.shape, 255, np.uint8)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, MAX_FIT_STEPS, FIT_STEP)
    try:
        _, found = cv2.findTransformECC(fine, seen, start / start[2, 2], cv2.MOTION_HOMOGRAPHY, criteria, everywhere, 1)
    except cv2.error:
        return to_seen
    return np.asarray(found, np.float64) @ np.linalg.inv(to_fine)


def _fit(
    pattern: Float32[np.ndarray, "M M"], seen: Float32[np.ndarray, "H W"], to_seen: Float[np.ndarray, "3 3"]
) -> tuple[float, float, float, float]:
    """Blur, white, black and misfit: white and black may differ from place to place, as a plane does."""
    height, width = seen.shape
    enlarge = np.array([[FINE, 0, (FINE - 1) / 2], [0, FINE, (FINE - 1) / 2], [0, 0, 1]], np.float64)
    size_wh = (FINE * width, FINE * height)
    laid = cv2.warpPerspective(pattern, enlarge @ to_seen, size_wh, flags=cv2.INTER_NEAREST, borderValue=0)
    inside = cv2.warpPerspective(np.ones_like(pattern), enlarge @ to_seen, size_wh, flags=cv2.INTER_NEAREST)
    inside = cv2.resize(inside, (width, height), interpolation=cv2.INTER_AREA)
    inside = cv2.erode((inside > 0.999).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    if inside.sum() < 100:
        return np.nan, np.nan, np.nan, np.nan
    rows, columns = np.nonzero(inside)
    x, y = (columns - columns.mean()) / width, (rows - rows.mean()) / height
    values = seen[inside]

    def fitted(blur_px: float) -> tuple[float, float, float, float]:
        # The box of a pixel is there already, as it is in a camera's.
        soft = cv2.resize(cv2.GaussianBlur(laid, (0, 0), FINE * blur_px), (width, height), interpolation=cv2.INTER_AREA)
        p = soft[inside]
        basis = np.stack([p, p * x, p * y, np.ones_like(p), x, y], axis=1)
        found, *_ = np.linalg.lstsq(basis, values, rcond=None)
        left = float(np.sqrt(np.mean((values - basis @ found) ** 2)))
        return left, blur_px, float(found[3] + found[0]), float(found[3])

    coarse = [fitted(blur_px) for blur_px in BLURS_PX]
    nearest = min(range(len(coarse)), key=lambda index: coarse[index][0])
    around = BLURS_PX[max(nearest - 1, 0) : nearest + 2]
    left, blur_px, white, black = min([coarse[nearest], *(fitted((one + BLURS_PX[nearest]) / 2) for one in around)])
    return blur_px, white, black, left / max(white - black, 1.0)


def _picture_blur(luma: UInt8[np.ndarray, "H W"], corners_xy: Corners) -> float:
    """Of the sharpest tenth of the edges outside of the code.

    Source: Zhuo and Sim, Defocus map estimation from a single image, 2011: an edge's slope falls by a factor that
    tells its blur when the picture is blurred again.
    """
    picture = luma.astype(np.float32)
    again = cv2.GaussianBlur(picture, (0, 0), REBLUR_PX)
    before, after = (_slope(each) for each in (picture, again))
    edge = cv2.Canny(luma, 60, 120) > 0
    middle = corners_xy.mean(axis=0)
    covered = np.zeros_like(luma)
    cv2.fillConvexPoly(covered, np.round(middle + 1.12 * (corners_xy - middle)).astype(np.int32), 1)
    edge &= (covered == 0) & (after > MIN_EDGE_LUMA)
    if edge.sum() < MIN_EDGES:
        return np.nan
    ratio = np.maximum(before[edge] / after[edge], 1.01)
    return float(np.quantile(REBLUR_PX / np.sqrt(ratio**2 - 1), EDGE_QUANTILE))


def _slope(picture: Float32[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
    x, y = (cv2.Sobel(picture, cv2.CV_32F, dx, dy, ksize=3) / 8 for dx, dy in ((1, 0), (0, 1)))
    return np.asarray(np.hypot(x, y), np.float32)

"""Affine transforms of the plane, as 2×3 arrays that multiply `(x, y, 1)`."""

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64, Num, UInt8

PLAIN_SCALE = 0.6
"""From it on cubic interpolation alone is sharper, and folds back hardly any of what a drawn or filmed face holds."""


def transform_points(
    transform: Float[np.ndarray, "2 3"], points_xy: Num[np.ndarray, "N 2"]
) -> Float32[np.ndarray, "N 2"]:
    """Move points."""
    return np.asarray(points_xy @ transform[:, :2].T + transform[:, 2], np.float32)


def invert(transform: Float[np.ndarray, "2 3"]) -> Float32[np.ndarray, "2 3"]:
    """The transform that leads back."""
    return np.asarray(cv2.invertAffineTransform(transform), np.float32)


def square_to_crop(
    centre_xy: Num[np.ndarray, "2"], side: float, roll_deg: float, size: int
) -> Float32[np.ndarray, "2 3"]:
    """Map a square of the frame, tilted counter-clockwise by `roll_deg`, onto a crop of `size` × `size` pixels.

    The square's edges fall on the outer edges of the crop's border pixels.
    """
    scale, angle = size / side, np.deg2rad(roll_deg)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.full(2, (size - 1) / 2) - turn @ centre_xy
    return np.column_stack([turn, shift]).astype(np.float32)


def similarity_between(
    from_points: Num[np.ndarray, "N D"], to_points: Num[np.ndarray, "N D"]
) -> tuple[float, Float[np.ndarray, "D D"], Float[np.ndarray, " D"]]:
    """The scale, rotation and shift that bring points nearest to others, in least squares.

    Source: Umeyama, Least-squares estimation of transformation parameters between two point patterns, 1991.
    """
    from_mean, to_mean = from_points.mean(axis=0), to_points.mean(axis=0)
    from_centred, to_centred = from_points - from_mean, to_points - to_mean
    u, singular, vt = np.linalg.svd(to_centred.T @ from_centred / len(from_points))
    signs = np.ones(len(singular))
    signs[-1] = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    rotation = u @ np.diag(signs) @ vt
    scale = float((singular * signs).sum() / from_centred.var(axis=0).sum())
    return scale, rotation, to_mean - scale * rotation @ from_mean


def similarity_transform(
    from_points: Num[np.ndarray, "N 2"], to_points: Num[np.ndarray, "N 2"]
) -> Float32[np.ndarray, "2 3"]:
    """`similarity_between` for the plane, as a transform."""
    scale, rotation, shift = similarity_between(from_points, to_points)
    return np.column_stack([scale * rotation, shift]).astype(np.float32)


def warp(
    rgb: UInt8[np.ndarray, "H W 3"], transform: Float[np.ndarray, "2 3"], size_wh: tuple[int, int]
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw a picture moved by `transform`; outside of it the edge is repeated.

    Where the picture shrinks it is averaged first, so that fine detail doesn't shimmer.
    """
    scale = float(np.sqrt(abs(np.linalg.det(transform[:, :2].astype(np.float64)))))
    if scale < 0.5:
        sigma = 0.3 / scale
        x, y, part = _seen_part(rgb, transform, size_wh, margin=int(np.ceil(4 * sigma)) + 1)
        rgb = np.asarray(cv2.GaussianBlur(part, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8)
        transform = np.column_stack([transform[:, :2], transform @ np.array([x, y, 1.0])])
    warped = cv2.warpAffine(rgb, transform, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


def resample(
    image: Num[np.ndarray, "H W *C"],
    transform: Float[np.ndarray, "2 3"],
    size_wh: tuple[int, int],
    *,
    plain_scale: float = PLAIN_SCALE,
) -> Num[np.ndarray, "h w *C"]:
    """Draw an image moved by `transform`, in its own type; outside of it the edge is repeated.

    Down to `plain_scale`, at least 0.5, it is interpolated by cubics; shrunk further, each pixel is a mean over what it
    covers.
    """
    scale = float(np.sqrt(abs(np.linalg.det(transform[:, :2].astype(np.float64)))))
    if (factor := int(1 / scale)) > 1:
        x, y, part = _seen_part(image, transform, size_wh, margin=2 * factor)
        height, width = (max(side // factor, 1) for side in part.shape[:2])
        part = part[: height * factor, : width * factor]
        image = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA))
        transform = _after(_after(transform, np.array([[1, 0, x], [0, 1, y]], np.float64)), _enlarging(factor))
        scale *= factor
    if scale >= plain_scale:
        return _cubic(image, transform, size_wh)
    twice = _cubic(image, _after(_enlarging(2), transform), (2 * size_wh[0], 2 * size_wh[1]))
    return np.asarray(cv2.resize(twice, size_wh, interpolation=cv2.INTER_AREA))


def _cubic(
    image: Num[np.ndarray, "H W *C"], transform: Float[np.ndarray, "2 3"], size_wh: tuple[int, int]
) -> Num[np.ndarray, "h w *C"]:
    return np.asarray(cv2.warpAffine(image, transform, size_wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))


def _after(second: Float[np.ndarray, "2 3"], first: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "2 3"]:
    """The transform that does one after the other."""
    return np.asarray(second @ np.vstack([first, [0, 0, 1]]))


def _enlarging(factor: int) -> Float[np.ndarray, "2 3"]:
    """From pixels to pixels `factor` times as fine; both count from the middle of the first."""
    shift = (factor - 1) / 2
    return np.array([[factor, 0, shift], [0, factor, shift]], np.float64)


def _seen_part(
    rgb: Num[np.ndarray, "H W *C"], transform: Float[np.ndarray, "2 3"], size_wh: tuple[int, int], *, margin: int
) -> tuple[int, int, Num[np.ndarray, "h w *C"]]:
    """The part of an image that such a transform reads, and where its corner lies."""
    height, width = rgb.shape[:2]
    right, bottom = size_wh[0] - 1, size_wh[1] - 1
    corners = transform_points(
        cv2.invertAffineTransform(transform.astype(np.float64)),
        np.array([[0, 0], [right, 0], [0, bottom], [right, bottom]]),
    )
    low = np.clip(np.floor(corners.min(axis=0)) - margin, 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + margin + 1, low + 1, [width, height]).astype(int)
    return int(low[0]), int(low[1]), rgb[low[1] : high[1], low[0] : high[0]]


def box_around(points_xy: Float32[np.ndarray, "N 2"]) -> Float32[np.ndarray, "4"]:
    """The smallest box that holds all points."""
    return np.concatenate([points_xy.min(axis=0), points_xy.max(axis=0)])


def overlap(one_xyxy: Float32[np.ndarray, "4"], other_xyxy: Float32[np.ndarray, "4"]) -> float:
    """Intersection over union of two boxes."""
    return float(overlaps(one_xyxy[None], other_xyxy[None])[0])


def overlaps(one_xyxy: Float32[np.ndarray, "N 4"], other_xyxy: Float32[np.ndarray, "N 4"]) -> Float64[np.ndarray, " N"]:
    """The same of many boxes, each with that at the same place."""
    low = np.maximum(one_xyxy[:, :2], other_xyxy[:, :2])
    high = np.minimum(one_xyxy[:, 2:], other_xyxy[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1).astype(np.float64)
    areas = np.prod(one_xyxy[:, 2:] - one_xyxy[:, :2], axis=1) + np.prod(other_xyxy[:, 2:] - other_xyxy[:, :2], axis=1)
    return np.asarray(np.divide(shared, areas - shared, out=np.zeros_like(shared), where=shared > 0))

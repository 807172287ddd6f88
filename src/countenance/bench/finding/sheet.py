"""Contact sheets: faces of a clip with the outlines of mask and ground truth."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageDraw, ImageFont

from countenance.bench.finding.footage import Footage, is_face
from countenance.bench.finding.measure import MASK, Mask, crop_transform, find_of, iou
from countenance.bench.finding.stage import FaceTruth, Rgb
from countenance.bench.finding.tables import fraction
from countenance.faces.store import StoredFace, read_visible
from countenance.geometry import warp
from countenance.project import Project
from countenance.types import Frame
from countenance.vision.crops import CROP_SIZE, resized_mask

TILE_PX, TILES_A_CLIP, TILES_A_ROW, CAPTION_PX = 256, 12, 6, 20
BACKGROUND, INK = (20, 20, 22), (240, 240, 240)
MASK_RGB, TRUTH_RGB, MISSED_RGB = (255, 60, 150), (80, 230, 120), (255, 200, 40)


def draw_tiles(
    project: Project,
    footage: Footage,
    truth: Sequence[Mapping[int, FaceTruth]],
    stored: Sequence[Sequence[StoredFace]],
    frames: Sequence[Frame],
) -> list[Rgb]:
    """Faces spread over a clip, with the outlines of mask and truth; those that weren't found in another colour."""
    shown = [index for index, known in enumerate(truth) if 0 in known]
    chosen = sorted(
        {shown[i] for i in np.linspace(0, len(shown) - 1, TILES_A_CLIP).round().astype(int)} if shown else ()
    )
    tiles = []
    for index in chosen:
        face, rgb, owners = truth[index][0], frames[index].rgb, footage.owners(index)
        row = find_of(stored[index], truth[index])
        to_crop = _around(face) if row is None else crop_transform(row)
        picture = warp(rgb, to_crop, (CROP_SIZE, CROP_SIZE))
        exact = cv2.warpAffine(is_face(owners, 0).astype(np.float32), to_crop, (CROP_SIZE, CROP_SIZE)) > 0.5
        _outline(picture, exact, TRUTH_RGB if row is not None else MISSED_RGB)
        said = f"{footage.spec.name} · {index} · {face.yaw_deg:.0f}°"
        if row is not None and row.has_crop:
            mask = resized_mask(read_visible(project, row.id), CROP_SIZE) > MASK
            _outline(picture, mask, MASK_RGB)
            said += f" · IoU {fraction(iou(mask, exact))}"
        said += " · missed" if row is None else f" · {', '.join(row.rejections) or 'kept'}"
        tiles.append(_captioned(picture, said))
    return tiles


def _around(face: FaceTruth) -> Float32[np.ndarray, "2 3"]:
    """A crop for a face that has no mesh."""
    low, high = face.landmarks_xy.min(axis=0), face.landmarks_xy.max(axis=0)
    scale = CROP_SIZE / (1.6 * float((high - low).max()))
    return np.column_stack([scale * np.eye(2), CROP_SIZE / 2 - scale * (low + high) / 2]).astype(np.float32)


def _outline(picture: Rgb, mask: Mask, rgb: tuple[int, int, int]) -> None:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, rgb, 1)


def _captioned(picture: Rgb, text: str) -> Rgb:
    strip = Image.new("RGB", (picture.shape[1], CAPTION_PX), BACKGROUND)
    font = ImageFont.load_default(size=11)
    ImageDraw.Draw(strip).text((4, CAPTION_PX // 2), text, fill=INK, font=font, anchor="lm")
    return np.vstack([picture, np.asarray(strip)])


def write_sheet(path: Path, tiles: Sequence[Rgb]) -> None:
    """Nothing for clips without the person."""
    if not tiles:
        return
    empty: Rgb = np.full_like(tiles[0], BACKGROUND[0])
    padded = [*tiles, *[empty] * (-len(tiles) % TILES_A_ROW)]
    rows = [np.hstack(padded[begin : begin + TILES_A_ROW]) for begin in range(0, len(padded), TILES_A_ROW)]
    Image.fromarray(np.vstack(rows)).save(path, quality=88)

"""Make `docs/prepare_portrait.jpg`: the tests' portrait as it is cut out, with its mesh, and with its mask.

.venv/bin/python tools/make_portrait_picture.py
"""

from pathlib import Path

import cv2
import numpy as np

from countenance.faces.look import describe_face
from countenance.geometry import transform_points
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.vision.align import cut, frame_to_crop, head_pose
from countenance.vision.crops import CROP_SIZE
from countenance.vision.gaze import EyeFinder
from countenance.vision.landmarks import FaceFinder
from countenance.vision.segment import Segmenter

ROOT = Path(__file__).parents[1]
SIZE, SUBPIXEL_BITS = 512, 3


def main() -> None:
    (frame,) = read_frames(probe(ROOT / "tests/data/portrait.jpg"))
    (face,) = FaceFinder()(frame.rgb)
    pose = head_pose(face.landmarks_xyz)
    crop = cut(frame.rgb, pose, SIZE)
    mesh = crop.copy()
    points = transform_points(frame_to_crop(pose, SIZE), face.landmarks_xyz[:, :2])
    for x, y in np.round(points * (1 << SUBPIXEL_BITS)).astype(int).tolist():
        cv2.circle(mesh, (x, y), 10, (60, 255, 120), -1, cv2.LINE_AA, SUBPIXEL_BITS)
    description = describe_face(frame.rgb, face.landmarks_xyz, Segmenter(), EyeFinder(), CROP_SIZE)
    mask = cv2.resize(description.visible.mask, (SIZE, SIZE))[..., None]
    masked = np.clip(crop * (0.3 + 0.7 * mask) + (1 - mask) * np.array([0, 50, 0]), 0, 255).astype(np.uint8)
    picture = cv2.cvtColor(np.hstack([crop, mesh, masked]), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(ROOT / "docs/prepare_portrait.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()

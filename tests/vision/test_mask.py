from pathlib import Path

import cv2
import numpy as np

from countenance.geometry import transform_points
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.vision.align import cut, frame_to_crop, head_pose
from countenance.vision.landmarks import FaceFinder
from countenance.vision.light import MEAN_LAB, even_light, lab_statistics
from countenance.vision.mask import face_mask


def test_mask_covers_the_rendered_face(demo_data: Path) -> None:
    find_faces = FaceFinder()
    for frame in read_frames(probe(demo_data / "performance.mp4")):
        if frame.index % 24:
            continue
        (face,) = find_faces(frame.rgb)
        mask = face_mask(face.landmarks_xyz[:, :2], (256, 256)) > 0.5
        picture = cv2.imread(str(demo_data / f"truth_zuri_mask/{frame.index:04d}.png"), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        truth = picture > 127
        assert (mask & truth).sum() / (mask | truth).sum() > 0.72
        # Above the mesh lies the forehead; below it nothing of the mask may lie outside of the face.
        assert (mask & ~truth)[128:].sum() < 0.12 * mask[128:].sum()


def test_even_light_undoes_a_lamp(demo_data: Path) -> None:
    rgb = next(read_frames(probe(demo_data / "mira_training.mp4"))).rgb
    landmarks = FaceFinder()(rgb)[0].landmarks_xyz
    pose = head_pose(landmarks)
    crop = cut(rgb, pose, 128)
    mask = face_mask(transform_points(frame_to_crop(pose, 128), landmarks[:, :2]), (128, 128))
    tinted = (crop * np.array([0.8, 0.7, 0.5])).astype(np.uint8)
    one, other = (even_light(picture, mask) for picture in (crop, tinted))
    for picture in (one, other):
        mean, _ = lab_statistics(picture.astype(np.float32) / 255, mask)
        assert np.abs(mean - MEAN_LAB).max() < 2.5
    inside = mask > 0.5
    before = np.abs(crop[inside].astype(float) - tinted[inside]).mean()
    assert np.abs(one[inside].astype(float) - other[inside]).mean() < before / 4

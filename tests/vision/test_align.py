import numpy as np
import pytest

from countenance.geometry import transform_points
from countenance.vision.align import CROP_SIDE, angles_of, canonical_mesh, frame_to_crop, head_pose


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in np.deg2rad([yaw, pitch, roll]))
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


@pytest.mark.parametrize("angles", [(0, 0, 0), (35, 0, 0), (-50, 12, 8), (20, -20, -30)])
def test_angles_are_read_back_with_their_signs(angles: tuple[float, float, float]) -> None:
    assert angles_of(rotation(*angles)) == pytest.approx(angles, abs=1e-6)


def test_a_head_that_turns_keeps_its_size() -> None:
    sizes = []
    for yaw in (-50, 0, 50):
        mesh = (40 * canonical_mesh() @ rotation(yaw, 0, 0).T + [200, 150, 0]).astype(np.float32)
        pose = head_pose(mesh)
        sizes.append(pose.unit_px)
        assert pose.yaw_deg == pytest.approx(yaw, abs=1e-3)
    assert sizes == pytest.approx([40, 40, 40], rel=1e-4)


def test_yaw_moves_the_nose_to_the_right_of_the_picture() -> None:
    turned = canonical_mesh() @ rotation(30, 0, 0).T
    assert turned[1, 0] > canonical_mesh()[1, 0] + 0.1


def test_the_crop_holds_the_face_at_any_turn() -> None:
    for yaw in (-45, -30, 0, 30, 45):
        mesh = (40 * canonical_mesh() @ rotation(yaw, 10, 15).T + [200, 150, 0]).astype(np.float32)
        pose = head_pose(mesh)
        assert pose.crop_side_px == pytest.approx(CROP_SIDE * 40, rel=1e-4)
        in_crop = transform_points(frame_to_crop(pose, 100), mesh[:, :2])
        assert in_crop.min() > 2
        assert in_crop.max() < 97

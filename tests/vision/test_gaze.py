import numpy as np
import pytest

from countenance.demo import data_folder
from countenance.faces.look import in_crop
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.vision.align import angles_of, canonical_mesh, cut, head_pose
from countenance.vision.crops import CROP_SIZE
from countenance.vision.gaze import (
    BALL_CENTRE,
    IRIS_RADIUS,
    MAX_YAW_DEG,
    Eye,
    EyeFinder,
    angle_between_deg,
    gaze_direction,
    head_rotation,
    measure_gaze,
)
from countenance.vision.landmarks import FaceFinder


def test_a_rotation_is_that_of_its_angles() -> None:
    for angles in ((0.0, 0.0, 0.0), (30.0, -12.0, 7.0), (-50.0, 20.0, -15.0)):
        rotation = head_rotation(*angles)
        assert angles_of(rotation) == pytest.approx(angles, abs=1e-6)
        assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize("yaw_pitch_roll_deg", [(0.0, 0.0, 0.0), (30.0, 0.0, 0.0), (-20.0, 15.0, 10.0)])
@pytest.mark.parametrize("gaze", [(0.0, 0.0), (0.3, 0.1), (-0.2, -0.1)])
def test_gaze_is_the_turn_of_the_eye_in_the_head(
    yaw_pitch_roll_deg: tuple[float, float, float], gaze: tuple[float, float]
) -> None:
    rotation = head_rotation(*yaw_pitch_roll_deg)
    landmarks = (50 * canonical_mesh() @ rotation.T).astype(np.float32)
    looking = np.array([*gaze, -np.sqrt(1 - gaze[0] ** 2 - gaze[1] ** 2)])

    def eye(side: int, openness: float) -> Eye:
        iris = 50 * rotation @ (BALL_CENTRE * np.array([side, 1, 1]) + IRIS_RADIUS * looking)
        return Eye(
            iris_xy=iris[:2].astype(np.float32), middle_xy=np.zeros(2, np.float32), width_px=20.0, openness=openness
        )

    found = gaze_direction((eye(1, 0.35), eye(-1, 0.35)), landmarks)
    assert found is not None
    assert angle_between_deg(found, looking) < 0.1
    assert gaze_direction((eye(1, 0.35), eye(-1, 0.1)), landmarks) is None


def test_gaze_is_the_same_in_the_frame_and_in_the_crop() -> None:
    (frame,) = read_frames(probe(data_folder() / "kofi.png"))
    (face,) = FaceFinder()(frame.rgb)
    find_eyes = EyeFinder()
    whole = measure_gaze(find_eyes, frame.rgb, face.landmarks_xyz)
    crop = cut(frame.rgb, head_pose(face.landmarks_xyz), CROP_SIZE)
    assert whole is not None
    assert measure_gaze(find_eyes, crop, in_crop(face.landmarks_xyz)) == pytest.approx(whole, abs=2.0)
    # A portrait looks at the camera.
    assert np.abs(whole).max() < 12


def test_nothing_is_said_of_a_head_that_is_turned_far() -> None:
    far = canonical_mesh() @ head_rotation(MAX_YAW_DEG + 5, 0.0, 0.0).T * 40 + 128
    black = np.zeros((256, 256, 3), np.uint8)
    assert measure_gaze(EyeFinder(), black, far.astype(np.float32)) is None

import pytest

from countenance.faces.store import StoredFace
from countenance.steps.generate import drawn_size
from countenance.vision.align import CROP_SIDE
from tests.support.made_up import QUALITY, mesh_at


def face_of(crop_side_px: float) -> StoredFace:
    return StoredFace(
        id=1,
        clip_sha256="ab" * 32,
        frame=0,
        track=1,
        shot=0,
        landmarks_xyz=mesh_at(900, 900, crop_side_px / CROP_SIDE),
        score=1.0,
        quality=QUALITY,
        distance=0.2,
        margin=0.3,
        mask_origin=None,
        has_crop=False,
        rejections=(),
    )


@pytest.mark.parametrize(
    ("largest_px", "size"), [(200, 512), (511, 512), (520, 640), (767, 768), (1000, 1024), (1306, 1024)]
)
def test_fine_follows_the_largest_face_of_a_plate(largest_px: float, size: int) -> None:
    faces = [face_of(150), face_of(largest_px)]
    assert drawn_size("fine", faces) == size
    assert drawn_size("fine", faces[::-1]) == size
    assert (drawn_size("draft", faces), drawn_size("standard", faces)) == (128, 256)

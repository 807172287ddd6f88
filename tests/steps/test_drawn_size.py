import pytest

from countenance.faces.store import StoredFace
from countenance.steps.drawings import drawn_size
from countenance.vision.align import CROP_SIDE
from tests.support.made_up import mesh_at, stored_face


def face_of(crop_side_px: float) -> StoredFace:
    return stored_face(mesh_at(900, 900, crop_side_px / CROP_SIDE))


@pytest.mark.parametrize(
    ("largest_px", "size"), [(200, 512), (511, 512), (520, 640), (767, 768), (1000, 1024), (1306, 1024)]
)
def test_fine_follows_the_largest_face_of_a_plate(largest_px: float, size: int) -> None:
    faces = [face_of(150), face_of(largest_px)]
    assert drawn_size("fine", faces) == size
    assert drawn_size("fine", faces[::-1]) == size
    assert (drawn_size("draft", faces), drawn_size("standard", faces)) == (128, 256)

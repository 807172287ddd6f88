from dataclasses import replace

import numpy as np
import pytest

from countenance.drawing import Drawer, ReferenceFace, references_of
from tests.support.drawers import Guided, Negative, face_input


def reference(level: int = 90) -> ReferenceFace:
    shown = face_input(np.full((32, 32, 3), level, np.uint8), np.ones((32, 32), np.float32))
    return ReferenceFace(
        rgb=shown.rgb,
        mask=shown.mask,
        visible=shown.mask,
        landmarks_xyz=shown.landmarks_xyz,
        yaw_pitch_deg=(0.0, 0.0),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"rgb": np.full((32, 32, 3), 91, np.uint8)},
        {"mask": np.zeros((32, 32), np.float32)},
        {"visible": np.zeros((32, 32), np.float32)},
        {"landmarks_xyz": reference().landmarks_xyz + np.float32(0.01)},
        {"yaw_pitch_deg": (0.0, 1.0)},
    ],
)
def test_the_digest_changes_with_everything_in_the_references(change: dict[str, object]) -> None:
    face = reference()
    changed = replace(face, **change)  # type: ignore[arg-type]
    digests = {references_of(faces).digest for faces in ((face,), (changed,), (face, changed), (changed, face))}
    assert len(digests) == 4


def test_anything_with_its_parts_is_a_drawer() -> None:
    assert isinstance(Negative(), Drawer)
    assert isinstance(Guided(references_of([reference()])), Drawer)
    assert not isinstance(object(), Drawer)

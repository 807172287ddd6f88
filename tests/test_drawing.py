from dataclasses import replace

import numpy as np
import pytest

from countenance.drawing import Drawer, DrawerByTrack, ReferenceFace, references_of
from tests.support.drawers import Guided, Identity, Negative, face_input


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


def test_each_track_is_drawn_by_its_own_drawer_in_the_order_of_the_faces() -> None:
    negative, identity = Negative(batch=4), Identity(batch=4)
    identity.digest = "identity"
    drawer = DrawerByTrack([negative, identity], {7: 1, 3: 0, 9: 1})
    assert isinstance(drawer, Drawer)
    assert (drawer.size, drawer.batch) == (64, 4)
    levels = [(7, 10), (3, 20), (9, 30), (3, 40)]
    shown = [
        face_input(np.full((64, 64, 3), level, np.uint8), np.ones((64, 64), np.float32), track=track)
        for track, level in levels
    ]
    drawn = [round(255 * float(face.rgb.mean())) for face in drawer(shown)]
    assert drawn == [10, 235, 30, 215]
    assert [len(call) for each in (negative, identity) for call in each.calls] == [2, 2]


def test_its_digest_covers_all_drawers_and_who_draws_whom() -> None:
    one, other = Negative(), Identity()
    other.digest = "identity"
    drawers = [
        DrawerByTrack([one, other], {1: 0, 2: 1}),
        DrawerByTrack([one, other], {1: 1, 2: 0}),
        DrawerByTrack([other, one], {1: 0, 2: 1}),
        DrawerByTrack([one, one], {1: 0, 2: 1}),
    ]
    assert len({each.digest for each in drawers}) == len(drawers)
    assert DrawerByTrack([one, other], {2: 1, 1: 0}).digest == drawers[0].digest

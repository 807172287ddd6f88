"""The head: subdivision, targets, bones, and which points belong to the face."""

import numpy as np

from countenance.actors.head import bone_matrices, load_head, moved, pose, rotation
from countenance.actors.subdivide import subdivide
from countenance.actors.surface import normals


def test_subdividing_a_cube_tends_to_a_ball() -> None:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    faces = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    uv = np.zeros((6, 4, 2), np.float32)
    step = subdivide(faces, uv, 8)
    for _ in range(3):
        step = step.then(subdivide(step.faces, step.uv, step.matrix.shape[0]))
    points = step.matrix @ corners
    radius = np.linalg.norm(points, axis=1)
    assert len(step.faces) == 6 * 4**4
    assert radius.std() / radius.mean() < 0.03
    assert (normals(points, step.faces) * points).sum(axis=1).min() > 0


def test_a_flat_border_stays_where_it_is() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0], [2, 1, 0]], float)
    uv = np.array([[[0, 0], [0.5, 0], [0.5, 1], [0, 1]], [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]], np.float32)
    step = subdivide(np.array([[0, 1, 2, 3], [1, 4, 5, 2]]), uv, 6)
    finer = step.matrix @ points
    assert np.allclose(finer[:, 2], 0)
    assert np.allclose(finer[1], [1, 0, 0])
    assert step.uv[:, 0].tolist()[:4] == [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]


def test_targets_move_what_they_name() -> None:
    head = load_head()
    opened = moved(head.points, {"unit-jawOpen": 1.0})
    change = np.linalg.norm(opened - head.points, axis=1)
    lower, upper = change[head.parts["teeth_lower"]].mean(), change[head.parts["teeth_upper"]].mean()
    assert lower > 0.01
    assert upper < 0.001


def test_the_head_turns_to_its_own_left() -> None:
    """Yaw > 0: to the subject's left, which is +x; pitch > 0 looks down; roll > 0 counter-clockwise in the picture."""
    assert (rotation(30, 0, 0) @ [0, 0, 1])[0] > 0.4
    assert (rotation(0, 30, 0) @ [0, 0, 1])[1] < -0.4
    assert (rotation(0, 0, 30) @ [0, 1, 0])[0] < -0.4
    head = load_head()
    posed = pose(head.points, bone_matrices(head.points, 40, 0, 0))
    eyes = [posed[head.parts[name]].mean(axis=0) for name in ("eye_left", "eye_right")]
    across = eyes[0] - eyes[1]
    assert abs(np.degrees(np.arctan2(-across[2], across[0])) - 40) < 1


def test_neck_and_head_together_turn_by_what_was_asked() -> None:
    """Also about all axes at once, where parts of the angles would not add up to the whole."""
    head = load_head()
    turned = bone_matrices(head.points, 55.0, 25.0, -20.0)["head"][:3, :3]
    assert np.allclose(turned, rotation(55.0, 25.0, -20.0), atol=1e-9)


def test_the_face_ends_before_ears_and_neck() -> None:
    head = load_head()
    skin = np.unique(head.skin_faces)
    points, weight = head.points[skin], head.face_weight[skin]
    assert weight.min() >= 0
    assert weight.max() <= 1
    assert weight[points[:, 2] < 0].max() == 0
    assert weight[points[:, 1] < 0.58].max() == 0
    nose = skin[points[:, 2].argmax()]
    assert head.face_weight[nose] > 0.99

import cv2
import numpy as np
import pytest
import torch

from countenance.drawing import NO_REFERENCES, FaceInput, ReferenceFace, References
from countenance.errors import ModelError
from countenance.model.guided.drawer import GuidedDrawer
from countenance.model.guided.shape import load_estimator
from countenance.model.guided.sources import Person, person_of, sources_of
from countenance.vision.identity import PartsNet, Recogniser
from countenance.vision.landmarks import FaceFinder
from countenance.vision.light import even_light
from tests.support.faces import faces_of, reference_of
from tests.support.videos import Rgb, clip_of

SIZE = 256


def known_of(faces: list[ReferenceFace]) -> Person:
    return person_of(faces, load_estimator(), PartsNet(Recogniser()))


def input_of(face: ReferenceFace) -> FaceInput:
    return FaceInput(
        lit_rgb=face.rgb,
        even_rgb=lambda: even_light(face.rgb, face.mask),
        mask=face.mask,
        landmarks_xyz=face.landmarks_xyz,
        yaw_pitch_deg=face.yaw_pitch_deg,
        track=1,
    )


@pytest.fixture(scope="module")
def people() -> dict[str, References]:
    return {name: faces_of(name) for name in ("zuri", "kofi")}


def drawer_of(likeness: References, performer: References, size: int = SIZE) -> GuidedDrawer:
    return GuidedDrawer(sources_of(likeness, performer), size=size)


def test_a_person_put_onto_themselves_stays_as_they_are(people: dict[str, References]) -> None:
    drawer = drawer_of(people["kofi"], people["kofi"])
    shown = input_of(people["kofi"].faces[1])
    (drawn,) = drawer([shown])
    inside = shown.mask > 0.5
    assert np.abs(drawn.rgb[inside] - shown.lit_rgb[inside] / 255).mean() < 0.05
    assert drawn.mask[inside].mean() > 0.8
    assert drawn.finished


def test_another_person_is_drawn_nearer_to_their_own_shape(people: dict[str, References]) -> None:
    shown = input_of(people["kofi"].faces[1])
    (drawn,) = drawer_of(people["zuri"], people["kofi"])([shown])
    likeness, performer = (known_of(list(people[name].faces)).shape.at_rest for name in ("zuri", "kofi"))
    move = likeness - performer
    shapes = [shape_in(rgb) for rgb in (shown.lit_rgb, np.round(drawn.rgb * 255).astype(np.uint8))]
    along = ((shapes[1] - shapes[0]) * move).sum() / move.square().sum()
    assert along > 0.2


def shape_in(crop: Rgb) -> torch.Tensor:
    framed = np.pad(crop, ((64, 64), (64, 64), (0, 0)), "edge")
    return known_of([reference_of(framed, FaceFinder()(framed)[0])]).shape.at_rest


def test_faces_are_drawn_alike_alone_and_together(people: dict[str, References]) -> None:
    drawer = drawer_of(people["zuri"], people["kofi"])
    faces = [input_of(face) for face in people["kofi"].faces[:2]]
    together = drawer(faces)
    for face, one in zip(faces, together, strict=True):
        assert np.abs(drawer([face])[0].rgb - one.rgb).max() < 1e-3


@pytest.mark.parametrize("size", [128, 512])
def test_the_same_face_is_drawn_at_another_size(people: dict[str, References], size: int) -> None:
    rgb = clip_of("kofi", 4)[3]
    face = FaceFinder()(rgb)[0]
    faces = [
        drawer_of(people["zuri"], people["kofi"], size=side)([input_of(reference_of(rgb, face, side))])[0]
        for side in (256, size)
    ]
    assert faces[1].rgb.shape == (size, size, 3)
    assert faces[1].mask.shape == (size, size)
    small = [cv2.resize(one.rgb, (64, 64), interpolation=cv2.INTER_AREA) for one in faces]
    assert np.abs(small[1] - small[0]).mean() < 0.02


def test_crops_of_any_size_are_references() -> None:
    rgb = clip_of("zuri", 1)[0]
    face = FaceFinder()(rgb)[0]
    shapes = [known_of([reference_of(rgb, face, size)]).neutral for size in (128, 256, 384)]
    assert torch.allclose(shapes[0], shapes[2], atol=1e-3)
    assert torch.allclose(shapes[1], shapes[2], atol=1e-3)


def test_the_digest_is_of_both_people_and_the_size(people: dict[str, References]) -> None:
    one, other = drawer_of(people["zuri"], people["kofi"]), drawer_of(people["kofi"], people["zuri"])
    assert one.digest != other.digest
    assert one.digest == drawer_of(people["zuri"], people["kofi"]).digest
    assert one.digest != drawer_of(people["zuri"], people["kofi"], size=128).digest


def test_without_a_face_there_is_nothing_to_draw_from(people: dict[str, References]) -> None:
    with pytest.raises(ModelError, match="no face to draw from"):
        drawer_of(NO_REFERENCES, people["kofi"])

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from countenance.drawing import NO_REFERENCES, DrawnFace, FaceInput, drawer_digest, references_of
from countenance.model.config import TrainConfig
from countenance.model.draw import needs_references, open_drawer
from countenance.model.generators.base import DrawerParts, Drawn, Generator, GeneratorSpec
from countenance.model.generators.registry import GENERATORS
from countenance.model.loop import TrainingFacts, train
from countenance.model.references import choose_references
from countenance.model.state import load_generator
from countenance.progress import Silent
from countenance.project import Project
from countenance.types import FaceSet
from tests.support.drawers import Guided, face_input
from tests.support.leave import never_ends, unrecorded
from tests.support.made_up import GOOD, add_track
from tests.test_drawing import reference

CPU = torch.device("cpu")


class Flat(Generator):
    """Draws one learned colour for each person."""

    def __init__(self, num_people: int) -> None:
        super().__init__()
        self.colour = nn.Embedding(num_people, 3, _weight=torch.zeros(num_people, 3))
        self.code = nn.Parameter(torch.zeros(48))

    def forward(self, rgb_bchw: Tensor, person_b: Tensor) -> Drawn:
        rgb = self.colour(person_b)[:, :, None, None].tanh().expand_as(rgb_bchw)
        return Drawn(rgb=rgb, mask=torch.zeros_like(rgb_bchw[:, :1]), code=self.code.expand(len(person_b), -1))


class FlatDrawer:
    """Mixes the learned colour with the first reference's."""

    def __init__(self, parts: DrawerParts) -> None:
        self.size, self.batch, self.digest, self.parts = 64, 2, parts.digest, parts

    def __call__(self, faces: list[FaceInput]) -> list[DrawnFace]:
        level = float(self.parts.references.faces[0].rgb.mean()) / 255
        return [DrawnFace(rgb=np.full(face.rgb.shape, level, np.float32), mask=face.mask) for face in faces]


FLAT = GeneratorSpec(
    name="film",
    build=lambda config, num_people: Flat(num_people),  # noqa: ARG005
    open_drawer=FlatDrawer,  # type: ignore[arg-type]
    needs_references=True,
)


def test_the_film_generator_s_digest_is_its_weights_whatever_references_there_are(
    tmp_path: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig
) -> None:
    checkpoint = train(
        tmp_path,
        faces,
        facts,
        config,
        progress=Silent(),
        should_stop=lambda: True,
        check_leave=never_ends,
        record=unrecorded,
    )
    assert not needs_references(config)
    for references in (NO_REFERENCES, references_of([reference()])):
        assert open_drawer(tmp_path, checkpoint, references, CPU).digest == checkpoint.weights_sha256


def test_the_film_drawer_draws_a_batch_as_it_draws_each(
    tmp_path: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig
) -> None:
    checkpoint = train(
        tmp_path,
        faces,
        facts,
        config,
        progress=Silent(),
        should_stop=lambda: False,
        check_leave=never_ends,
        record=unrecorded,
    )
    drawer = open_drawer(tmp_path, checkpoint, NO_REFERENCES, CPU)
    rng = np.random.default_rng(2)
    shown = [
        face_input(rng.integers(0, 255, (64, 64, 3), np.uint8), np.full((64, 64), share, np.float32))
        for share in (1.0, 0.5)
    ]
    together, alone = drawer(shown), [drawer([face])[0] for face in shown]
    for one, other in zip(together, alone, strict=True):
        assert one.rgb == pytest.approx(other.rgb, abs=1e-4)
        assert one.mask == pytest.approx(other.mask, abs=1e-4)
    # As the likeness, the first of the people, and seen only through the mask.
    generator = load_generator(tmp_path, checkpoint, CPU)
    x_bchw = torch.from_numpy(shown[1].rgb).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        expected = generator(x_bchw * 0.5, torch.tensor([0]))
    assert together[1].rgb == pytest.approx((expected.rgb[0].permute(1, 2, 0).numpy() + 1) / 2, abs=1e-3)


def test_another_generator_takes_the_place_in_training_previews_checkpoints_and_drawing(
    tmp_path: Path, faces: list[Tensor], facts: TrainingFacts, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GENERATORS, "film", FLAT)
    checkpoint = train(
        tmp_path,
        faces,
        facts,
        replace(config, images=480),
        progress=Silent(),
        should_stop=lambda: False,
        check_leave=never_ends,
        record=unrecorded,
    )
    generator = load_generator(tmp_path, checkpoint, CPU)
    assert isinstance(generator, Flat)
    # The likeness's faces are darker.
    likeness, performer = generator.colour.weight.mean(dim=1).tolist()
    assert performer > likeness + 0.02
    assert (tmp_path / "preview.png").exists()
    assert needs_references(config)
    one, other = references_of([reference(90)]), references_of([reference(200)])
    drawers = [open_drawer(tmp_path, checkpoint, references, CPU) for references in (one, other)]
    assert [drawer.digest for drawer in drawers] == [
        drawer_digest(checkpoint.weights_sha256, references) for references in (one, other)
    ]
    shown = face_input(np.zeros((64, 64, 3), np.uint8), np.ones((64, 64), np.float32))
    assert [drawer([shown])[0].rgb.mean() for drawer in drawers] == pytest.approx([90 / 255, 200 / 255], abs=1e-3)


def test_references_are_the_most_varied_kept_faces_with_mesh_and_pose_in_the_crop(project: Project) -> None:
    yaws = [0.0, 1.0, 2.0, 60.0, 3.0, -60.0]
    qualities = [replace(GOOD, yaw_pitch_roll_deg=(yaw, 0.0, 0.0)) for yaw in yaws]
    stored = add_track(project, range(6), qualities=qualities)
    add_track(project, [7], qualities=[replace(GOOD, yaw_pitch_roll_deg=(90.0, 0.0, 0.0))], rejections=("blurred",))
    face_set = FaceSet(person="dana", num_faces=6, digest="d", permit_digest="p", release_digests=(), crop_size=256)
    references = choose_references(project, face_set, 3)
    assert len(references.faces) == 3
    assert references.digest == choose_references(project, face_set, 3).digest
    assert references.digest != choose_references(project, face_set, 4).digest
    size = len(references.faces[0].rgb)
    nose_x, nose_y = references.faces[0].landmarks_xyz[Guided.NOSE, :2]
    assert (nose_x, nose_y) == pytest.approx((size / 2, size / 2), abs=0.15 * size)
    assert references.faces[0].mask[int(nose_y), int(nose_x)] == 1
    assert len(stored) == 6

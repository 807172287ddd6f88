"""Inputs of the base, taken away one by one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from countenance.drawing import ReferenceFace, references_of
from countenance.model.guided.drawing import split
from countenance.model.guided.network import NUM_CHANNELS, NUM_REFERENCES
from tools.base.variants import (
    FACES,
    SHOWN,
    VARIANTS,
    frontal,
    means_of,
    shaded,
    spread,
    table,
    without_atlas,
    without_normals,
    without_ratio,
    without_references,
    write_plot,
)

SIZE = 32


def a_face(yaw_deg: float) -> ReferenceFace:
    return ReferenceFace(
        rgb=np.full((SIZE, SIZE, 3), 200, np.uint8),
        mask=np.ones((SIZE, SIZE), np.float32),
        visible=np.ones((SIZE, SIZE), np.float32),
        landmarks_xyz=np.zeros((468, 3), np.float32),
        yaw_pitch_deg=(yaw_deg, 0.0),
    )


@pytest.fixture
def parts() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return split(torch.rand(1, NUM_CHANNELS, SIZE, SIZE))


def test_what_is_taken_away_says_nothing_and_the_rest_stays(parts: dict[str, torch.Tensor]) -> None:
    bare = without_references(parts)
    names = {f"{kind} {number + 1}" for kind in ("reference", "coverage") for number in range(NUM_REFERENCES)}
    assert all(not bare[name].any() for name in names)
    assert all(bare[name] is parts[name] for name in parts.keys() - names)
    assert torch.equal(without_ratio(parts)["ratio"], parts["moved"])
    assert torch.equal(without_ratio(parts)["own atlas"], parts["atlas"])
    assert not without_atlas(parts)["atlas confidence"].any()
    assert (without_normals(parts)["own normal"] == 0.5).all()
    assert parts["own normal"].std() > 0.1


def test_face_sets_are_cut_to_what_is_asked_for() -> None:
    faces = references_of([a_face(yaw) for yaw in (40.0, 5.0, -8.0, 25.0, 11.0)]).faces
    assert [face.yaw_pitch_deg[0] for face in frontal(faces)] == [5.0, -8.0, 11.0]
    turned = [replace(face, yaw_pitch_deg=(face.yaw_pitch_deg[0] + 60, 0.0)) for face in faces]
    assert len(frontal(turned)) == 3
    assert [face.yaw_pitch_deg[0] for face in spread(3)(faces)] == [40.0, -8.0, 11.0]
    one_ahead = [turned[0], faces[1], turned[3], turned[2]]
    assert [face.yaw_pitch_deg[0] for face in frontal(one_ahead)] == [5.0, 52.0, 85.0]
    (dark,) = shaded(faces[:1])
    assert dark.rgb[0, 0, 0] == 120
    assert dark.rgb[0, -1, 0] == 200


def test_a_gain_counts_where_all_variants_have_it() -> None:
    names = [variant.name for variant in VARIANTS]
    whole: dict[str, dict[str, float | None]] = {name: dict.fromkeys(SHOWN, 0.5) for name in names}
    holed: dict[str, dict[str, float | None]] = {name: dict.fromkeys(SHOWN, 0.1) for name in names}
    holed[names[1]]["ssim"] = None
    means = means_of([whole, holed])
    assert {row["ssim"] for row in means.values()} == {0.5}
    assert {round(row["identity"], 6) for row in means.values()} == {0.3}


def test_every_variant_is_named_once_and_shown(tmp_path: Path) -> None:
    names = [variant.name for variant in VARIANTS]
    assert len(set(names)) == len(names)
    means = {name: dict.fromkeys(SHOWN, 0.25) for name in names}
    assert table(means).count("+0.25") == len(names) * len(SHOWN)
    write_plot(tmp_path / "faces.png", means)
    assert (tmp_path / "faces.png").stat().st_size > 1000
    assert FACES[-1] == 24

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from countenance.drawing import NO_REFERENCES, References, references_of
from countenance.model.guided.detail import OPENINGS, OwnDetail, own_detail
from countenance.model.guided.drawer import GuidedDrawer
from countenance.model.guided.inputs import View, evened, evenness
from countenance.model.guided.mesh import pixel_grid, rasterise
from countenance.model.guided.sources import CONTROL_SIZE, Sources, pixels, sources_of
from countenance.vision.landmarks import FaceFinder
from tests.support.faces import faces_of, reference_of
from tests.support.videos import clip_of

SIZE = 256


@pytest.fixture(scope="module")
def people() -> dict[str, References]:
    """Zuri's faces cut at `SIZE`, so that they hold fine detail, and Kofi's."""
    finder, rgbs = FaceFinder(), clip_of("zuri", 3)
    zuri = references_of(reference_of(rgb, finder(rgb)[0], SIZE) for rgb in rgbs)
    return {"zuri": zuri, "kofi": faces_of("kofi")}


@pytest.fixture(scope="module")
def sources(people: dict[str, References]) -> Sources:
    return sources_of(people["zuri"], people["kofi"])


def detail_of(references: References, sources: Sources, size: int = SIZE) -> OwnDetail:
    detail = own_detail(references, sources.likeness, size)
    assert detail is not None
    return detail


def own_view(sources: Sources, number: int) -> View:
    """The target mesh that is the likeness's own in one of their pictures."""
    surface = sources.likeness.surface[number : number + 1]
    raster = rasterise(torch.cat([surface[..., :2], torch.zeros_like(surface[..., :1])], dim=2), CONTROL_SIZE)
    where = pixel_grid(CONTROL_SIZE, surface.device)[None]
    return View(raster=raster, inside=(raster.triangle >= 0).float()[:, None], where=where)


def in_even_light(references: References, number: int) -> np.ndarray:
    face = references.faces[number]
    rgb = torch.from_numpy(face.rgb).permute(2, 0, 1)[None].float() / 255
    even = evened(rgb, evenness(rgb, torch.from_numpy(face.mask * face.visible)[None]))
    return np.ascontiguousarray(even[0].permute(1, 2, 0).numpy())


def fine(image: np.ndarray) -> np.ndarray:
    return image - cv2.GaussianBlur(image, (0, 0), 3.0)


def put_into(detail: OwnDetail, image: np.ndarray, sources: Sources, view: View) -> np.ndarray:
    found = sources.likeness.mesh[:1]
    return detail.put_into(image, view, found, sources.likeness.neutral)


def test_detail_that_was_lost_is_put_back_where_it_was(people: dict[str, References], sources: Sources) -> None:
    """The likeness's own picture, blurred, drawn into its own mesh."""
    whole, view = in_even_light(people["zuri"], 0), own_view(sources, 0)
    soft = cv2.GaussianBlur(whole, (0, 0), 3.0)
    alone = references_of(people["zuri"].faces[:1])
    again = put_into(detail_of(alone, sources), soft, sources, view)
    # On the cheek that is turned to the camera and on the forehead.
    middle = pixels(sources.likeness.mesh[:1], SIZE)[0, [280, 425, 151], :2].round().long()
    for x, y in middle.tolist():
        part = np.s_[y - 10 : y + 11, x - 10 : x + 11]
        before, after, known = (fine(image)[part].ravel() for image in (soft, again, whole))
        assert np.abs(after - known).mean() < 0.6 * np.abs(before - known).mean()
        assert np.corrcoef(after, known)[0, 1] > 0.8


def test_detail_of_the_drawn_face_is_taken_out(people: dict[str, References], sources: Sources) -> None:
    whole, view, detail = in_even_light(people["zuri"], 0), own_view(sources, 0), detail_of(people["zuri"], sources)
    spots = 0.2 * fine(np.random.default_rng(1).normal(size=whole.shape).astype(np.float32))
    clean, spotted = (put_into(detail, image, sources, view) for image in (whole, whole + spots))
    x, y = pixels(sources.likeness.mesh[:1], SIZE)[0, 151, :2].round().long().tolist()
    part = np.s_[y - 6 : y + 7, x - 6 : x + 7]
    assert np.abs(spotted - clean)[part].mean() < 0.3 * np.abs(spots)[part].mean()
    # Beside the mesh nothing is touched.
    beside = cv2.resize(view.inside[0, 0].numpy(), (SIZE, SIZE)) == 0
    assert beside.sum() > 1000
    assert np.abs(spotted - clean - spots)[beside].max() < 1e-4


def test_eyes_and_mouth_stay_as_they_were_drawn(people: dict[str, References], sources: Sources) -> None:
    whole, view, detail = in_even_light(people["zuri"], 0), own_view(sources, 0), detail_of(people["zuri"], sources)
    spots = 0.2 * fine(np.random.default_rng(1).normal(size=whole.shape).astype(np.float32))
    clean, spotted = (put_into(detail, image, sources, view) for image in (whole, whole + spots))
    eye = pixels(sources.likeness.mesh[:1], SIZE)[0, list(OPENINGS[:16]), :2].mean(dim=0).round().long().tolist()
    part = np.s_[eye[1] - 1 : eye[1] + 2, eye[0] - 3 : eye[0] + 4]
    assert np.abs(spotted - clean - spots)[part].max() < 0.02


def test_what_hides_the_likeness_doesnt_come_along(people: dict[str, References], sources: Sources) -> None:
    """Hair, glasses and hands of a reference."""
    hidden = [replace(face, visible=np.zeros_like(face.visible)) for face in people["zuri"].faces]
    detail, whole = detail_of(references_of(hidden), sources), in_even_light(people["zuri"], 0)
    soft = cv2.GaussianBlur(whole, (0, 0), 3.0)
    assert np.abs(put_into(detail, soft, sources, own_view(sources, 0)) - soft).max() < 1e-4


def test_references_change_over_steadily_as_the_head_turns(people: dict[str, References], sources: Sources) -> None:
    detail = replace(
        detail_of(people["zuri"], sources),
        pose=torch.tensor([[-1.0, 0.0], [0.2, 0.0], [1.5, 0.0]]),
        expression=torch.zeros(3),
    )
    before = None
    for yaw in np.linspace(-1.5, 2, 351):
        near = dict(detail._near(torch.tensor([yaw, 0.0], dtype=torch.float32)))
        weights = np.array([near.get(number, 0.0) for number in range(3)])
        assert weights.sum() == pytest.approx(1)
        assert before is None or np.abs(weights - before).max() < 0.06
        before = weights


def test_references_too_small_for_what_is_drawn_have_no_detail(people: dict[str, References], sources: Sources) -> None:
    assert own_detail(people["zuri"], sources.likeness, 2 * SIZE) is not None
    assert own_detail(people["zuri"], sources.likeness, 2 * SIZE + CONTROL_SIZE) is None
    assert own_detail(NO_REFERENCES, sources.likeness, SIZE) is None


def test_a_drawer_says_that_detail_is_the_likenesss_own(people: dict[str, References], sources: Sources) -> None:
    plain, own = (GuidedDrawer(sources, size=SIZE, detail=each) for each in (NO_REFERENCES, people["zuri"]))
    assert plain.digest != own.digest
    without = GuidedDrawer(sources, size=4 * SIZE, detail=people["zuri"])
    assert without.digest == GuidedDrawer(sources, size=4 * SIZE).digest

"""What an artist painted: exact in its own frame, inside the face only, and carried along beside it."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from countenance.composite.blend import PastedFace, Patch, alpha_in_frame, feathered
from countenance.composite.held import (
    WHOLE_FROM,
    Held,
    HeldFrame,
    Painted,
    carry_painted,
    painted_faces,
    read_held,
    show_painted,
)
from countenance.composite.shot import ShotConfig
from countenance.errors import ConsentError, MediaError, UsageError
from countenance.media.probe import probe
from countenance.pixels import to_16_bit
from countenance.types import Frame, MediaInfo
from countenance.vision.align import canonical_mesh, frame_to_crop, head_pose
from countenance.vision.mask import hull_in_crop
from tests.support.videos import write_video

HEIGHT, WIDTH, SIZE = 240, 320, 128
CHEEK = 50
"""A point of the mesh."""
PAIR = ("dana", "kim")
FIRST, LAST = 10, 20
"""Held frames; there are ten a second."""


def mesh(x: float = 150, y: float = 120, unit_px: float = 40, yaw_deg: float = 0) -> np.ndarray:
    angle = np.deg2rad(yaw_deg)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return np.asarray(unit_px * canonical_mesh() @ turn.T + np.array([x, y, 0]), np.float32)


def face(landmarks: np.ndarray | None = None, track: int = 1, held_s: float = 1.0) -> PastedFace:
    landmarks = mesh() if landmarks is None else landmarks
    pose = head_pose(landmarks)
    mask = hull_in_crop(landmarks, frame_to_crop(pose, SIZE), SIZE)
    patch = Patch(rgb=np.zeros((SIZE, SIZE, 3), np.float32), alpha=feathered(mask), pose=pose)
    seen = np.ones((SIZE, SIZE), np.float32)
    return PastedFace(track=track, landmarks_xyz=landmarks, patch=patch, seen=seen, look=ShotConfig(held_s=held_s))


def frame(index: int, pixels: np.ndarray | None = None) -> Frame:
    grey = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    return Frame(pixels=grey if pixels is None else pixels, index=index, pts=index, time_base=Fraction(1, 10))


def noisy(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(20, 230, (HEIGHT, WIDTH, 3), np.uint8)


def alpha_of(one: PastedFace) -> np.ndarray:
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    place = alpha_in_frame(one.patch, alpha.shape)
    assert place is not None
    alpha[place.rows, place.columns] = place.alpha
    return alpha


@pytest.fixture
def held(tmp_path: Path) -> "Hold":
    return Hold(tmp_path)


class Hold:
    """Writes an artist's frames."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, pictures: dict[int, np.ndarray], ignored: np.ndarray | None = None, track: int = 1) -> Held:
        faces = {}
        for index, rgb in pictures.items():
            path = self.folder / f"{index:06}-{track}.png"
            Image.fromarray(rgb).save(path)
            faces[index] = {track: HeldFrame(index=index, pair=PAIR, path=path, sha256=probe(path).sha256)}
        nothing = np.zeros((HEIGHT, WIDTH), bool)
        return Held(
            faces=faces, ignored=dict.fromkeys(pictures, nothing if ignored is None else ignored), check=lambda *_: None
        )

    def painted(self, pictures: dict[int, np.ndarray], one: PastedFace) -> list[Painted]:
        """Over one face, on grey."""
        held = self(pictures)
        return [painted_faces(frame(index), [one], held)[one.track] for index in sorted(pictures)]


def dotted(one: PastedFace, level: int = 200) -> np.ndarray:
    """Grey with a light dot on the face's cheek."""
    x, y = one.landmarks_xyz[CHEEK, :2]
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    dot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 3.0**2))[..., None]
    return np.asarray(np.rint(100 + (level - 100) * np.broadcast_to(dot, (HEIGHT, WIDTH, 3))), np.uint8)


def change(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(pixels.astype(float).mean(axis=2) - 100)


def test_a_held_frame_shows_exactly_what_was_painted_inside_the_face_and_nothing_of_it_outside(held: Hold) -> None:
    one, drawn, painted = face(), noisy(0), noisy(1)
    shown = show_painted(frame(FIRST, drawn), [one], held({FIRST: painted}))
    alpha = alpha_of(one)
    assert np.array_equal(shown[alpha >= WHOLE_FROM], painted[alpha >= WHOLE_FROM])
    assert np.array_equal(shown[alpha == 0], drawn[alpha == 0])
    assert (alpha >= WHOLE_FROM).sum() > 3000
    assert np.array_equal(drawn, noisy(0))


def test_an_approved_frame_changes_nothing_even_where_the_plate_is_deeper_than_the_picture(held: Hold) -> None:
    deep = np.random.default_rng(2).integers(0, 65535, (HEIGHT, WIDTH, 3), np.uint16)
    approved = held({FIRST: Frame(pixels=deep, index=0, pts=0, time_base=Fraction(1)).rgb})
    assert np.array_equal(show_painted(frame(FIRST, deep), [face()], approved), deep)
    (painted,) = painted_faces(frame(FIRST, deep), [face()], approved).values()
    assert not painted.rgb.any()


def test_what_lies_under_the_label_does_not_count(held: Hold) -> None:
    ignored = np.zeros((HEIGHT, WIDTH), bool)
    ignored[:, :150] = True
    shown = show_painted(frame(FIRST, noisy(0)), [face()], held({FIRST: noisy(1)}, ignored))
    assert np.array_equal(shown[ignored], noisy(0)[ignored])
    assert not np.array_equal(shown, noisy(0))


def test_a_halo_that_the_artist_saw_is_no_difference(held: Hold) -> None:
    lighter = np.asarray(noisy(0) // 2 + 100, np.uint8)
    nowhere = np.zeros((HEIGHT, WIDTH), bool)
    seen = replace(held({FIRST: lighter}), marked=lambda each: (replace(each, pixels=lighter), nowhere))
    assert np.array_equal(show_painted(frame(FIRST, noisy(0)), [face()], seen), noisy(0))


@pytest.mark.parametrize(
    "other",
    [mesh(170, 132), mesh(130, 110, 32), mesh(150, 120, 44, yaw_deg=12), mesh(160, 118, 40, yaw_deg=-35)],
    ids=["moved", "smaller", "turned", "turned back"],
)
def test_what_was_painted_follows_the_face(held: Hold, other: np.ndarray) -> None:
    painted = held.painted({FIRST: dotted(face())}, face())
    there = face(other, held_s=3600)
    moved = change(carry_painted(frame(FIRST + 1), [there], {1: painted}))
    y, x = np.unravel_index(moved.argmax(), moved.shape)
    assert np.hypot(*(np.array([x, y]) - there.landmarks_xyz[CHEEK, :2])) < 2
    assert 80 < moved.max() < 105
    assert not moved[alpha_of(there) == 0].any()


def test_what_turns_out_of_sight_does_not_lie_on_what_is_before_it(held: Hold) -> None:
    painted = held.painted({FIRST: dotted(face())}, face())
    turned = change(carry_painted(frame(FIRST + 1), [face(mesh(yaw_deg=60), held_s=3600)], {1: painted}))
    assert turned.max() < 30


def test_another_track_gets_nothing(held: Hold) -> None:
    painted = held.painted({FIRST: dotted(face())}, face())
    assert not change(carry_painted(frame(FIRST + 1), [face(track=2)], {1: painted})).any()


@pytest.mark.parametrize(
    ("index", "expected"),
    [(FIRST - 10, 0), (FIRST - 5, 0.5), (FIRST + 3, 0.7), (15, 0.5), (LAST - 1, 0.1), (LAST, 0), (LAST + 4, 0)],
)
def test_it_goes_evenly_to_the_next_held_frame_and_fades_outside(held: Hold, index: int, expected: float) -> None:
    """The second frame is approved as it was drawn."""
    painted = held.painted({FIRST: dotted(face()), LAST: frame(0).rgb}, face())
    whole = change(carry_painted(frame(FIRST), [face()], {1: painted})).max()
    shown = change(carry_painted(frame(index), [face()], {1: painted})).max()
    assert whole > 90
    assert shown / whole == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("held_s", "expected"), [(0.0, 0.0), (0.4, 0.0), (2.0, 0.75), (3600.0, 1.0)])
def test_how_long_it_lasts_is_a_setting(held: Hold, held_s: float, expected: float) -> None:
    painted = held.painted({FIRST: dotted(face())}, face())
    whole = change(carry_painted(frame(FIRST), [face(held_s=1)], {1: painted})).max()
    shown = change(carry_painted(frame(FIRST + 5), [face(held_s=held_s)], {1: painted})).max()
    assert shown / whole == pytest.approx(expected, abs=0.03)


def test_another_pair_s_face_is_not_held(held: Hold) -> None:
    other = replace(face(mesh(90)), track=2)
    shown = show_painted(frame(FIRST, noisy(0)), [face(mesh(220)), other], held({FIRST: noisy(1)}))
    beside = (alpha_of(other) > 0) & (alpha_of(face(mesh(220))) == 0)
    assert beside.any()
    assert np.array_equal(shown[beside], noisy(0)[beside])


def test_what_is_compared_is_what_would_be_shown(held: Hold) -> None:
    """Neither what is painted around the face, nor what lies under the label or a halo."""
    compared = []
    ignored = np.zeros((HEIGHT, WIDTH), bool)
    ignored[:, :150] = True
    holding = replace(
        held({FIRST: noisy(1)}, ignored), check=lambda one, drawn, shown, _: compared.append((one, drawn, shown))
    )
    painted_faces(frame(FIRST, noisy(0)), [face()], holding)
    ((one, drawn, shown),) = compared
    assert (one.index, one.pair) == (FIRST, PAIR)
    assert np.array_equal(drawn.pixels, noisy(0))
    assert np.array_equal(shown, show_painted(frame(FIRST, noisy(0)), [face()], holding))
    outside = (alpha_of(face()) == 0) | ignored
    assert np.array_equal(shown[outside], noisy(0)[outside])


def test_where_two_faces_overlap_what_was_painted_is_added_once(held: Hold) -> None:
    one, other = face(mesh(140)), face(mesh(175), track=2)
    inside = np.minimum(alpha_of(one), alpha_of(other)) >= WHOLE_FROM
    shown = show_painted(frame(FIRST, noisy(0)), [one, other], held_twice(held, noisy(1)))
    assert inside.sum() > 1000
    assert np.array_equal(shown[inside], noisy(1)[inside])
    carried = painted_faces(frame(FIRST), [one, other], held_twice(held, np.full((HEIGHT, WIDTH, 3), 140, np.uint8)))
    beside = change(carry_painted(frame(FIRST), [one, other], {track: [each] for track, each in carried.items()}))
    assert 30 < beside.max() < 50


def held_twice(held: Hold, picture: np.ndarray) -> Held:
    """One picture for both faces."""
    both = held({FIRST: picture})
    return replace(both, faces={FIRST: {1: both.faces[FIRST][1], 2: both.faces[FIRST][1]}})


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_beside_the_held_frame_paint_is_hidden_and_fades_with_the_face(held: Hold, share: float) -> None:
    painted = held.painted({FIRST: dotted(face())}, face())
    whole = change(carry_painted(frame(FIRST), [face()], {1: painted})).max()
    seen = np.full((SIZE, SIZE), share, np.float32)
    hidden = replace(face(), patch=replace(face().patch, alpha=face().patch.alpha * seen), seen=seen)
    shown = change(carry_painted(frame(FIRST), [hidden], {1: painted})).max()
    assert shown / whole == pytest.approx(share, abs=0.02)


def test_what_a_cover_hid_from_the_artist_does_not_count(held: Hold) -> None:
    covered = np.zeros((HEIGHT, WIDTH), bool)
    covered[:120] = True
    seen = replace(held({FIRST: noisy(1)}), marked=lambda each: (each, covered))
    shown = show_painted(frame(FIRST, noisy(0)), [face()], seen)
    assert np.array_equal(shown[:120], noisy(0)[:120])
    assert not np.array_equal(shown[120:], noisy(0)[120:])


def test_where_consent_took_the_picture_that_is_said(held: Hold) -> None:
    def ended() -> None:
        raise ConsentError("ended")

    holding = replace(held({FIRST: noisy(0)}), check_leave=ended)
    holding.faces[FIRST][1].path.unlink()
    with pytest.raises(ConsentError):
        show_painted(frame(FIRST), [face()], holding)


def test_the_facts_change_with_frame_and_picture(held: Hold) -> None:
    facts = [held(pictures).facts for pictures in ({1: noisy(0)}, {2: noisy(0)}, {1: noisy(1)}, {1: noisy(0)})]
    assert len(set(facts)) == 3
    assert facts[0] == facts[3]


def test_a_file_that_changes_meanwhile_is_noticed(held: Hold) -> None:
    holding = held({FIRST: noisy(0)})
    Image.fromarray(noisy(1)).save(holding.faces[FIRST][1].path)
    with pytest.raises(MediaError, match="changed while it was rendered"):
        show_painted(frame(FIRST), [face()], holding)


@pytest.fixture
def plate(tmp_path: Path) -> MediaInfo:
    return probe(write_video(tmp_path / "plate.mp4", [np.full((HEIGHT, WIDTH, 3), 90, np.uint8)] * 4))


@pytest.mark.parametrize(
    ("name", "index", "size_wh", "message"),
    [
        ("a.png", 4, (WIDTH, HEIGHT), r"held at frame 4, but plate\.mp4 has frames 0 to 3"),
        ("a.jpg", 1, (WIDTH, HEIGHT), r"expected a PNG of frame 1, got .*a\.jpg"),
        ("a.png", 1, (WIDTH // 2, HEIGHT), r"expected 320×240 pixels, .* but .*a\.png has 160×240"),
    ],
)
def test_what_is_no_frame_of_the_plate_is_refused(
    tmp_path: Path, plate: MediaInfo, name: str, index: int, size_wh: tuple[int, int], message: str
) -> None:
    Image.fromarray(noisy()).resize(size_wh).save(tmp_path / name)
    with pytest.raises(UsageError, match=message):
        read_held(tmp_path / name, index, plate, PAIR)


def test_deep_pictures_are_held_at_their_depth(tmp_path: Path, plate: MediaInfo) -> None:
    deep = to_16_bit(noisy()) + 31
    cv2.imwrite(str(tmp_path / "deep.png"), deep[..., ::-1])
    read = read_held(tmp_path / "deep.png", 0, plate, PAIR)
    holding = Held(faces={0: {1: read}}, ignored={0: np.zeros((HEIGHT, WIDTH), bool)}, check=lambda *_: None)
    shown = show_painted(frame(0, to_16_bit(noisy(1))), [face()], holding)
    inside = alpha_of(face()) >= WHOLE_FROM
    assert np.abs(shown[inside].astype(int) - deep[inside]).max() <= 1

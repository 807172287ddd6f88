import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from countenance.composite.kept import FaceStore, KeptFace, rounded, rounded_hidden
from countenance.composite.place import PlacedFace
from countenance.drawing import DrawnFace
from countenance.errors import ConsentError
from countenance.vision.light import Light
from tests.support.made_up import mesh_at

PLACED = [
    (3, PlacedFace(track=0, landmarks_xyz=mesh_at(64, 64))),
    (4, PlacedFace(track=1, landmarks_xyz=mesh_at(8, 9))),
]
PLENTY = 10**9


def drawn(seed: int = 0) -> list[KeptFace]:
    """Noise, the hardest to pack, one face with and one without a change of shape."""
    rng = np.random.default_rng(seed)

    def unit(*shape: int) -> np.ndarray:
        return rng.random(shape, np.float32)

    return [
        KeptFace(
            drawn=rounded(
                DrawnFace(
                    rgb=unit(32, 32, 3),
                    mask=unit(32, 32),
                    finished=bool(number),
                    shift=unit(16, 16, 2) - np.float32(0.5) if number else None,
                )
            ),
            hidden=rounded_hidden(unit(16, 16)),
            hidden_fraction=float(unit(1)[0]),
            light=Light(mean_lab=unit(3) * np.float32(60), gain=1.2345678901234567),
        )
        for number in range(2)
    ]


def assert_same(some: Sequence[KeptFace], others: Sequence[KeptFace]) -> None:
    """To the bit."""
    for one, other in zip(some, others, strict=True):
        for name in ("rgb", "mask", "shift"):
            assert np.array_equal(getattr(one.drawn, name), getattr(other.drawn, name)), name
        assert one.drawn.finished == other.drawn.finished
        assert np.array_equal(one.hidden, other.hidden)
        assert np.array_equal(one.light.mean_lab, other.light.mean_lab)
        assert (one.light.gain, one.hidden_fraction) == (other.light.gain, other.hidden_fraction)


def never() -> list[KeptFace]:
    raise AssertionError("drawn again")


def test_what_was_drawn_comes_back_to_the_bit(tmp_path: Path) -> None:
    faces = drawn()
    assert FaceStore(tmp_path / "kept", PLENTY).keep("scope", PLACED, lambda: faces) is faces
    assert_same(FaceStore(tmp_path / "kept", PLENTY).keep("scope", PLACED, never), faces)


def test_sixteen_bits_are_kept_in_any_case() -> None:
    values = np.linspace(-0.1, 1.1, 32 * 32 * 3, dtype=np.float32).reshape(32, 32, 3)
    face = rounded(DrawnFace(rgb=values, mask=values[..., 0]))
    assert np.abs(face.rgb - np.clip(values, 0, 1)).max() <= 0.5001 / 65535
    assert np.array_equal(rounded(face).rgb, face.rgb)


def test_another_plate_frame_track_or_mesh_is_drawn(tmp_path: Path) -> None:
    store = FaceStore(tmp_path / "kept", PLENTY)
    store.keep("scope", PLACED, drawn)
    (index, face), second = PLACED
    moved = PlacedFace(track=0, landmarks_xyz=face.landmarks_xyz + np.float32(0.01))
    others = [[(index + 1, face), second], [(index, PlacedFace(track=5, landmarks_xyz=face.landmarks_xyz)), second]]
    for scope, placed in (("other", PLACED), *(("scope", each) for each in (*others, [(index, moved), second]))):
        with pytest.raises(AssertionError, match="drawn again"):
            store.keep(scope, placed, never)


@pytest.mark.parametrize(
    "damaged",
    [
        lambda _: b"",
        lambda _: b"no zlib",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    ],
)
def test_a_damaged_file_is_drawn_anew(tmp_path: Path, damaged: Callable[[bytes], bytes]) -> None:
    store, faces = FaceStore(tmp_path / "kept", PLENTY), drawn()
    store.keep("scope", PLACED, lambda: faces)
    (path,) = (tmp_path / "kept").iterdir()
    content = path.read_bytes()
    path.write_bytes(damaged(content))
    assert store.keep("scope", PLACED, lambda: faces) is faces
    assert path.read_bytes() == content


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    store = FaceStore(folder, PLENTY)
    store.keep("0", PLACED, drawn)
    (size,) = (path.stat().st_size for path in folder.iterdir())
    for number in range(1, 6):
        store.keep(str(number), PLACED, drawn)
    for age, path in enumerate(sorted(folder.iterdir())):
        os.utime(path, (1000 + age, 1000 + age))
    store.keep("0", PLACED, never)
    newest = set(sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[-3:])
    small = FaceStore(folder, int(3.5 * size))
    assert set(folder.iterdir()) == newest
    small.keep("0", PLACED, never)
    for number in range(10, 20):
        small.keep(str(number), PLACED, drawn)
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 3.5 * size
    FaceStore(folder, 0).keep("20", PLACED, drawn)
    assert list(folder.iterdir()) == []


def test_it_is_private_and_goes_with_the_consent(tmp_path: Path) -> None:
    store = FaceStore(tmp_path / "kept", PLENTY)
    store.keep("scope", PLACED, drawn)
    (path,) = (tmp_path / "kept").iterdir()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with pytest.raises(ConsentError), store.while_consent_lasts():
        raise ConsentError("revoked")
    assert not path.parent.exists()
    # A thread that still draws leaves nothing behind.
    store.keep("scope", PLACED, drawn)
    assert not path.parent.exists()

import resource
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from countenance.bench.stacking import stack_faces
from countenance.types import AlignedFace
from countenance.vision.light import even_light

SIZE = 256


def made_up_face(number: int) -> AlignedFace:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    mask = (np.hypot(rows - SIZE / 2, columns - SIZE / 2) < SIZE / 3).astype(np.float32)
    rgb = np.random.default_rng(number).integers(60, 200, (SIZE, SIZE, 3), np.uint8)
    return AlignedFace(rgb=rgb, mask=mask, visible=mask, frame_to_crop=np.eye(2, 3, dtype=np.float32))


def test_faces_come_from_a_file_without_a_name(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def faces() -> Iterator[AlignedFace]:
        for number in range(3):
            yield made_up_face(number)
            seen.append([path.name for path in tmp_path.iterdir()])

    stacked = stack_faces(faces(), 64, tmp_path)
    assert stacked.shape == (3, 4, 128, 128)
    for number, found in enumerate(stacked.numpy()):
        face = made_up_face(number)
        even = cv2.resize(even_light(face.rgb, face.mask), (128, 128), interpolation=cv2.INTER_AREA)
        assert np.array_equal(found[:3], even.transpose(2, 0, 1))
        assert set(np.unique(found[3])) >= {0, 255}
    assert seen == [[], [], []]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's account of memory")
def test_memory_stays_flat_with_the_number_of_faces(tmp_path: Path) -> None:
    face = made_up_face(1)

    def memory_after(num_faces: int) -> float:
        stacked = stack_faces((face for _ in range(num_faces)), SIZE // 2, tmp_path)
        assert stacked[::7].float().mean() > 0
        assert stacked.nbytes == num_faces * 4 * SIZE**2
        return private_memory_mb()

    few = memory_after(8)
    assert memory_after(136) - few < 0.25 * 128 * 4 * SIZE**2 / 1e6


def test_a_full_disk_names_the_folder(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            stack_faces((made_up_face(number) for number in range(8)), 64, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def private_memory_mb() -> float:
    """Memory of this process that no file stands behind."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("RssAnon"))
    return int(kilobytes) / 1e3

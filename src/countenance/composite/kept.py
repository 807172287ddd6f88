"""Drawn faces that are kept in the project, so that a shot that is rendered again with other settings needs no net.

What is kept is what a drawer and the segmenter gave for one batch of a plate's faces, before any of a shot's settings.
Values are rounded to 16 bits in any case: a render is the same, to the bit, whether its faces were kept or not.

They show a likeness, so each pair of people has a folder of its own, which goes when consent does.
"""

import hashlib
import json
import os
import secrets
import shutil
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt16

from countenance.composite.place import PlacedFace
from countenance.drawing import DrawnFace
from countenance.errors import ConsentError
from countenance.project import Project, private_file, refuse_link
from countenance.vision.light import Light

ROOM = "drawn"
VERSION = 2
"""Increment when what is kept, or how, changes: what was kept before is drawn again."""
STEPS = 65535
LEFT_AFTER_CLEARING = 0.9
"""Of the limit, once the oldest were removed: so that not each new face looks for the oldest again."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KeptFace:
    """One face of one frame as it was drawn: all that the composite needs beside the frame."""

    drawn: DrawnFace
    hidden: Float32[np.ndarray, "L L"]
    """0–1, by something in front."""
    hidden_fraction: float
    light: Light


Placed = Sequence[tuple[int, PlacedFace]]
"""Faces of one batch, each with its frame's index."""
Keep = Callable[[Placed, Callable[[], list[KeptFace]]], list[KeptFace]]
"""Gives what was kept of a batch, or what the function draws."""


class FaceStore:
    """A private folder of drawn faces, of at most `max_bytes`; those that weren't used for longest go first.

    A face that can't be kept or read is drawn: nothing here ever stops a render. Threads may share a store.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._lock = threading.Lock()
        self._is_closed = False
        if max_bytes:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._num_bytes = self._clear()

    def keep(self, scope: str, placed: Placed, draw: Callable[[], list[KeptFace]]) -> list[KeptFace]:
        """The faces of a batch; `scope` stands for the plate, and for all that draws."""
        path = self._folder / _key(scope, placed)
        found = self._read(path)
        if found is None or len(found) != len(placed):
            found = draw()
            self._write(path, found)
        return found

    @contextmanager
    def while_consent_lasts(self) -> Iterator[None]:
        """Remove what is kept where consent ends inside."""
        try:
            yield
        except ConsentError:
            # Other threads may still draw a batch.
            with self._lock:
                self._is_closed = True
                shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def _read(self, path: Path) -> list[KeptFace] | None:
        try:
            content = path.read_bytes()
            os.utime(path)
            return _unpacked(content)
        except (OSError, ValueError, KeyError, TypeError, zlib.error):
            return None

    def _write(self, path: Path, faces: Sequence[KeptFace]) -> None:
        if not self._max_bytes:
            return
        content = _packed(faces)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        # On a full disk, or where the folder went with the consent, it just isn't kept.
        with suppress(OSError), self._lock:
            if self._is_closed:
                return
            try:
                with open(part, "xb", opener=private_file) as file:
                    file.write(content)
                part.replace(path)
            except OSError:
                part.unlink(missing_ok=True)
                raise
            self._num_bytes += len(content)
            if self._num_bytes > self._max_bytes:
                self._num_bytes = self._clear()

    def _clear(self) -> int:
        """Remove the oldest where there are too many; gives the bytes that stay."""
        files = []
        with suppress(OSError):
            for entry in os.scandir(self._folder):
                facts = entry.stat()
                files.append((facts.st_mtime_ns, facts.st_size, entry.path))
        num_bytes = sum(size for _, size, _ in files)
        if num_bytes <= self._max_bytes:
            return num_bytes
        for _, size, path in sorted(files):
            if num_bytes <= LEFT_AFTER_CLEARING * self._max_bytes:
                break
            Path(path).unlink(missing_ok=True)
            num_bytes -= size
        return num_bytes


def open_store(project: Project, people: Sequence[str], max_bytes: int) -> FaceStore:
    """The drawn faces of a likeness on a performer.

    Raises:
        UsageError: the project's folder for them is a link.
    """
    return FaceStore(project.room(ROOM).joinpath(*people), max_bytes)


def kept_pairs(project: Project) -> list[tuple[str, str]]:
    """The likenesses and performers of whom drawn faces are kept."""
    return sorted((path.parent.name, path.name) for path in (project.folder / ROOM).glob("*/*") if path.is_dir())


def kept_folder(project: Project, likeness: str, performer: str) -> Path:
    """Where the drawn faces of two people lie.

    Raises:
        UsageError: the project's folder for them is a link.
    """
    return refuse_link(project.folder / ROOM) / likeness / performer


def forget(project: Project, likeness: str, performer: str) -> None:
    """Remove the drawn faces of two people.

    Raises:
        UsageError: the project's folder for them is a link.
    """
    shutil.rmtree(kept_folder(project, likeness, performer), ignore_errors=True)


def rounded(face: DrawnFace) -> DrawnFace:
    """The face in the steps in which it is kept."""
    return DrawnFace(
        rgb=_from_steps(_in_steps(face.rgb)),
        mask=_from_steps(_in_steps(face.mask)),
        finished=face.finished,
        shift=None if face.shift is None else face.shift.astype(np.float16).astype(np.float32),
    )


def rounded_hidden(hidden: Float32[np.ndarray, "L L"]) -> Float32[np.ndarray, "L L"]:
    """The same for what is hidden."""
    return _from_steps(_in_steps(hidden))


def _key(scope: str, placed: Placed) -> str:
    digest = hashlib.sha256(f"{VERSION} {scope}".encode())
    for index, face in placed:
        digest.update(f"{index} {face.track} ".encode() + face.landmarks_xyz.tobytes())
    return digest.hexdigest()


def _packed(faces: Sequence[KeptFace]) -> bytes:
    facts, arrays = [], []
    for face in faces:
        own = [_in_steps(face.drawn.rgb), _in_steps(face.drawn.mask), _in_steps(face.hidden)]
        if face.drawn.shift is not None:
            own.append(face.drawn.shift.astype(np.float16).view(np.uint16))
        facts.append(
            {
                "shapes": [array.shape for array in own],
                "finished": face.drawn.finished,
                "hidden_fraction": face.hidden_fraction,
                "mean_lab": [float(value) for value in face.light.mean_lab],
                "gain": face.light.gain,
            }
        )
        arrays += own
    high, low = (b"".join(planes) for planes in zip(*(_in_planes(array) for array in arrays), strict=True))
    header = json.dumps([zlib.crc32(low), facts]).encode() + b"\n"
    # Noise has no words that repeat: runs and single bytes are all that is worth looking for, and in low bytes nothing.
    packer = zlib.compressobj(1, strategy=zlib.Z_RLE)
    return packer.compress(header + high) + packer.flush() + low


def _unpacked(content: bytes) -> list[KeptFace]:
    unpacker = zlib.decompressobj()
    header, _, high = unpacker.decompress(content).partition(b"\n")
    low = unpacker.unused_data
    checksum, all_facts = json.loads(header)
    if zlib.crc32(low) != checksum:
        raise ValueError("expected what was written")
    faces, at = [], 0
    for facts in all_facts:
        arrays = []
        for shape in facts["shapes"]:
            end = at + int(np.prod(shape))
            arrays.append(_from_planes(high[at:end], low[at:end], tuple(shape)))
            at = end
        rgb, mask, hidden, *shift = arrays
        faces.append(
            KeptFace(
                drawn=DrawnFace(
                    rgb=_from_steps(rgb),
                    mask=_from_steps(mask),
                    finished=bool(facts["finished"]),
                    shift=shift[0].view(np.float16).astype(np.float32) if shift else None,
                ),
                hidden=_from_steps(hidden),
                hidden_fraction=float(facts["hidden_fraction"]),
                light=Light(mean_lab=np.array(facts["mean_lab"], np.float32), gain=float(facts["gain"])),
            )
        )
    if not at == len(high) == len(low):
        raise ValueError("expected as many values as the shapes say")
    return faces


def _in_steps(values: Float32[np.ndarray, "..."]) -> UInt16[np.ndarray, "..."]:
    return np.asarray(np.rint(np.clip(values, 0, 1) * STEPS), np.uint16)


def _from_steps(steps: UInt16[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    return steps.astype(np.float32) / np.float32(STEPS)


def _in_planes(values: UInt16[np.ndarray, "..."]) -> tuple[bytes, bytes]:
    """How each differs from its left neighbour, high bytes and low ones."""
    change = values.copy()
    change[:, 1:] -= values[:, :-1]
    folded = (change << 1) ^ (change.view(np.int16) >> 15).view(np.uint16)
    return (folded >> 8).astype(np.uint8).tobytes(), folded.astype(np.uint8).tobytes()


def _from_planes(high_bytes: bytes, low_bytes: bytes, shape: tuple[int, ...]) -> UInt16[np.ndarray, "..."]:
    high, low = (np.frombuffer(each, np.uint8).reshape(shape).astype(np.uint16) for each in (high_bytes, low_bytes))
    folded = (high << 8) | low
    change = (folded >> 1) ^ (np.uint16(0) - (folded & 1))
    return np.cumsum(change, axis=1, dtype=np.uint16)

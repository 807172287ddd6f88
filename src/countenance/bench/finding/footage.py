"""Clips of synthetic actors with exact ground truth, one difficulty each: what `prepare` is measured on."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Bool

from countenance.actors.actor import draw_actor
from countenance.actors.cache import cache_folder
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure
from countenance.actors.footage import draw_portrait, png
from countenance.actors.performance import (
    FRAME_RATE,
)
from countenance.actors.render import RENDERING
from countenance.bench.finding.script import FRAME_WH, ClipSpec, write_script
from countenance.bench.finding.stage import OWNER, FaceTruth, Labels, draw_frames
from countenance.progress import Progress
from countenance.vision.parts import FACE_PARTS

VERSION = 2
"""Raised when the same plan gives other clips."""
CRF = 16
REFERENCE_PX = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Footage:
    """A clip with its ground truth, on disk."""

    spec: ClipSpec
    folder: Path

    @property
    def clip(self) -> Path:
        return self.folder / "clip.mp4"

    @property
    def reference(self) -> Path:
        """The person's portrait, for their release."""
        return self.folder / "reference.png"

    def owners(self, frame: int) -> Labels:
        """Whose each pixel of a frame is, and which part."""
        picture = cv2.imread(str(self.folder / "owners" / f"{frame:04}.png"), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        return np.asarray(picture, np.uint8)

    def faces(self) -> list[dict[int, FaceTruth]]:
        """The faces of each frame, by the number of the person."""
        frames: list[dict[int, FaceTruth]] = [{} for _ in range(self.spec.num_frames)]
        with np.load(self.folder / "faces.npz") as known:
            columns = [known[name] for name in ("frame", "who", *_COLUMNS)]
        for frame, who, points, seen, yaw, eyes, pixels in zip(*columns, strict=True):
            frames[frame][int(who)] = FaceTruth(
                landmarks_xy=points, is_seen=seen, yaw_deg=float(yaw), eyes_px=float(eyes), face_px=int(pixels)
            )
        return frames


_COLUMNS = ("landmarks_xy", "is_seen", "yaw_deg", "eyes_px", "face_px")


def is_face(owners: Labels, who: int) -> Bool[np.ndarray, "H W"]:
    """Where a person's face is seen."""
    return np.isin(owners, [(who + 1) * OWNER + part for part in FACE_PARTS])


def footage_of(spec: ClipSpec, progress: Progress) -> Footage:
    """The clip in the cache, rendered now if need be; made aside and renamed, so that what is there is whole."""
    facts = json.dumps([asdict(spec), VERSION, RENDERING], sort_keys=True)
    folder = cache_folder() / "bench" / "prepare" / f"{spec.name}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"
    if not folder.exists():
        aside = folder.with_name(f".{folder.name}")
        if aside.exists():
            shutil.rmtree(aside)
        (aside / "owners").mkdir(parents=True)
        portrait = draw_portrait(Caster(build_figure(draw_actor(spec.people[0]))), REFERENCE_PX)
        (aside / "reference.png").write_bytes(png(portrait))
        _write_footage(spec, aside, progress)
        aside.rename(folder)
    return Footage(spec=spec, folder=folder)


def _write_footage(spec: ClipSpec, folder: Path, progress: Progress) -> None:
    rows: list[tuple[int, int, FaceTruth]] = []
    drawn = draw_frames(spec, write_script(spec))
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options={"crf": str(CRF), "preset": "fast"})
        stream.width, stream.height = FRAME_WH
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        frames = progress.track(drawn, what=f"rendering {spec.name}", unit="frames", total=spec.num_frames)
        for index, frame in enumerate(frames):
            container.mux(stream.encode(VideoFrame.from_ndarray(frame.rgb, format="rgb24")))
            (folder / "owners" / f"{index:04}.png").write_bytes(png(frame.owners))
            rows += [(index, who, face) for who, face in frame.faces.items()]
        container.mux(stream.encode(None))
    np.savez(
        folder / "faces.npz",
        frame=np.array([index for index, _, _ in rows], np.int64),
        who=np.array([who for _, who, _ in rows], np.int64),
        **{name: np.array([getattr(face, name) for _, _, face in rows]) for name in _COLUMNS},  # type: ignore[arg-type]
    )

"""The paired corpus: the same performances by many people, which no film can record.

A folder holds `manifest.json`, from which all of it can be made again, and a strip of frames for every pair of a
performance and a person. Rendering can be stopped at any moment and goes on where it was.
"""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

import countenance
from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure
from countenance.actors.footage import png
from countenance.actors.performance import draw_performance
from countenance.actors.render import RENDERING, DrawFigure, RendererName, detail_of, opened_renderer, render_loaded
from countenance.actors.staging import draw_scene
from countenance.errors import ActorError, UsageError
from countenance.progress import Progress
from countenance.project import write_whole

MANIFEST_NAME = "manifest.json"
STRIP_QUALITY = 92
FIRST_PERSON, FIRST_PERFORMANCE = 10_000, 20_000
"""Far from the seeds of the benchmark's own cases, so that what learns from a corpus hasn't seen them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusSpec:
    """Contents of a corpus."""

    people: int = 120
    performances: int = 60
    frames: int = 8
    """Of each performance, a third of a second apart."""
    size: int = 160
    renderer: RendererName = "caster"

    @property
    def pairs(self) -> int:
        return self.people * self.performances


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusState:
    """Progress of a corpus."""

    pairs_done: int
    pairs: int
    frames_per_cpu_hour: float | None
    """Rendering speed of this call; None if nothing was left to do."""


def make_corpus(folder: Path, spec: CorpusSpec, *, progress: Progress, should_stop: Callable[[], bool]) -> CorpusState:
    """Render what is missing.

    Raises:
        UsageError: the folder holds another corpus.
        ActorError: packages or Blender are missing, or a render failed.
    """
    _begin(folder, spec)
    done = sum(1 for number in range(spec.people) for _ in _there(folder, spec, number))
    begun, rendered = time.process_time(), 0
    with opened_renderer(spec.renderer) as renderer:
        for number in progress.track(
            range(spec.people), what=f"corpus with {spec.renderer}", unit="people", total=spec.people
        ):
            there = set(_there(folder, spec, number))
            missing = [each for each in range(spec.performances) if each not in there]
            if not missing:
                continue
            caster = Caster(build_figure(draw_actor(FIRST_PERSON + number), detail_of(spec.renderer, spec.size)))
            renderer.load(caster.figure)
            for each in missing:
                if should_stop():
                    break
                _write_pair(folder, spec, number, each, caster, renderer)
                rendered += spec.frames
                done += 1
            if should_stop():
                break
        spent = time.process_time() - begun + renderer.cpu_s
    return CorpusState(
        pairs_done=done,
        pairs=spec.pairs,
        frames_per_cpu_hour=rendered / spent * 3600 if rendered else None,
    )


def _write_pair(
    folder: Path, spec: CorpusSpec, person: int, performance_number: int, caster: Caster, renderer: DrawFigure
) -> None:
    """A pair's strips: labels, mask, landmarks, and last the images, whose file marks the pair as complete."""
    seed, indexes = FIRST_PERFORMANCE + performance_number, frame_numbers(spec)
    performance, scene = draw_performance(seed, indexes[-1] + 1), draw_scene(seed, indexes[-1] + 1)
    frames = list(render_loaded(caster, performance, scene, renderer, size=spec.size, frames=indexes))
    masks = np.hstack([np.round(frame.face_mask * 255).astype(np.uint8) for frame in frames])
    points = np.stack([frame.landmarks_xy for frame in frames]).astype(np.float32)
    path = folder / f"{performance_number:04}"
    write_whole(path / f"{person:04}.labels.png", png(np.hstack([frame.labels for frame in frames])))
    write_whole(path / f"{person:04}.mask.png", png(masks))
    write_whole(path / f"{person:04}.landmarks.npy", _npy(points))
    write_whole(path / f"{person:04}.webp", _webp(np.hstack([frame.rgb for frame in frames]), STRIP_QUALITY))


def corpus_state(folder: Path) -> tuple[CorpusSpec, CorpusState]:
    """What a folder holds.

    Raises:
        ActorError: no corpus.
    """
    spec = read_spec(folder)
    done = sum(1 for number in range(spec.people) for _ in _there(folder, spec, number))
    return spec, CorpusState(pairs_done=done, pairs=spec.pairs, frames_per_cpu_hour=None)


def read_spec(folder: Path) -> CorpusSpec:
    """Contents that a folder's corpus was planned with.

    Raises:
        ActorError: there is no corpus, or none that can be read.
    """
    return CorpusSpec(**_read_manifest(folder)["spec"])


def frame_numbers(spec: CorpusSpec) -> list[int]:
    """The frames of each performance that are rendered."""
    return [8 * place for place in range(spec.frames)]


def pack_corpus(
    folder: Path, output: Path, *, size: int, quality: int, limit_mb: float, progress: Progress
) -> tuple[int, int]:
    """Pack a corpus into a zip file of strips with a size limit; returns the numbers of performances and people in it.

    As many performances as fit, each with all people that have it.

    Raises:
        ActorError: no corpus, or nothing fits.
    """
    spec = read_spec(folder)
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f".{output.name}")
    used, performances, people = 0, 0, 0
    with zipfile.ZipFile(part, "w", compression=zipfile.ZIP_STORED) as pack:
        manifest = _read_manifest(folder)
        for each in progress.track(
            range(spec.performances), what="packing", unit="performances", total=spec.performances
        ):
            strips = sorted((folder / f"{each:04}").glob("*.webp"))
            shrunk = []
            for path in strips:
                with Image.open(path) as strip:
                    width = size * spec.frames
                    smaller = strip.convert("RGB").resize((width, size), Image.Resampling.BOX)
                with Image.open(path.with_suffix(".mask.png")) as mask:
                    smaller_mask = mask.convert("L").resize((width, size), Image.Resampling.BOX)
                # Pixels' middles are whole numbers, so the picture's edge lies at −½.
                points = (np.load(path.with_suffix(".landmarks.npy")) + 0.5) * (size / spec.size) - 0.5
                name = f"{each:04}/{path.stem}"
                shrunk += [
                    (f"{name}.webp", _webp(np.asarray(smaller), quality)),
                    (f"{name}.mask.webp", _webp(np.asarray(smaller_mask), quality)),
                    (f"{name}.landmarks.npy", _npy(points.astype(np.float32))),
                ]
            weight = sum(len(data) + 200 for _, data in shrunk)
            if not shrunk or used + weight > limit_mb * 1e6:
                break
            for name, data in shrunk:
                pack.writestr(name, data)
            used, performances, people = used + weight, performances + 1, max(people, len(strips))
        kept = {"size": size, "quality": quality, "performances": performances, "people": people}
        pack.writestr(MANIFEST_NAME, json.dumps({**manifest, "pack": kept}, indent=1))
    if not performances:
        part.unlink()
        raise ActorError(f"no performance of {folder} fits into {limit_mb} MB; lower --quality or --size")
    part.rename(output)
    return performances, people


def read_strip(folder: Path, performance: int, person: int) -> UInt8[np.ndarray, "N S S 3"]:
    """The frames of a pair."""
    spec = read_spec(folder)
    with Image.open(folder / f"{performance:04}" / f"{person:04}.webp") as strip:
        rgb = np.asarray(strip.convert("RGB"), np.uint8)
    return np.stack(np.split(rgb, spec.frames, axis=1))


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_NAME
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        known = manifest["spec"].keys() == asdict(CorpusSpec()).keys() and "rendering" in manifest
    except OSError:
        raise ActorError(f"no corpus in {folder}; make one with `countenance actors corpus`") from None
    except (ValueError, KeyError, AttributeError, TypeError):
        known = False
    if not known:
        raise ActorError(f"{path} is no manifest that this version made; make the corpus again elsewhere")
    return manifest


def _begin(folder: Path, spec: CorpusSpec) -> None:
    path = folder / MANIFEST_NAME
    if path.exists():
        before = _read_manifest(folder)
        if before["spec"] != asdict(spec) or before["rendering"] != RENDERING:
            raise UsageError(f"{folder} holds another corpus, see {path}; choose another folder")
    else:
        facts = {
            "spec": asdict(spec),
            "countenance": countenance.__version__,
            "rendering": RENDERING,
            "people": [FIRST_PERSON + number for number in range(spec.people)],
            "performances": [FIRST_PERFORMANCE + each for each in range(spec.performances)],
            "scenes": [FIRST_PERFORMANCE + each for each in range(spec.performances)],
            "frames": frame_numbers(spec),
        }
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(facts, indent=1).encode())
    for each in range(spec.performances):
        (folder / f"{each:04}").mkdir(exist_ok=True)


def _there(folder: Path, spec: CorpusSpec, person: int) -> Iterator[int]:
    """Performances of a person that are rendered."""
    for each in range(spec.performances):
        if (folder / f"{each:04}" / f"{person:04}.webp").exists():
            yield each


def _webp(picture: np.ndarray, quality: int) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, format="WEBP", quality=quality, method=4)
    return data.getvalue()


def _npy(array: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()

"""How much each of the base's inputs contributes: inputs taken away one by one, and smaller face sets.

    python -m tools.base.variants --cases near-light,near-middle --output FOLDER

Nothing is trained: an input that is taken away is replaced by a neutral value, so a figure says what these weights make
of it, not what others could do that never had it. Leaves `variants.md`, `variants.json` and `faces.png`; results of the
same code and weights are kept.
"""

import argparse
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from countenance.bench.cases import ROLES, Case, CaseFiles, case_files, read_cases, shipped_cases
from countenance.bench.judge.measure import ClipMeasures, Judge, gains, measure_clip
from countenance.bench.production import opened_production, publish_swap, read_references, references_for
from countenance.bench.truth import code_digest
from countenance.bench.worker import make_case, masks_of
from countenance.demo.compare import pictures
from countenance.drawing import ReferenceFace, References, references_of
from countenance.model.guided.drawer import GuidedDrawer
from countenance.model.guided.inputs import Given, View
from countenance.model.guided.network import NUM_REFERENCES
from countenance.model.guided.sources import Sources, sources_of
from countenance.progress import Silent
from countenance.project import write_whole

GREY = 0.5
FRONTAL_DEG = 12.0
SHADE = 0.4
"""By how much one side of a face is darkened."""
FACES = (1, 3, 6, 12, 24)
SHOWN = {"identity": "identity", "unseen_identity": "identity, unseen net", "perceptual": "perceptual", "ssim": "SSIM"}
Faces = Callable[[Sequence[ReferenceFace]], Sequence[ReferenceFace]]
Parts = Callable[[dict[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One way to draw."""

    name: str
    faces: Faces = lambda faces: faces
    """Of the likeness."""
    parts: Parts = lambda parts: parts
    """What the generator is given."""
    sources: Callable[[Sources], Sources] = lambda sources: sources
    """What is known of both people."""


class VariantDrawer(GuidedDrawer):
    """The base with other inputs."""

    def __init__(self, likeness: References, performer: References, variant: Variant) -> None:
        super().__init__(variant.sources(sources_of(references_of(variant.faces(likeness.faces)), performer)))
        self._variant = variant
        self.digest = hashlib.sha256(f"{self.digest} {variant.name}".encode()).hexdigest()

    def _parts(self, given: Given, view: View) -> dict[str, Tensor]:
        return self._variant.parts(super()._parts(given, view))


def without_normals(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Both surfaces look straight ahead."""
    return parts | {name: torch.full_like(parts[name], GREY) for name in ("normal", "own normal")}


def without_references(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """References that nothing is seen of."""
    names = [f"{kind} {number + 1}" for kind in ("reference", "coverage") for number in range(NUM_REFERENCES)]
    return parts | {name: torch.zeros_like(parts[name]) for name in names}


def without_ratio(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Two equal atlases: the ratio image is the moved plate."""
    return parts | {"ratio": parts["moved"], "own atlas": parts["atlas"]}


def without_atlas(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """No atlas of either, so no ratio image."""
    zero, none = torch.zeros_like(parts["atlas"]), torch.zeros_like(parts["atlas confidence"])
    return parts | {"atlas": zero, "own atlas": zero, "atlas confidence": none, "ratio": parts["moved"]}


def without_move(sources: Sources) -> Sources:
    """The likeness's shape isn't taken on."""
    return replace(sources, likeness=replace(sources.likeness, shape=sources.performer.shape))


def spread(count: int) -> Faces:
    """So many faces, spread over the footage."""
    return lambda faces: [faces[place] for place in np.linspace(0, len(faces) - 1, count).round().astype(int)]


def frontal(faces: Sequence[ReferenceFace]) -> Sequence[ReferenceFace]:
    """Those that look ahead, three at least."""

    def turned_deg(face: ReferenceFace) -> float:
        return max(abs(angle) for angle in face.yaw_pitch_deg)

    ahead = sorted(faces, key=turned_deg)
    return ahead[: max(3, sum(turned_deg(face) < FRONTAL_DEG for face in ahead))]


def shaded(faces: Sequence[ReferenceFace]) -> Sequence[ReferenceFace]:
    """In light that falls from one side."""

    def dark(face: ReferenceFace) -> ReferenceFace:
        ramp = 1 - SHADE * np.linspace(1, 0, face.rgb.shape[1])[None, :, None]
        return replace(face, rgb=np.round(face.rgb * ramp).astype(np.uint8))

    return [dark(face) for face in faces]


VARIANTS = (
    Variant(name="everything"),
    Variant(name="without the likeness's shape", sources=without_move),
    Variant(name="without references", parts=without_references),
    Variant(name="without atlas and ratio image", parts=without_atlas),
    Variant(name="without the ratio image", parts=without_ratio),
    Variant(name="without normals", parts=without_normals),
    *(Variant(name=f"{count} faces" if count > 1 else "1 face", faces=spread(count)) for count in FACES[:-1]),
    Variant(name="frontal faces only", faces=frontal),
    Variant(name="faces lit from one side", faces=shaded),
)


def measured(files: CaseFiles, variant: Variant, judge: Judge, folder: Path) -> ClipMeasures:
    """What a variant makes of a case, whose project is in the folder."""
    production, video = folder / "production", folder / f"{variant.name}.mp4"
    with opened_production(production) as project:
        likeness, performer = (references_for(project, role) for role in ROLES)
        drawer = VariantDrawer(likeness, performer, variant)
        publish_swap(project, files.plate, drawer, video, Silent())
    references = read_references(production)
    return measure_clip(pictures(video), pictures(files.truth), masks_of(files), references, judge)


def gains_on(case: Case, judge: Judge, folder: Path) -> dict[str, dict[str, float | None]]:
    """Gains of all variants on a case, by their names."""
    code, kept = code_digest(), folder / "gains.json"
    make_case(case, folder / "production", code)
    before = json.loads(kept.read_text()) if kept.exists() else {}
    found: dict[str, dict[str, float | None]] = before.get("gains", {}) if before.get("code") == code else {}
    files = case_files(case, Silent())
    references = read_references(folder / "production")
    plate = measure_clip(pictures(files.plate), pictures(files.truth), masks_of(files), references, judge)
    for variant in VARIANTS:
        if variant.name not in found:
            found[variant.name] = asdict(gains(measured(files, variant, judge, folder), plate))
            write_whole(kept, json.dumps({"code": code, "gains": found}, indent=1).encode())
    return found


def means_of(cases: Sequence[Mapping[str, Mapping[str, float | None]]]) -> dict[str, dict[str, float]]:
    """Mean gains by variant, over the cases in which all variants have them; not a number where there is none."""
    names = [variant.name for variant in VARIANTS]

    def mean(name: str, key: str) -> float:
        values = [case[name][key] for case in cases if all(case[each][key] is not None for each in names)]
        return float(np.mean(np.asarray(values, float))) if values else math.nan

    return {name: {key: mean(name, key) for key in SHOWN} for name in names}


def table(means: Mapping[str, Mapping[str, float]]) -> str:
    """As Markdown."""
    lines = [f"| given | {' | '.join(SHOWN.values())} |", f"| --- |{' ---: |' * len(SHOWN)}"]
    lines += [f"| {name} | {' | '.join(f'{row[key]:+.2f}' for key in SHOWN)} |" for name, row in means.items()]
    return "\n".join(lines) + "\n"


def write_plot(path: Path, means: Mapping[str, Mapping[str, float]]) -> None:
    """Gains over the number of faces, with frontal and shaded ones beside them."""
    named = {count: f"{count} faces" if count > 1 else "1 face" for count in FACES[:-1]} | {FACES[-1]: "everything"}
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        axis = figure.subplots()
        for key, label in SHOWN.items():
            (line,) = axis.plot(range(len(FACES)), [means[named[count]][key] for count in FACES], "o-", label=label)
            for place, name in enumerate(("frontal faces only", "faces lit from one side"), len(FACES)):
                axis.plot(place, means[name][key], "D", color=line.get_color())
        axis.set_xticks(
            range(len(FACES) + 2), [*(str(count) for count in FACES), "frontal\nonly", "lit from\none side"]
        )
        axis.set_xlabel("faces of the likeness")
        axis.set_ylabel("gain")
        axis.grid(color="#e6e6e6", linewidth=0.7)
        axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        figure.savefig(path, dpi=130)


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="near-light,near-middle")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    known = {case.name: case for case in read_cases(shipped_cases("full"))}
    cases = [known[name] for name in options.cases.split(",")]
    judge = Judge()
    means = means_of([gains_on(case, judge, options.output / case.name) for case in cases])
    write_whole(options.output / "variants.json", json.dumps(means, indent=1).encode())
    write_whole(options.output / "variants.md", table(means).encode())
    write_plot(options.output / "faces.png", means)
    print(table(means))


if __name__ == "__main__":
    main()

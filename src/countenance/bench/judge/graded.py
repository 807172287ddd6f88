"""Check of the judge: frames that get worse step by step, and whether each measure orders them.

Every series starts at the ground truth and moves away from it in ten steps, in the face only. A measure needn't order
every series: blur, say, doesn't change who a person is. `MUST_ORDER` lists which it must.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from countenance.bench.judge.measure import (
    ClipMeasures,
    Judge,
    References,
    TruthLook,
    measure_frames,
    summarise,
)
from countenance.bench.judge.metrics import Mask, Rgb
from countenance.demo import data_folder
from countenance.demo.compare import pictures
from countenance.errors import FaceError, UsageError
from countenance.geometry import invert, warp
from countenance.vision.align import CROP_SIDE, frame_to_crop

NUM_STEPS = 10
MIN_RANK = 0.9
"""Rank correlation from which a measure orders a series; two neighbours of eleven changing places leave 0.99."""
MAX_BLUR, MAX_SHIFT = 0.04, 0.06
"""As a fraction of the face's width."""
FACE_WIDTH = 0.7
"""As a fraction of the aligned crop's side."""
MAX_LAB_SHIFT = np.array([-12, 8, 10], np.float32)
MAX_TILT_DEG = 15.0
MAX_IRIS_SHIFT, IRIS_REACH = 0.15, 0.3
"""How far an iris moves, and how far around it pixels follow (standard deviation), in widths of the eye."""
MAX_NOISE, MAX_UNSTEADINESS = 25.0, 0.25
MAX_SHADE = 0.4
"""By how much one side of the face is darkened and the other lightened."""
JPEG_QUALITIES = (95, 85, 75, 65, 50, 40, 30, 20, 12, 6)
FRAMES_LATER = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15)

SHOWN_INDEX = 42
COLOURS = (*(f"C{number}" for number in range(10)), "black")
TILE_PX, NAME_WIDTH_PX, CAPTION_HEIGHT_PX = 128, 130, 20

MUST_ORDER: Mapping[str, frozenset[str]] = {
    "ssim": frozenset({"plate", "other person", "blur", "shift", "tilt", "noise", "JPEG", "expression"}),
    "psnr_db": frozenset({"plate", "other person", "blur", "colour", "shift", "tilt", "noise", "JPEG", "expression"}),
    "perceptual": frozenset(
        {"plate", "other person", "blur", "colour", "shift", "tilt", "noise", "JPEG", "expression"}
    ),
    "unseen_perceptual": frozenset({"plate", "other person", "blur", "shift", "tilt", "noise", "JPEG", "expression"}),
    "likeness_distance": frozenset({"plate", "other person"}),
    "unseen_likeness_distance": frozenset({"plate", "other person"}),
    "performer_distance": frozenset({"plate"}),
    "unseen_performer_distance": frozenset({"plate"}),
    "landmarks_pct": frozenset({"plate", "other person", "shift", "tilt", "expression"}),
    "shape_pct": frozenset({"plate", "other person"}),
    "expression_pct": frozenset({"expression"}),
    "gaze_deg": frozenset({"gaze", "expression"}),
    "pose_deg": frozenset({"tilt"}),
    "colour_de": frozenset({"plate", "other person", "colour"}),
    "light": frozenset({"shade"}),
    "seam": frozenset({"colour", "shift"}),
    "flicker": frozenset({"unsteady", "noise"}),
    "sharpness": frozenset({"blur", "noise"}),
}
FALLS_WHEN_WORSE = {"ssim", "psnr_db", "performer_distance", "unseen_performer_distance"}
"""The untouched plate is nearest to the performer, so that this distance falls on the way there."""
NAMES = {
    "ssim": "SSIM",
    "psnr_db": "PSNR, dB",
    "perceptual": "perceptual distance",
    "unseen_perceptual": "perceptual distance, unseen net",
    "likeness_distance": "distance to the likeness",
    "unseen_likeness_distance": "distance to the likeness, unseen net",
    "performer_distance": "distance to the performer",
    "unseen_performer_distance": "distance to the performer, unseen net",
    "landmarks_pct": "landmarks, %",
    "shape_pct": "shape, %",
    "expression_pct": "expression, %",
    "gaze_deg": "gaze, °",
    "pose_deg": "head pose, °",
    "colour_de": "colour, ΔE2000",
    "light": "light, L*",
    "seam": "seam",
    "flicker": "flicker",
    "sharpness": "sharpness ratio",
}

MakeWorse = Callable[[int, int], Rgb]
"""From a frame's index and a step, 1–10, the frame at that step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GradedClip:
    """A short clip with its ground truth, held in memory."""

    plates: Sequence[Rgb]
    truths: Sequence[Rgb]
    masks: Sequence[Mask]
    strangers: Sequence[Rgb] | None
    """The ground truth for another likeness."""
    every: int = 1
    """Which frames are measured; the others serve as sources of wrong expressions."""

    @property
    def measured(self) -> range:
        """Indices of frames that have all the later ones that a wrong expression is taken from."""
        return range(0, len(self.truths) - FRAMES_LATER[-1], self.every)


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One kind of degradation."""

    name: str
    captions: tuple[str, ...]
    """One for each step."""
    make: MakeWorse


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a measure orders a series."""

    measure: str
    series: str
    rank: float
    """Spearman's, of step and measure, 1 when the measure gets worse with every step."""
    is_needed: bool

    @property
    def is_right(self) -> bool:
        return self.rank >= MIN_RANK


def make_series(clip: GradedClip, looks: Sequence[TruthLook], *, seed: int = 0) -> tuple[Series, ...]:
    """All series that the clip allows."""
    truths, masks = clip.truths, clip.masks
    face_px = float(np.mean([CROP_SIDE * look.face.pose.unit_px for look in looks])) * FACE_WIDTH

    def in_face(index: int, rgb: Float[np.ndarray, "H W 3"] | Rgb) -> Rgb:
        weight = masks[index][..., None]
        mixed = np.clip(rgb, 0, 255) * weight + truths[index] * (1 - weight)
        return np.asarray(np.round(mixed), np.uint8)

    def blended(others: Sequence[Rgb]) -> MakeWorse:
        return lambda index, step: in_face(
            index, truths[index] + (others[index].astype(np.float32) - truths[index]) * (step / NUM_STEPS)
        )

    def blurred(index: int, step: int) -> Rgb:
        return in_face(index, cv2.GaussianBlur(truths[index], (0, 0), MAX_BLUR * face_px * step / NUM_STEPS))

    def recoloured(index: int, step: int) -> Rgb:
        lab = cv2.cvtColor(truths[index].astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
        shifted = cv2.cvtColor(lab + MAX_LAB_SHIFT * np.float32(step / NUM_STEPS), cv2.COLOR_Lab2RGB)
        return in_face(index, shifted * 255)

    def moved(index: int, transform: Float[np.ndarray, "2 3"], picture: Rgb | None = None) -> Rgb:
        """With its own mask, on the truth: behind a face that moves its old border shows, as after a bad composite."""
        height, width = masks[index].shape
        return in_face(index, warp(truths[index] if picture is None else picture, transform, (width, height)))

    def shifted(index: int, step: int) -> Rgb:
        distance = MAX_SHIFT * face_px * step / NUM_STEPS
        return moved(index, np.array([[1, 0, 0.8 * distance], [0, 1, 0.6 * distance]]))

    def tilted(index: int, step: int) -> Rgb:
        x, y = (float(value) for value in looks[index].face.pose.centre_xy)
        return moved(index, cv2.getRotationMatrix2D((x, y), MAX_TILT_DEG * step / NUM_STEPS, 1))

    def looking_aside(index: int, step: int) -> Rgb:
        height, width = masks[index].shape
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        shift = np.zeros_like(x)
        for eye in looks[index].face.eyes:
            distance_squared = (x - eye.iris_xy[0]) ** 2 + (y - eye.iris_xy[1]) ** 2
            near = np.exp(-distance_squared / (2 * (IRIS_REACH * eye.width_px) ** 2))
            shift += np.float32(MAX_IRIS_SHIFT * step / NUM_STEPS * eye.width_px) * near
        return in_face(index, cv2.remap(truths[index], x - shift, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))

    def noisy(index: int, step: int) -> Rgb:
        noise = np.random.default_rng((seed, index)).normal(0, 1, truths[index].shape)
        return in_face(index, truths[index] + MAX_NOISE * step / NUM_STEPS * noise)

    def compressed(index: int, step: int) -> Rgb:
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITIES[step - 1]]
        _, stored = cv2.imencode(".jpg", cv2.cvtColor(truths[index], cv2.COLOR_RGB2BGR), quality)
        seen = np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR), np.uint8)
        return in_face(index, cv2.cvtColor(seen, cv2.COLOR_BGR2RGB))

    def late(index: int, step: int) -> Rgb:
        other = index + FRAMES_LATER[step - 1]
        size = 2 * max(masks[index].shape)
        to_crop, other_to_crop = (frame_to_crop(looks[i].face.pose, size) for i in (index, other))
        through = np.vstack([other_to_crop, [0, 0, 1]])
        return moved(index, (np.vstack([invert(to_crop), [0, 0, 1]]) @ through)[:2], truths[other])

    def shaded(index: int, step: int) -> Rgb:
        pose = looks[index].face.pose
        columns = np.arange(masks[index].shape[1], dtype=np.float32)
        side = np.clip((columns - float(pose.centre_xy[0])) / pose.unit_px, -1, 1)
        return in_face(index, truths[index] * (1 + MAX_SHADE * step / NUM_STEPS * side)[None, :, None])

    def unsteady(index: int, step: int) -> Rgb:
        change = np.random.default_rng((seed, index)).uniform(-1, 1)
        return in_face(index, truths[index] * (1 + MAX_UNSTEADINESS * step / NUM_STEPS * change))

    steps = np.arange(1, NUM_STEPS + 1) / NUM_STEPS

    def series(name: str, captions: Sequence[str], make: MakeWorse) -> Series:
        return Series(name=name, captions=tuple(captions), make=make)

    percent = [f"{step:.0%}" for step in steps]
    return (
        series("plate", percent, blended(clip.plates)),
        *([series("other person", percent, blended(clip.strangers))] if clip.strangers is not None else []),
        series("blur", [f"σ {MAX_BLUR * step:.1%}" for step in steps], blurred),
        series("colour", [f"ΔE {np.linalg.norm(MAX_LAB_SHIFT) * step:.0f}" for step in steps], recoloured),
        series("shade", [f"±{MAX_SHADE * step:.0%}" for step in steps], shaded),
        series("shift", [f"{MAX_SHIFT * step:.1%}" for step in steps], shifted),
        series("tilt", [f"{MAX_TILT_DEG * step:.1f}°" for step in steps], tilted),
        series("gaze", [f"{MAX_IRIS_SHIFT * step:.1%}" for step in steps], looking_aside),
        series("noise", [f"σ {MAX_NOISE * step:.1f}" for step in steps], noisy),
        series("JPEG", [f"quality {quality}" for quality in JPEG_QUALITIES], compressed),
        series("expression", [f"{frames} later" for frames in FRAMES_LATER], late),
        series("unsteady", [f"±{MAX_UNSTEADINESS * step:.1%}" for step in steps], unsteady),
    )


def look_at_clip(clip: GradedClip, judge: Judge) -> list[TruthLook]:
    """The truth's frames, as the judge sees them.

    Raises:
        FaceError: a frame without a face, or too few frames.
    """
    if not clip.measured:
        raise FaceError(f"expected more than {FRAMES_LATER[-1]} frames of the truth, got {len(clip.truths)}; give more")
    looks = []
    for index, (rgb, mask) in enumerate(zip(clip.truths, clip.masks, strict=True)):
        look = judge.look_at_truth(rgb, mask)
        if look is None:
            raise FaceError(
                f"no face is found in frame {index} of the truth; take a stretch with a face in every frame"
            )
        looks.append(look)
    return looks


def measure_series(
    series: Series, looks: Mapping[int, TruthLook], references: References, judge: Judge
) -> tuple[ClipMeasures, ...]:
    """The truth itself, then every step, on the frames whose looks are given, by index."""
    clips = [[look.rgb for look in looks.values()]]
    clips += [[series.make(index, step) for index in looks] for step in range(1, NUM_STEPS + 1)]
    return tuple(summarise(measure_frames(clip, looks.values(), references, judge)) for clip in clips)


def judge_series(measured: Mapping[str, Sequence[ClipMeasures]]) -> tuple[Verdict, ...]:
    """Every measure on every series."""
    return tuple(
        Verdict(measure=measure, series=name, rank=_rank(clips, measure), is_needed=name in needed)
        for measure, needed in MUST_ORDER.items()
        for name, clips in measured.items()
    )


def badness(measures: ClipMeasures, measure: str) -> float:
    """A figure with its sign chosen so that larger is worse."""
    value = getattr(measures, measure)
    if value is None:
        return float("nan")
    if measure == "sharpness":
        return abs(float(np.log2(max(value, 1e-6))))
    return -value if measure in FALLS_WHEN_WORSE else float(value)


def table_of(verdicts: Sequence[Verdict]) -> str:
    """Rank correlations as a Markdown table: bold where the measure must order the series, ✗ where it fails."""
    columns = list(dict.fromkeys(verdict.series for verdict in verdicts))
    lines = [f"| | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    for measure in MUST_ORDER:
        cells = {verdict.series: _cell(verdict) for verdict in verdicts if verdict.measure == measure}
        lines.append(f"| {NAMES[measure]} | {' | '.join(cells[column] for column in columns)} |")
    return "\n".join(lines) + "\n"


def write_graded(
    folder: Path, clip: GradedClip, references: References, judge: Judge, *, shown_index: int = 0
) -> tuple[Verdict, ...]:
    """Measure all series; leave `judge.png` (pictures), `judge_plot.png` (figures) and `judge_table.md` (ranks)."""
    looks = look_at_clip(clip, judge)
    all_series = make_series(clip, looks)
    chosen = {index: looks[index] for index in clip.measured}
    measured = {series.name: measure_series(series, chosen, references, judge) for series in all_series}
    verdicts = judge_series(measured)
    Image.fromarray(draw_sheet(all_series, looks, shown_index)).save(folder / "judge.png", optimize=True)
    draw_plot(folder / "judge_plot.png", measured)
    (folder / "judge_table.md").write_text(table_of(verdicts))
    return verdicts


def write_demo_graded(folder: Path, *, stranger: Path | None = None, every: int = 3) -> tuple[Verdict, ...]:
    """`write_graded` on the demo's performance: the pictures and figures of `docs/judge.md`.

    `stranger` is a folder with the ground truth for another likeness, which the package doesn't carry.
    """
    data, judge = data_folder(), Judge()
    plates = list(pictures(data / "performance.mp4"))
    strangers = None if stranger is None else list(pictures(stranger))
    if strangers is not None and [rgb.shape for rgb in strangers] != [rgb.shape for rgb in plates]:
        height, width = plates[0].shape[:2]
        raise UsageError(
            f"expected {len(plates)} PNG pictures of {width} × {height} in {stranger}, got {len(strangers)}; "
            "give the demo performance's ground truth for that likeness, frame by frame"
        )
    clip = GradedClip(
        plates=plates,
        truths=list(pictures(data / "truth_zuri")),
        masks=[rgb[..., 0].astype(np.float32) / 255 for rgb in pictures(data / "truth_zuri_mask")],
        strangers=strangers,
        every=every,
    )
    references = References(
        likeness=judge.mean_face(pictures(data / "zuri_training.mp4")),
        performer=judge.mean_face(pictures(data / "kofi_training.mp4")),
    )
    return write_graded(folder, clip, references, judge, shown_index=SHOWN_INDEX)


def draw_sheet(all_series: Sequence[Series], looks: Sequence[TruthLook], index: int) -> UInt8[np.ndarray, "H W 3"]:
    """One row a series, the truth first, then every step."""
    from matplotlib.font_manager import findfont  # noqa: PLC0415 - only of the extra `bench`

    row_height = TILE_PX + CAPTION_HEIGHT_PX
    sheet = Image.new("RGB", (NAME_WIDTH_PX + (NUM_STEPS + 1) * TILE_PX, len(all_series) * row_height), "white")
    draw = ImageDraw.Draw(sheet)
    # Pillow's own font has no Greek letters.
    name_font, caption_font = (ImageFont.truetype(findfont("DejaVu Sans"), size) for size in (16, 12))
    for row, series in enumerate(all_series):
        top = row * row_height
        draw.text((8, top + TILE_PX // 2), series.name, "black", font=name_font, anchor="lm")
        pictures = [looks[index].rgb, *(series.make(index, step) for step in range(1, NUM_STEPS + 1))]
        for column, (rgb, caption) in enumerate(zip(pictures, ("truth", *series.captions), strict=True)):
            left = NAME_WIDTH_PX + column * TILE_PX
            sheet.paste(Image.fromarray(_face_tile(rgb, looks[index])), (left, top))
            middle = (left + TILE_PX // 2, top + TILE_PX + CAPTION_HEIGHT_PX // 2)
            draw.text(middle, caption, "black", font=caption_font, anchor="mm")
    return np.asarray(sheet)


def draw_plot(path: Path, measured: Mapping[str, Sequence[ClipMeasures]]) -> None:
    """One panel a measure; series that it must order in colour, the others grey."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - only of the extra `bench`
    from matplotlib.figure import Figure  # noqa: PLC0415

    columns = 4
    figure = Figure(figsize=(16, 14), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(-(-len(MUST_ORDER) // columns), columns).ravel()
    for panel, (measure, needed) in zip(panels, MUST_ORDER.items(), strict=False):
        for number, (name, clips) in enumerate(measured.items()):
            values = [getattr(clip, measure) for clip in clips]
            figures = [np.nan if value is None else value for value in values]
            is_needed = name in needed
            panel.plot(
                range(NUM_STEPS + 1),
                figures,
                color=COLOURS[number] if is_needed else "#dddddd",
                linewidth=2 if is_needed else 1,
                zorder=2 if is_needed else 1,
            )
        panel.set_title(NAMES[measure])
        if measure == "sharpness":
            panel.set_yscale("log")
        panel.set_xlabel("step away from the truth")
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(MUST_ORDER) :]:
        panel.axis("off")
    lines = [panels[-1].plot([], [], color=colour, linewidth=2)[0] for colour in COLOURS[: len(measured)]]
    others = panels[-1].plot([], [], color="#dddddd")[0]
    panels[-1].legend([*lines, others], [*measured, "need not be ordered"], loc="center", frameon=False, fontsize=12)
    figure.savefig(path, dpi=80)


def _face_tile(rgb: Rgb, look: TruthLook) -> UInt8[np.ndarray, "S S 3"]:
    left, top, right, bottom = look.box_xyxy
    side = max(right - left, bottom - top)
    scale = TILE_PX / side
    x, y = (left + right - side) / 2, (top + bottom - side) / 2
    # Pixel centres lie at integers, so that edges are half a pixel off.
    shift = [-(x - 0.5) * scale - 0.5, -(y - 0.5) * scale - 0.5]
    return warp(rgb, np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]), (TILE_PX, TILE_PX))


def _rank(clips: Sequence[ClipMeasures], measure: str) -> float:
    values = np.array([badness(clip, measure) for clip in clips])
    if np.isnan(values).any() or np.ptp(values) < 1e-9:
        return 0.0
    # Equal figures share the mean of their ranks.
    ranks = (values[:, None] > values).sum(axis=1) + (values[:, None] == values).sum(axis=1) / 2
    return float(np.corrcoef(ranks, np.arange(len(clips)))[0, 1])


def _cell(verdict: Verdict) -> str:
    if not verdict.is_needed:
        return f"{verdict.rank:.2f}"
    return f"**{verdict.rank:.2f}**" + ("" if verdict.is_right else " ✗")

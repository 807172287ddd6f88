"""The detector's figures, on people whom it has never seen, and its card.

    python -m tools.detector.measure --trained FOLDER --output FOLDER

From training's own held-out people come the logistic curve, the limits between which nothing is said and how far is
unfamiliar; from the people for tests come all figures. Leaves `detector.safetensors` and `detector.json` as the package
keeps them, `curves.png`, `worst.png` and `tables.md`.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file, save_file
from scipy.optimize import minimize
from scipy.stats import rankdata

from countenance.forensics.detector import Familiar
from countenance.forensics.network import DetectorNet
from tools.detector.crops import WAYS, Crops, Way, crops_path, read_crops
from tools.detector.faces import evidence_of
from tools.detector.footage import Person, default_folder
from tools.detector.groups import is_held_out

SWAPS = ("base", "classical", "cloned")
BLENDS = ("self", "self again")
BLANK = ("faceswap-original", "deepfacelab-df")
"""After minutes of training these draw faces without features, which are easily seen: stated apart, counted nowhere."""
NAMES = {
    "base": "ours, the base",
    "classical": "classical, warped faces",
    "self": "blended onto itself",
    "self again": "blended onto itself, again",
    "cloned": "cloned, as in tutorials",
    "faceswap-original": "faceswap, rebuilt, never seen; faces without features",
    "deepfacelab-df": "DeepFaceLab DF, rebuilt, never seen; faces without features",
}
SMALLEST_PX = 70.0
FEWEST_LOOKS = 4
NUM_KEPT = 800
"""Familiar faces that stand for all."""
FAMILIAR = 0.97
"""Share of faces, of people who were held out, that lie within the limit."""
BINS = 10


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Clip:
    """One clip after one journey, judged face by face."""

    person: Person
    what: str
    way: Way
    evidence: np.ndarray
    looks: np.ndarray
    crops: Crops

    @property
    def mean(self) -> float:
        return float(self.evidence.mean())


def area_under_curve(untouched: Sequence[float], altered: Sequence[float]) -> float:
    """How likely an altered one scores higher than an untouched one; ties count half."""
    ranks = rankdata([*untouched, *altered])
    count = len(altered)
    above = ranks[len(untouched) :].sum() - count * (count + 1) / 2
    return float(above / (count * len(untouched)))


def equal_error(untouched: Sequence[float], altered: Sequence[float]) -> float:
    """Where as many altered ones are missed as untouched ones are flagged."""
    limits = np.unique([*untouched, *altered])
    missed = np.array([(np.array(altered) < limit).mean() for limit in limits])
    flagged = np.array([(np.array(untouched) >= limit).mean() for limit in limits])
    nearest = int(np.abs(missed - flagged).argmin())
    return float((missed[nearest] + flagged[nearest]) / 2)


def calibration_error(scores: Sequence[float], is_altered: Sequence[bool]) -> float:
    """Mean distance between what scores say and how often it is so, over bins of scores."""
    values, truths = np.array(scores), np.array(is_altered, float)
    places = np.minimum((values * BINS).astype(int), BINS - 1)
    parts = [
        (places == place).mean() * abs(values[places == place].mean() - truths[places == place].mean())
        for place in range(BINS)
        if (places == place).any()
    ]
    return float(sum(parts))


def judged(
    network: DetectorNet, folder: Path, people: Sequence[Person], whats: Sequence[str], every: int = 1
) -> list[Clip]:
    """All clips of some people that are there; with `every`, some of their faces."""
    clips = []
    for person in people:
        for what in whats:
            for way in WAYS:
                if not crops_path(folder, person.number, what, way).exists():
                    continue
                crops = read_crops(folder, person.number, what, way)
                if len(crops.frame) < FEWEST_LOOKS:
                    continue
                evidence, looks = evidence_of(network, crops, every)
                clips.append(Clip(person=person, what=what, way=way, evidence=evidence, looks=looks, crops=crops))
    return clips


def logistic(untouched: Sequence[float], altered: Sequence[float]) -> tuple[float, float]:
    """Scale and shift of the logistic curve that fits best, with both kinds weighing alike."""
    values = np.array([*untouched, *altered])
    truths = np.array([0] * len(untouched) + [1] * len(altered))
    weights = np.where(truths == 1, 0.5 / len(altered), 0.5 / len(untouched))

    def loss(guess: np.ndarray) -> float:
        logits = guess[0] * values + guess[1]
        return float((weights * (np.logaddexp(0, logits) - truths * logits)).sum() + 1e-4 * guess[0] ** 2)

    found = minimize(loss, np.array([1.0, 0.0])).x
    return float(found[0]), float(found[1])


def score_of(evidence: float, scale: float, shift: float) -> float:
    """0–1."""
    return float(1 / (1 + np.exp(-(scale * evidence + shift))))


def familiar_looks(faces: np.ndarray, held: np.ndarray) -> Familiar:
    """What is familiar: faces that stand for all, and the limit from others, of whom a few in a hundred lie beyond."""
    centre, spread = faces.mean(axis=0), faces.std(axis=0) + 1e-6
    chosen = np.random.default_rng(1).permutation(len(faces))[:NUM_KEPT]
    known = torch.from_numpy(((faces[chosen] - centre) / spread).astype(np.float32))
    middle, width = (torch.from_numpy(each.astype(np.float32)) for each in (centre, spread))
    bare = Familiar(centre=middle, spread=width, faces=known, limit=torch.ones(1))
    limit = torch.quantile(bare.distance(torch.from_numpy(held)), FAMILIAR)
    return replace(bare, limit=limit.reshape(1))


def figures(untouched: list[Clip], altered: list[Clip], limit: float) -> dict[str, Any]:
    """What is stated of one kind of alteration; `limit` is of the mean evidence."""
    real, fake = [clip.mean for clip in untouched], [clip.mean for clip in altered]
    faces, their = np.concatenate([clip.evidence for clip in untouched]), np.concatenate([c.evidence for c in altered])
    return {
        "clips": [len(untouched), len(altered)],
        "faces": [len(faces), len(their)],
        "video_auc": area_under_curve(real, fake),
        "frame_auc": area_under_curve(faces.tolist(), their.tolist()),
        "eer": equal_error(real, fake),
        "missed": float((np.array(fake) < limit).mean()),
        "false_alarms": float((np.array(real) >= limit).mean()),
    }


SPLITS: dict[str, Callable[[Clip], str]] = {
    "journey": lambda clip: clip.way,
    "sex": lambda clip: "female" if clip.person.actor.sex < 0.5 else "male",
    "skin": lambda clip: ("light", "middle", "dark")[min(2, int(3 * clip.person.actor.skin.tone))],
}


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trained", type=Path, required=True)
    parser.add_argument("--left-out", type=Path, help="another training, of which one of the swaps is left out")
    parser.add_argument("--crops", type=Path, default=default_folder().with_name("crops"))
    parser.add_argument("--output", type=Path, required=True)
    asked = parser.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    network = read_network(asked.trained)
    training = json.loads((asked.trained / "training.json").read_text())
    numbers = sorted({int(path.name[:5]) for path in asked.crops.glob("*_real_light.npz")})
    people = [Person(number=number) for number in numbers]
    held_out = [each for each in people if is_held_out(each)]
    for_tests = [each for each in people if each.is_for_tests]
    held = judged(network, asked.crops, held_out, ("real", *SWAPS, *BLENDS))
    tested = judged(network, asked.crops, for_tests, ("real", *SWAPS, *BLENDS, *BLANK))
    card = make_card(
        held, tested, training, never_seen(asked.left_out or asked.trained, asked.crops, held_out, for_tests)
    )
    learned = [each for each in people if not each.is_for_tests and not is_held_out(each)]
    known = judged(network, asked.crops, learned, ("real", "base"), every=8)
    tested_as = familiar_looks(*(np.concatenate([clip.looks for clip in clips]) for clips in (known, held)))
    state = {name: value.half() for name, value in network.state_dict().items()}
    for name in ("centre", "spread", "limit"):
        state[f"tested.{name}"] = getattr(tested_as, name)
    state["tested.faces"] = tested_as.faces.half()
    save_file({name: value.contiguous() for name, value in state.items()}, asked.output / "detector.safetensors")
    beyond = {
        "untouched": share_beyond(tested, tested_as, "real"),
        **{what: share_beyond(tested, tested_as, what) for what in SWAPS},
    }
    card["measured"]["beyond_the_limit"] = beyond
    (asked.output / "detector.json").write_text(json.dumps(rounded(card), indent=1))
    (asked.output / "tables.md").write_text(tables(card))
    draw_curves(asked.output / "curves.png", tested, card)
    draw_worst(asked.output / "worst.png", tested)
    print((asked.output / "tables.md").read_text())


def share_beyond(clips: Sequence[Clip], tested_as: Familiar, what: str) -> float | None:
    """Of the clips, those whose faces lie in the middle farther than the limit."""
    distances = [
        float(tested_as.distance(torch.from_numpy(clip.looks)).median()) for clip in clips if clip.what == what
    ]
    return float((np.array(distances) > 1).mean()) if distances else None


def read_network(folder: Path) -> DetectorNet:
    """What was trained."""
    network = DetectorNet().eval()
    network.load_state_dict(load_file(folder / "detector.safetensors"))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def limit_of(held: Sequence[Clip]) -> float:
    """Mean evidence that one untouched clip in a hundred reaches, by a normal curve: a hundredth of so few is none."""
    real = [clip.mean for clip in held if clip.what == "real"]
    return max(float(np.quantile(real, 0.99)), float(np.mean(real) + 2.33 * np.std(real)))


def never_seen(folder: Path, crops: Path, held_out: Sequence[Person], for_tests: Sequence[Person]) -> dict[str, Any]:
    """Figures of the swap that a training left out, by name."""
    network, learned = read_network(folder), json.loads((folder / "training.json").read_text())["methods"]
    (what,) = set(SWAPS) - set(learned)
    limit = limit_of(judged(network, crops, held_out, ("real",)))
    clips = judged(network, crops, for_tests, ("real", what))
    real, altered = ([clip for clip in clips if (clip.what == "real") == is_real] for is_real in (True, False))
    return {what: figures(real, altered, limit)}


def make_card(
    held: list[Clip], tested: list[Clip], training: dict[str, Any], left_out: dict[str, Any]
) -> dict[str, Any]:
    """Limits from those held out of training, figures from those for tests."""
    held_real = [clip.mean for clip in held if clip.what == "real"]
    scale, shift = logistic(held_real, [clip.mean for clip in held if clip.what in SWAPS])
    high = limit_of(held)
    low = float(np.quantile(held_real, 0.8))
    untouched = [clip for clip in tested if clip.what == "real"]
    by_what: dict[str, list[Clip]] = defaultdict(list)
    for clip in tested:
        by_what[clip.what].append(clip)
    methods = {what: figures(untouched, by_what[what], high) for what in NAMES if by_what[what]}
    swaps = [clip for what in SWAPS for clip in by_what[what]]
    splits: dict[str, dict[str, Any]] = {}
    for name, key in SPLITS.items():
        splits[name] = {
            part: figures(
                [clip for clip in untouched if key(clip) == part],
                [clip for clip in swaps if key(clip) == part],
                high,
            )
            for part in sorted({key(clip) for clip in untouched})
            if any(key(clip) == part for clip in swaps)
        }
    overall = figures(untouched, swaps, high)
    scores = [score_of(clip.mean, scale, shift) for clip in (*untouched, *swaps)]
    overall["calibration_error"] = calibration_error(scores, [False] * len(untouched) + [True] * len(swaps))
    num_people = len({clip.person.number for clip in tested})
    return {
        "use": {
            "scale": scale,
            "shift": shift,
            "limit": score_of(high, scale, shift),
            "lower_limit": score_of(low, scale, shift),
            "smallest_px": SMALLEST_PX,
            "fewest_looks": FEWEST_LOOKS,
            "missed_of_100": 100 * overall["missed"],
            "flagged_of_100": 100 * overall["false_alarms"],
            "num_untouched": len(untouched),
            "never_seen_missed_of_100": 100 * next(iter(left_out.values()))["missed"],
            "tested_on": f"{len(untouched)} untouched and {len(swaps)} altered clips of {num_people} rendered people",
        },
        "training": training,
        "measured": {"swaps": overall, "methods": methods, "left_out": left_out, "splits": splits},
    }


def rounded(value: Any) -> Any:
    """Numbers of a document to five digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value


def tables(card: dict[str, Any]) -> str:
    """The figures as the documentation shows them."""
    head = "| | clips, untouched + altered | faces | video AUC | frame AUC | EER | missed | false alarms |\n"
    head += "| --- | --- | --- | --- | --- | --- | --- | --- |\n"

    def row(name: str, each: dict[str, Any]) -> str:
        return (
            f"| {name} | {each['clips'][0]} + {each['clips'][1]} | {sum(each['faces']):,} | {each['video_auc']:.3f} | "
            f"{each['frame_auc']:.3f} | {each['eer']:.1%} | {each['missed']:.1%} | {each['false_alarms']:.1%} |\n"
        )

    measured = card["measured"]
    text = "Methods:\n\n" + head
    for what, each in measured["methods"].items():
        text += row(NAMES[what], each)
    text += row("**the three swaps**", measured["swaps"])
    for what, each in measured["left_out"].items():
        text += row(f"**{NAMES[what]}, by a detector that never learned it**", each)
    for name, parts in measured["splits"].items():
        text += f"\nBy {name}, the three swaps:\n\n{head}" + "".join(row(part, each) for part, each in parts.items())
    text += f"\nCalibration error {measured['swaps']['calibration_error']:.3f}\n"
    text += f"Beyond the limit of what is familiar: {json.dumps(rounded(measured['beyond_the_limit']))}\n"
    return text + f"Use: {json.dumps(rounded(card['use']))}\n"


def draw_curves(path: Path, tested: Sequence[Clip], card: dict[str, Any]) -> None:
    """Receiver curves of each method, and how far scores can be believed."""
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(10, 4.2), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    real = np.array([clip.mean for clip in tested if clip.what == "real"])
    for what in (*SWAPS, *BLENDS):
        fake = np.array([clip.mean for clip in tested if clip.what == what])
        if not len(fake):
            continue
        limits = np.sort(np.concatenate([real, fake, [np.inf, -np.inf]]))[::-1]
        left.plot(
            [(real >= limit).mean() for limit in limits],
            [(fake >= limit).mean() for limit in limits],
            "-" if what in SWAPS else ":",
            label=NAMES[what],
        )
    left.set(xlabel="untouched clips flagged", ylabel="altered clips noticed", xlim=(0, 0.3), ylim=(0.4, 1.005))
    left.legend(loc="lower right", frameon=False)
    scores = [
        (score_of(clip.mean, card["use"]["scale"], card["use"]["shift"]), clip.what != "real")
        for clip in tested
        if clip.what in ("real", *SWAPS)
    ]
    bins = np.linspace(0, 1, BINS + 1)
    right.hist([s for s, altered in scores if not altered], bins, alpha=0.7, label="untouched")
    right.hist([s for s, altered in scores if altered], bins, alpha=0.5, label="with another face")
    for limit in (card["use"]["lower_limit"], card["use"]["limit"]):
        right.axvline(limit, color="black", linewidth=0.8)
    right.set(xlabel="mean score of a clip; between the lines nothing is said", ylabel="clips")
    right.legend(frameon=False)
    figure.savefig(path)


def draw_worst(path: Path, tested: Sequence[Clip], count: int = 6, faces: int = 4) -> None:
    """Untouched clips that look most altered, and altered ones that look least so."""
    untouched = sorted((clip for clip in tested if clip.what == "real"), key=lambda clip: -clip.mean)[:count]
    altered = sorted((clip for clip in tested if clip.what in SWAPS), key=lambda clip: clip.mean)[:count]
    rows = []
    for clips in (untouched, altered):
        for clip in clips:
            places = np.linspace(0, len(clip.crops.frame) - 1, faces).astype(int)
            rows.append(np.hstack([clip.crops.rgb[place] for place in places]))
    half = np.vstack(rows[: len(untouched)]), np.vstack(rows[len(untouched) :])
    gap = np.full((len(half[0]), 24, 3), 255, np.uint8)
    cv2.imwrite(str(path), np.hstack([half[0], gap, half[1]])[..., ::-1])


if __name__ == "__main__":
    _main()

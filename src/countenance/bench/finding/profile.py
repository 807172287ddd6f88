"""Where `prepare` spends its time on one thread, from Python's own profiler."""

import cProfile
import pstats
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from countenance.faces.config import PrepareConfig
from countenance.faces.look import Looker
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.vision.identity import Embedding, Recogniser
from countenance.vision.segment import Segmenter

FUNCTIONS: Mapping[str, Sequence[tuple[str, str]]] = {
    "decoding, and colours to RGB": [("media/reader.py", "read_frames")],
    "detecting new faces in whole frames": [("vision/detect.py", "__call__")],
    "the mesh": [("vision/landmarks.py", "_lay")],
    "cutting and measuring": [("faces/look.py", "_see")],
    "near duplicates, most informative faces": [("faces/look.py", "_add")],
    "recognising": [("vision/identity.py", "embed")],
    "masks": [("vision/segment.py", "__call__"), ("vision/segment.py", "choose_mask")],
    "encoding crops": [("vision/crops.py", "encode_crop"), ("vision/crops.py", "encode_mask")],
}
"""What is done, and the functions that do it; none of them calls another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a part of the work costs on average."""

    what: str
    ms: float
    """Of processor time, for a frame of the clip."""


def profile(clip: Path, template: Embedding) -> list[Cost]:
    """All but the writing into the database."""
    info, looker, profiler = probe(clip), Looker(Recogniser(), Segmenter()), cProfile.Profile(time.process_time)
    begun = time.process_time()
    profiler.runcall(looker, read_frames(info), (0,), template, PrepareConfig())
    total_s = time.process_time() - begun
    spent_s: dict[tuple[str, str], float] = {}
    for (path, _, name), (_, _, _, cumulative_s, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        key = ("/".join(Path(path).parts[-2:]), name)
        spent_s[key] = spent_s.get(key, 0.0) + cumulative_s
    parts = {what: sum(spent_s[function] for function in functions) for what, functions in FUNCTIONS.items()}
    parts["the rest"] = total_s - sum(parts.values())
    return [Cost(what=what, ms=1000 * seconds / info.num_frames) for what, seconds in parts.items()]

"""Stills of the people whom the detector learns from, untouched and altered.

    python -m tools.detector.stills

A person's stills are of five shots more, in other light and from other places than the clip, and were rendered anyway,
for swaps to take a face from. Each is filmed by a camera of its own, blended onto itself twice, given another one's
face, and handed on in one way. It goes on where it was, with whoever was rendered meanwhile.
"""

import argparse
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from countenance.capture.film import film_image
from countenance.capture.presets import draw_capture
from countenance.vision.landmarks import FaceFinder
from tools.detector.crops import WAYS, crops_of, crops_path, journey_by, travelled
from tools.detector.footage import SPAN, Frames, Person, default_folder, read_footage, rendered
from tools.detector.groups import is_held_out
from tools.detector.selfblend import SourceFace, self_blended, self_warped
from tools.detector.swaps import SHARE_FILMED, source_faces, write_frames

METHODS = ("self", "self again", "warped")
Rgb = UInt8[np.ndarray, "S S 3"]


def altered_stills(person: Person, stills: Frames, find: FaceFinder) -> dict[str, tuple[list[Rgb], list[int]]]:
    """Crops of each still that shows one face, and which still each is, by what was done to it."""
    sources = source_faces(stills, find)
    found: dict[str, tuple[list[Rgb], list[int]]] = {what: ([], []) for what in ("real", *METHODS)}
    for number, rgb in enumerate(stills):
        seed = 100 * person.seed + number
        rng = np.random.default_rng([seed, 97])
        filmed = film_image(rgb, draw_capture(seed)) if rng.random() < SHARE_FILMED else rgb
        faces = source_faces(filmed[None], find)
        others = [source for source in sources if source.rgb is not rgb and not np.array_equal(source.rgb, rgb)]
        if not faces or not others:
            continue
        journey = journey_by(rng, WAYS[rng.integers(len(WAYS))])
        for what, (crops, numbers) in found.items():
            done = travelled(_altered(what, filmed, faces[0], others, seed), journey, seed)
            mesh = faces[0].mesh[None]
            crops.append(crops_of(done, mesh, done.shape[1] / len(filmed), seed).rgb[0])
            numbers.append(number)
    return found


def _altered(what: str, rgb: Rgb, face: SourceFace, others: list[SourceFace], seed: int) -> Frames:
    if what == "real":
        return rgb[None]
    if what == "warped":
        return self_warped(rgb[None], [face.mesh], others, seed)
    return self_blended(rgb[None], [face.mesh], seed + 50 * METHODS.index(what))


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--footage", type=Path, default=default_folder())
    parser.add_argument("--output", type=Path, default=default_folder().with_name("crops"))
    asked = parser.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    find = FaceFinder()
    for person in rendered(asked.footage):
        if person.is_for_tests or is_held_out(person):
            continue
        # The untouched ones are written last, and stand for all.
        if crops_path(asked.output, person.number, "real", "still").exists():
            continue
        found = altered_stills(person, read_footage(asked.footage, person.number).stills, find)
        for what, (crops, numbers) in reversed(found.items()):
            if crops:
                path = crops_path(asked.output, person.number, what, "still")
                # As if each still were the first frame of a span: none follows another.
                write_frames(path, rgb=np.stack(crops), frame=SPAN * np.array(numbers))
        print(person.number, flush=True)


if __name__ == "__main__":
    _main()

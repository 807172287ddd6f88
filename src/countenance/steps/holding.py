"""What an artist may paint in a frame that a render holds to: the drawn face, and nothing else.

A painting can't bring another face in: the recogniser compares the drawn frame with what would be shown, which is the
painting inside the drawn face's mask. What lies under the label, a sentence or a cover doesn't count.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
from jaxtyping import Bool

from countenance.composite.blend import PastedFace
from countenance.composite.disguise import draw_sentence
from countenance.composite.held import Held, HeldFaces, HeldFrame
from countenance.consent.register import templates
from countenance.errors import ProvenanceError, UsageError
from countenance.pixels import Pixels, to_8_bit
from countenance.project import Project
from countenance.provenance.label import FIRST_CHOICE, draw_label
from countenance.types import Corner, Frame, LabelledShot, MediaInfo
from countenance.vision.identity import Recogniser, cut_chip, embed

MAX_PAINTED_DISTANCE = 0.35
"""By the recogniser, between a drawn face and an artist's painting of it. Of different people the means over many
frames lie at least 0.36 apart; single frames may lie nearer."""
MAX_NEARER = 0.03
"""By so much at most a painting may lie nearer than the drawn face to the performer, or to anybody else of the project
but the likeness. On two synthetic actors a scar, a line, brows, other light and sharpness bring it nearer by 0.004 at
most, a quarter of the performer's own face by 0.037."""


def holding(
    project: Project,
    faces: HeldFaces,
    plate: MediaInfo,
    sentence: str,
    labelled: Sequence[LabelledShot],
    check_leave: Callable[[], None],
) -> Held | None:
    """The faces to which a render holds; `sentence` is written into frames as well, and a label in `labelled` shots.

    Raises:
        ConsentError: what the project has stored of a person's face wasn't made from their release.
    """
    if not faces:
        return None
    recogniser, people = Recogniser(), templates(project)

    def check(held: HeldFrame, drawn: Frame, shown: Pixels, face: PastedFace) -> None:
        chips = [cut_chip(rgb, face.landmarks_xyz[:, :2]) for rgb in (drawn.rgb, to_8_bit(shown))]
        one, other = embed(recogniser, chips)
        distance = float(np.linalg.norm(one - other))
        if distance > MAX_PAINTED_DISTANCE:
            raise _refused(held, f"they lie {distance:.2f} apart, up to {MAX_PAINTED_DISTANCE:g} counts as retouched")
        likeness, _ = held.pair
        for name in sorted(people.keys() - {likeness}):
            nearer = float(np.linalg.norm(one - people[name]) - np.linalg.norm(other - people[name]))
            if nearer > MAX_NEARER:
                raise _refused(held, f"it lies {nearer:.2f} nearer to {name}, up to {MAX_NEARER:g} counts as retouched")

    corners = {_corner_at(index, labelled) for index in faces}
    marked = {corner: _marked_pixels(plate.resolution_wh, sentence, corner) for corner in corners}
    return Held(
        faces=faces,
        ignored={index: marked[_corner_at(index, labelled)] for index in faces},
        check=check,
        check_leave=check_leave,
    )


def _refused(held: HeldFrame, why: str) -> UsageError:
    return UsageError(
        f"the face in {held.path} isn't the one that was drawn in frame {held.index}: {why}; a held frame can't bring "
        "another face, so paint less, or delete the file",
        code="usage.held",
        path=held.path,
    )


def _corner_at(index: int, labelled: Sequence[LabelledShot]) -> Corner:
    return next((shot.corner for shot in labelled if index in shot.frames), FIRST_CHOICE)


def _marked_pixels(size_wh: tuple[int, int], sentence: str, corner: Corner) -> Bool[np.ndarray, "H W"]:
    """Where the label, or a sentence, lies in a frame."""
    width, height = size_wh
    marked = np.zeros((height, width), bool)
    for level in (0, 255):
        plain = np.full((height, width, 3), level, np.uint8)
        with suppress(ProvenanceError):
            marked |= (draw_label(plain, corner) != plain).any(axis=2)
        if sentence:
            marked |= (draw_sentence(plain, sentence) != plain).any(axis=2)
    return marked

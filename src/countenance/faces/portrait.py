"""The template of a person: what the reference pictures of their release say of their face."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from countenance.errors import FaceError
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.vision.identity import Embedding, Recogniser, cut_chip, embed
from countenance.vision.landmarks import FaceFinder


def template_of(pictures: Sequence[Path]) -> Embedding:
    """The mean embedding of reference pictures, each with exactly one face.

    Raises:
        FaceError: a picture without a face, or with several.
    """
    find_faces, chips = FaceFinder(), []
    for path in pictures:
        for frame in read_frames(probe(path)):
            faces = find_faces(frame.rgb)
            if len(faces) != 1:
                raise FaceError(
                    f"expected exactly one face in the reference picture {path}, found {len(faces)}; "
                    "take one that shows only this person, from the front, at least 100 pixels wide"
                )
            chips.append(cut_chip(frame.rgb, faces[0].landmarks_xyz[:, :2]))
    return np.asarray(embed(Recogniser(), chips).mean(axis=0))

"""The exhibits of a lesson, and what may be said of each when all were guessed.

Nothing here makes a file in which a face is replaced: that is the published one, which comes through the only door. The
copies of it keep its visible label and its watermark in every picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from countenance.demo import data_folder
from countenance.demo.compare import pictures
from countenance.demo.journey import encoded_again, without_credentials
from countenance.demo.run import LIKENESS, PLATE
from countenance.errors import MediaError
from countenance.media.boxes import C2PA_UUID, boxes_in
from countenance.media.probe import probe

TRUTH = f"truth_{LIKENESS}"
OTHER_FOOTAGE = "mira_training.mp4"
TRUTH_CRF = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of exhibit, and its answer. Words in braces are names of kinds, for which their numbers are put in."""

    name: str
    is_altered: str
    """The answer to the question whether it was altered, in a few words."""
    what: str
    tells: str
    unknown: str
    """What nobody can know from this file."""
    make: Callable[[Path, Path], None]
    """From the published file and the exhibit's path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exhibit:
    """One clip of the exhibition, under a number that says nothing."""

    number: int
    kind: Kind
    path: Path


def _as_published(published: Path, exhibit: Path) -> None:
    exhibit.write_bytes(published.read_bytes())


def _plate(_: Path, exhibit: Path) -> None:
    exhibit.write_bytes((data_folder() / PLATE).read_bytes())


def _untouched(_: Path, exhibit: Path) -> None:
    exhibit.write_bytes((data_folder() / f"{LIKENESS}_training.mp4").read_bytes())


def _transplanted(published: Path, exhibit: Path) -> None:
    """Other footage, to which the published file's credentials are added."""
    exhibit.write_bytes((data_folder() / OTHER_FOOTAGE).read_bytes() + credentials_of(published))


def _rendered(_: Path, exhibit: Path) -> None:
    """The ground truth's pictures as a clip: rendered with that face, so nothing in it was replaced."""
    plate = probe(data_folder() / PLATE)
    with av.open(exhibit, "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=plate.frame_rate, options={"crf": str(TRUTH_CRF), "preset": "medium"}
        )
        stream.width, stream.height = plate.resolution_wh
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for rgb in pictures(data_folder() / TRUTH):
            container.mux(stream.encode(VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")))
        container.mux(stream.encode(None))


KINDS: Sequence[Kind] = (
    Kind(
        name="plate",
        is_altered="No",
        what="The performance as it was before anything was done to it. The film trade calls it the plate. "
        "Exhibits {result}, {stripped} and {re-encoded} were made from it.",
        tells="Nothing that can be checked. It has no credentials and no watermark, like most files in the world. "
        "Only the comparison with exhibit {result}, the same movements with another face, shows that one of "
        "the two was made from the other, and the credentials of {result} say which.",
        unknown="Whether it is untouched. That nothing was found is no proof: nothing was found in exhibit {truth} "
        "either.",
        make=_plate,
    ),
    Kind(
        name="result",
        is_altered="Yes",
        what="The plate (exhibit {plate}) with another person's face, made and published by Countenance under signed "
        "releases of both people.",
        tells="Three things that agree: the words in the picture; credentials, which say what was done and by which "
        "program, and hold, so that not one bit of picture or sound was changed since; and an invisible watermark with "
        "the number that the credentials name.",
        unknown="Who the signer is as a person. This computer knows its own signature; on another computer the "
        "same file has an unknown signer, and anybody can make a certificate. Nor do credentials say that what a "
        "picture shows has happened.",
        make=_as_published,
    ),
    Kind(
        name="truth",
        is_altered="Neither yes nor no",
        what="The same performance rendered anew with the other face from the start. No face was replaced, and yet "
        "nobody ever performed it so. Countenance ships it to measure how near the result comes.",
        tells="Nothing that can be checked. Whoever asks only whether a picture was altered finds nothing in one that "
        "was made whole.",
        unknown="That it was made by a computer. From the file alone nobody can be sure; only its source can say.",
        make=_rendered,
    ),
    Kind(
        name="stripped",
        is_altered="Yes",
        what="Exhibit {result} without its credentials: the same pictures and the same sound in a new file, as many "
        "websites and messengers make it of everything that is sent through them.",
        tells="The words in the picture, and the watermark: it is in the pixels, so it came along, and its number "
        "leads to the credentials, of which the publisher kept a copy.",
        unknown="Who took the credentials away, and whether on purpose. Without the publisher's copy the number would "
        "lead nowhere.",
        make=without_credentials,
    ),
    Kind(
        name="re-encoded",
        is_altered="Yes",
        what="Exhibit {result}, saved again in lower quality and without its sound. Every picture of it was "
        "encoded anew.",
        tells="The words in the picture and the watermark, which outlives this. What the verifier says of the "
        "published file it says of the file that this one was made from, not of this copy.",
        unknown="What else was changed on the way. The watermark says where pictures come from, not that they are "
        "complete or unchanged; it can be destroyed, too.",
        make=encoded_again,
    ),
    Kind(
        name="transplanted",
        is_altered="The pictures: no",
        what="Untouched footage of somebody else, into which the credentials of exhibit {result} were pasted.",
        tells="The credentials don't hold: they were signed for other pictures. There is no watermark, though the "
        "credentials name one.",
        unknown="Anything about the pictures. Credentials that don't hold show that somebody changed something: "
        "perhaps only the credentials, perhaps to make genuine footage look like a fake.",
        make=_transplanted,
    ),
    Kind(
        name="untouched",
        is_altered="No",
        what="A clip of the person whose face was put into exhibit {result}. Nothing was done to it.",
        tells="Nothing that can be checked. Who has seen this person here may find exhibit {result} all the more "
        "convincing: that a face is real says nothing about the picture that shows it.",
        unknown="Whether it is untouched, as with exhibit {plate}.",
        make=_untouched,
    ),
)


def make_exhibits(published: Path, folder: Path, seed: int) -> list[Exhibit]:
    """Write one exhibit of each kind into a folder, numbered from 1 in an order that the seed decides.

    Raises:
        MediaError: the published file holds no credentials to transplant.
    """
    order = [KINDS[place] for place in np.random.default_rng(seed).permutation(len(KINDS))]
    exhibits = [
        Exhibit(number=number, kind=kind, path=folder / f"exhibit-{number}.mp4") for number, kind in enumerate(order, 1)
    ]
    for each in exhibits:
        each.kind.make(published, each.path)
    return exhibits


def credentials_of(published: Path) -> bytes:
    """The box of an MP4 that holds its credentials.

    Raises:
        MediaError: there is none.
    """
    with published.open("rb") as file:
        begin = 0
        for name, start, end in boxes_in(file, 0, published.stat().st_size):
            file.seek(start)
            if name == b"uuid" and file.read(len(C2PA_UUID)) == C2PA_UUID:
                file.seek(begin)
                return file.read(end - begin)
            begin = end
    raise MediaError(f"{published} holds no credentials; publish it anew")


def answered(text: str, exhibits: Sequence[Exhibit]) -> str:
    """An answer with the numbers of the exhibits that it names."""
    return text.format_map({each.kind.name: each.number for each in exhibits})

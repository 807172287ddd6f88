"""Measure whether a performer could still be recognised in a published file."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import countenance
from countenance.consent.register import templates
from countenance.errors import MediaError
from countenance.faces.config import PLATE_CONFIG
from countenance.faces.plate import require_performer
from countenance.faces.recognise import reference_of
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.progress import Progress
from countenance.project import PRIVATE, Project, write_whole
from countenance.recognition.measure import measure_looks
from countenance.recognition.report import Recognition, recognition_page
from countenance.runs import recorded_run
from countenance.steps.guards import Guard
from countenance.threads import one_thread_per_net
from countenance.types import Frame, MediaInfo, Permit
from countenance.vision.identity import Recogniser


@one_thread_per_net()
def recognise_performer(
    project: Project, file: Path, plate: Path, performer: str, permit: Permit, page: Path, *, progress: Progress
) -> Recognition:
    """Compare the performer's faces in plate and file with what is known of them, and write the report as a page.

    Only its owner can read the page. What is found in the plate is what `generate` found there.

    Raises:
        ConsentError: the permit doesn't hold, or a release ends while this goes on; then there is no page.
        MediaError: plate or file can't be read, or they aren't frame for frame the same clip.
        FaceError: the performer isn't in the plate.
    """
    guard = Guard(project, permit, "prepare", people=(performer,))
    before, after = probe(plate), probe(file)
    _check_same_clip(before, after)
    guard.allow_plate(before)
    people = templates(project)
    faces = require_performer(project, performer, people, before, progress, check_leave=guard.check)
    reference = reference_of(project, performer, people, PLATE_CONFIG)
    facts = {"person": performer, "plate": before.sha256, "file": after.sha256}
    with recorded_run(project, "recognise", guard.permit.digest, facts):
        pairs = progress.track(
            _asked(guard, before, after),
            what=f"looking for {performer} in {file.name}",
            unit="frames",
            total=before.num_frames,
        )
        looks = measure_looks(pairs, faces, reference, Recogniser())
        result = Recognition(
            person=performer,
            file=file.name,
            file_sha256=after.sha256,
            plate=plate.name,
            plate_sha256=before.sha256,
            num_frames=before.num_frames,
            limit=reference.limit,
            unsure_limit=PLATE_CONFIG.max_unsure_distance,
            num_known_tracks=reference.num_tracks,
            looks=looks,
        )
        html = recognition_page(result, made_on=datetime.now().astimezone().date(), version=countenance.__version__)
        guard.check()
        write_whole(page, html.encode(), mode=PRIVATE)
    return result


def _check_same_clip(plate: MediaInfo, file: MediaInfo) -> None:
    if plate.sha256 == file.sha256:
        raise MediaError(f"{file.path} is the plate itself; name the published file first, then its --plate")
    # The encoder gives sides an even number of pixels.
    even = {plate.resolution_wh, tuple(side + side % 2 for side in plate.resolution_wh)}
    size = plate.resolution_wh if file.resolution_wh not in even else file.resolution_wh
    for what, one, other in (("frames", plate.num_frames, file.num_frames), ("pixels", size, file.resolution_wh)):
        if one != other:
            raise MediaError(
                f"expected {file.path} to be made from {plate.path}, frame for frame, but they have {other} and {one} "
                f"{what}; name the plate that all of it was generated from: a part or a preview can't be measured"
            )


def _asked(guard: Guard, plate: MediaInfo, file: MediaInfo) -> Iterator[tuple[Frame, Frame]]:
    """Frames of both, one pair at a time; consent is asked before each."""
    for both in zip(read_frames(plate), read_frames(file), strict=True):
        guard.check()
        yield both

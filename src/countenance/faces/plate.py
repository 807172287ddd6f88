"""The performer's faces in a plate."""

import shlex
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float32

from countenance.errors import FaceError
from countenance.faces.config import PLATE_CONFIG
from countenance.faces.faceset import choose_faces, count_faces, not_found
from countenance.faces.overview import Faces, unpacked
from countenance.faces.scan import Nets, is_scanned, scan_clip
from countenance.faces.store import StoredFace, read_hidden, read_overview, store_hidden, stored_faces
from countenance.footage import timeline_of
from countenance.progress import Progress
from countenance.project import Project
from countenance.threads import num_threads
from countenance.types import MediaInfo
from countenance.vision.identity import Embedding, Recogniser


def find_performer(
    project: Project,
    performer: str,
    templates: Mapping[str, Embedding],
    info: MediaInfo,
    progress: Progress,
    *,
    check_leave: Callable[[], None],
) -> list[StoredFace]:
    """Scan every frame of a plate for the performer's faces, and return them in the order of frames."""
    scan_plate(project, performer, templates, info, progress, check_leave=check_leave)
    found = stored_faces(project, performer, purpose="generate", sha256=info.sha256)
    faces = [face for face in found if not face.rejections]
    unsure = [face for face in found if face.rejections]
    in_frame, review = Counter(face.frame for face in found), review_command(performer, info)
    if unsure:
        num_second = sum(in_frame[face.frame] > 1 for face in unsure)
        second = (
            f" ({num_second} of them are a second face beside {performer}'s, as in a mirror, a split screen, a photo, "
            "or of somebody who looks like them)"
            if num_second
            else ""
        )
        progress.note(
            f"{len(unsure)} faces in {info.path.name} may be {performer}'s or not, and stay as they are{second}; "
            f"decide with `{review}`"
        )
    if num_twice := sum(count > 1 for count in Counter(face.frame for face in faces).values()):
        progress.note(
            f"in {num_twice} frames of {info.path.name} more than one face is {performer}'s, as in a mirror or a split "
            f"screen, and all of them are replaced; if one is somebody else's, reject it with `{review} --no TRACK`"
        )
    return faces


def require_performer(
    project: Project,
    performer: str,
    templates: Mapping[str, Embedding],
    info: MediaInfo,
    progress: Progress,
    *,
    check_leave: Callable[[], None],
) -> list[StoredFace]:
    """The same, where there has to be at least one.

    Raises:
        FaceError: there is none; says what was found instead.
    """
    faces = find_performer(project, performer, templates, info, progress, check_leave=check_leave)
    if not faces:
        raise _missing(project, performer, info)
    return faces


def require_known(project: Project, performer: str, templates: Mapping[str, Embedding], info: MediaInfo) -> None:
    """Check that a performer was found in a plate, without looking at it.

    Raises:
        FaceError: they weren't, or it must be looked at first.
    """
    known = known_overview(project, performer, templates, info)
    if known is None:
        raise FaceError(
            f"{info.path.name} hasn't been looked through for {performer} yet, or not by this version; "
            f"run `{review_command(performer, info)}` first",
            code="face.not_scanned",
            person=performer,
            path=info.path,
        )
    if known["is_unsure"].all():
        raise _missing(project, performer, info)


def _missing(project: Project, performer: str, info: MediaInfo) -> FaceError:
    counts = count_faces(project, performer, info.sha256, "generate")
    return not_found(performer, info.path.name, counts, PLATE_CONFIG, review_command(performer, info))


def known_overview(
    project: Project, performer: str, templates: Mapping[str, Embedding], info: MediaInfo
) -> Faces | None:
    """What is known of a performer's faces in a plate without looking at it; None where it must be looked at first."""
    if not is_scanned(project, performer, "generate", info, templates[performer], PLATE_CONFIG):
        return None
    content = read_overview(project, performer, info.sha256)
    return None if content is None else unpacked(content)


def known_hidden(project: Project, performer: str, info: MediaInfo) -> Float32[np.ndarray, " N"]:
    """How much of a performer's face something in front hides, for each frame of a plate; NaN where no face was drawn
    yet.
    """
    stored = read_hidden(project, performer, info.sha256)
    if stored is None or len(stored) != info.num_frames:
        return np.full(info.num_frames, np.nan, np.float32)
    return stored.astype(np.float32)


def note_hidden(project: Project, performer: str, info: MediaInfo, fraction_at: Mapping[int, float]) -> None:
    """Remember it, by frame, of those that were rendered now."""
    fractions = known_hidden(project, performer, info).astype(np.float16)
    fractions[list(fraction_at.keys())] = list(fraction_at.values())
    store_hidden(project, performer, info.sha256, fractions)


def scan_plate(
    project: Project,
    performer: str,
    templates: Mapping[str, Embedding],
    info: MediaInfo,
    progress: Progress,
    *,
    check_leave: Callable[[], None],
) -> None:
    """Scan every frame of a plate for the performer's faces, as far as that wasn't done yet, and decide on them."""
    scan_clip(
        project,
        performer,
        "generate",
        info,
        timeline_of(project, info, progress),
        templates[performer],
        Nets(recogniser=Recogniser(), segmenter=None),
        PLATE_CONFIG,
        threads=num_threads(PLATE_CONFIG.threads),
        check_leave=check_leave,
        progress=progress,
    )
    choose_faces(project, performer, templates, PLATE_CONFIG, [info.sha256], "generate")


def review_command(performer: str, info: MediaInfo) -> str:
    """What a user types to decide on the faces of a plate."""
    return f"countenance faces review {performer} --plate {shlex.quote(str(info.path))}"

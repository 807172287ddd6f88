"""The performer's faces in a plate."""

from collections.abc import Callable, Mapping

from countenance.faces.config import PLATE_CONFIG
from countenance.faces.faceset import choose_faces, count_faces
from countenance.faces.scan import Nets, num_threads, scan_clip
from countenance.faces.store import StoredFace, stored_faces
from countenance.footage import timeline_of
from countenance.progress import Progress
from countenance.project import Project
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
    """Look at every frame of a plate, and give the faces in it that are the performer's, in the order of frames."""
    scan_clip(
        project,
        performer,
        "generate",
        info,
        timeline_of(project, info, progress),
        templates[performer],
        Nets(recogniser=Recogniser(), segmenter=None),
        PLATE_CONFIG,
        threads=num_threads(PLATE_CONFIG),
        check_leave=check_leave,
        progress=progress,
    )
    choose_faces(project, performer, templates, PLATE_CONFIG, [info.sha256], "generate")
    if num_unsure := count_faces(project, performer, info.sha256, "generate").rejections["unsure who"]:
        progress.note(
            f"{num_unsure} faces in {info.path.name} may be {performer} or not, and stay as they are; to settle it, "
            f"collect the plate as footage of {performer}, prepare, and answer `countenance faces review {performer}`"
        )
    return stored_faces(project, performer, purpose="generate", sha256=info.sha256, kept_only=True)

"""Real published files, for tests of what is around the pixels."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.progress import Silent
from countenance.project import Project
from countenance.provenance.publish import PublishConfig, publish
from countenance.types import Frame, Permit, Published, Render
from tests.support.leave import never_ends

GREY = 200


def publish_grey(project: Project, plate: Path, output: Path, config: PublishConfig | None = None) -> Published:
    """Publish a plate with every frame grey."""
    return publish_as(
        project, plate, output, config, lambda frame: replace(frame, pixels=np.full_like(frame.rgb, GREY))
    )


def publish_as(
    project: Project,
    plate: Path,
    output: Path,
    config: PublishConfig | None = None,
    drawn: Callable[[Frame], Frame] = lambda frame: frame,
) -> Published:
    """Publish a plate with every frame altered, as `drawn` gives it."""
    info = probe(plate)

    def frames_from(index: int) -> Iterator[Frame]:
        return (drawn(frame) for frame in read_frames(info) if frame.index >= index)

    permit = Permit(
        action="generate",
        likeness="dana-doe",
        performer="kim-roe",
        use="film",
        release_digests=(hashlib.sha256(b"release").hexdigest(),),
        expires_at=datetime.now(UTC) + timedelta(days=1),
        digest=hashlib.sha256(b"permit").hexdigest(),
    )
    render = Render(
        plate=info,
        frames_from=frames_from,
        altered=(True,) * max(1, info.num_frames),
        work_folder=project.folder / "render",
        model_digest="ab" * 32,
        seed=0,
    )
    return publish(
        project,
        (permit,),
        render,
        output,
        config=config or PublishConfig(),
        overwrite=False,
        check_leave=never_ends,
        progress=Silent(),
    )

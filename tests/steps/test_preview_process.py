"""A preview in a process of its own shows the same, brings its errors, and ends."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from countenance.consent.permit import grant, grant_prepare
from countenance.errors import ConsentError, CountenanceError, MediaError, UsageError
from countenance.progress import Silent
from countenance.steps.drawings import Pair
from countenance.steps.preview import open_preview
from countenance.steps.preview_process import AskedPair, PreviewProcess
from countenance.steps.review_plate import review_plate
from tests.support.production import LIKENESS, PERFORMER, STRANGER, UNLABELLED, Production
from tests.support.videos import frames_of, write_video

CONFIG = replace(UNLABELLED, model="base", preset="draft", threads=1)
PAIR = AskedPair(likeness=LIKENESS, performer=PERFORMER)


def test_it_shows_the_same_and_brings_its_errors_and_ends(trained: Production, tmp_path: Path) -> None:
    project = trained.project
    plate = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 4))
    review_plate(project, PERFORMER, grant_prepare(project, PERFORMER), plate, [], forget=False, progress=Silent())
    permit = grant(project, "generate", likeness=LIKENESS, performer=PERFORMER)
    own = Pair(likeness=LIKENESS, performer=PERFORMER, permit=permit, is_disguise=False)
    with open_preview(project, plate, [own], CONFIG, progress=Silent()) as preview:
        expected = preview.frame(2, ["shot.likeness=0.5"])
    with PreviewProcess(project.folder, plate, [PAIR], CONFIG) as process:
        assert np.array_equal(process.frame(2, ["shot.likeness=0.5"]), expected)
        assert process.plate(2).shape == expected.shape
        with pytest.raises(UsageError, match="expected a frame from 0 to 3, got 4"):
            process.frame(4)
        trained.revoke(trained.release_of(LIKENESS))
        with pytest.raises(ConsentError, match="revoked") as caught:
            process.frame(2)
        assert caught.value.code == "consent.release_revoked"
        number = process.pid
        os.kill(number, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    with pytest.raises(CountenanceError, match="open the preview again"):
        process.frame(2)


@pytest.mark.parametrize(
    ("pair", "error"), [(PAIR, MediaError), (AskedPair(likeness=LIKENESS, performer=STRANGER), ConsentError)]
)
def test_what_cannot_be_opened_is_told(
    released: Production, tmp_path: Path, pair: AskedPair, error: type[CountenanceError]
) -> None:
    with pytest.raises(error):
        PreviewProcess(released.project.folder, tmp_path / "nothing.mp4", [pair], CONFIG)

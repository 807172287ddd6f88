"""`kill -9` in the middle: a real process of the command line is cut, and the next run goes on and ends the same."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from countenance.consent.permit import grant
from countenance.errors import FaceError
from countenance.faces.config import PrepareConfig
from countenance.faces.faceset import open_face_set
from countenance.faces.store import Purpose
from countenance.media import writer
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.media.writer import FRAGMENT_FRAMES
from countenance.model.checkpoint import Checkpoint, model_folder, read_checkpoint
from countenance.model.record import METRICS_NAME
from countenance.progress import Silent
from countenance.steps.collect import collect
from countenance.steps.train import train
from tests.support.production import LABELLED, LIKENESS, PERFORMER, STRANGER, TRAINING, UNLABELLED, Production, copied
from tests.support.recorder import Item, Recorder
from tests.support.videos import clip_of, frames_of, tone, write_video

pytestmark = pytest.mark.slow

SMALL_STEPS = replace(TRAINING, images=24, save_every_s=0.0, metrics_every_steps=1)
TRAINING_WHAT = f"training {LIKENESS} onto {PERFORMER}"
NUM_PLATE_FRAMES = 150
TIME_LIMIT_S = 60.0
NUM_KILLS = 10

HowFar = Callable[[], int]


def kill_in_the_middle(
    production: Production, command: Sequence[str | Path], how_far: HowFar, *, reached: int, within_s: float, seed: int
) -> None:
    """Run a command of the project in a process of its own, and kill it soon after it came so far."""
    with subprocess.Popen(
        [sys.executable, "-m", "countenance", *command],
        cwd=production.project.folder,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + TIME_LIMIT_S
        while how_far() < reached and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(random.Random(seed).uniform(0, within_s))
        process.kill()
        _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, f"it ended by itself: {said}"


def files_in(folder: Path) -> set[str]:
    """All names below a folder, but for the lock and what SQLite keeps beside its database while that is open."""
    names = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {name for name in names if not name.endswith((".lock", "-wal", "-shm"))}


def assert_log_is_whole(production: Production) -> None:
    """As `countenance log check` sees it, from a process of its own."""
    command = [sys.executable, "-m", "countenance", "log", "check"]
    subprocess.run(command, cwd=production.project.folder, check=True, capture_output=True)


# Prepare.


def num_scanned(production: Production, purpose: Purpose = "prepare") -> int:
    """Stretches that were looked at whole."""
    query = "SELECT count(*) FROM stretches JOIN scans ON scans.id = scan WHERE person = ? AND purpose = ?"
    (count,) = production.project.database.execute(query, (PERFORMER, purpose)).fetchone()
    return int(count)


def face_rows(production: Production) -> list[tuple[object, ...]]:
    """All that is stored of faces but the numbers under which it is."""
    return production.project.database.execute(
        "SELECT sha256, frame, shot, distance, margin, num_embedded, rejections, landmarks, crop, mask, mask_origin"
        " FROM faces JOIN tracks ON tracks.id = track JOIN scans ON scans.id = faces.scan"
        " ORDER BY sha256, frame, faces.id"
    ).fetchall()


@pytest.fixture(scope="module")
def collected_folder(released_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a clip that has cuts, another person, and a moment without anybody, and with short ones."""
    folder = tmp_path_factory.mktemp("collected") / "production"
    with copied(released_folder, folder) as production:
        grey = [np.full((256, 256, 3), 110, np.uint8)] * 9
        frames = [*clip_of(PERFORMER, 50), *grey, *clip_of(STRANGER, 30), *frames_of("performance.mp4", 71)]
        clips = [write_video(folder / "footage.mp4", frames)]
        for number in range(NUM_KILLS + 2):
            some = frames_of("kofi_training.mp4", 12, first=15 * number)
            clips.append(write_video(folder / f"short {number}.mp4", some))
        collect(production.project, PERFORMER, clips, progress=Silent())
    return folder


@pytest.fixture(scope="module")
def prepared_folder(collected_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, prepared without being cut short."""
    folder = tmp_path_factory.mktemp("prepared") / "production"
    with copied(collected_folder, folder) as production:
        production.prepare(PERFORMER, PrepareConfig())
    return folder


def test_prepare_that_is_killed_ten_times(collected_folder: Path, prepared_folder: Path, tmp_path: Path) -> None:
    with copied(prepared_folder, tmp_path / "whole") as whole:
        whole_set, whole_rows, num_all = open_face_set(whole.project, PERFORMER), face_rows(whole), num_scanned(whole)
    with copied(collected_folder, tmp_path / "cut") as cut:
        for number in range(NUM_KILLS):
            before = num_scanned(cut)
            kill_in_the_middle(
                cut, ["prepare", PERFORMER], lambda: num_scanned(cut), reached=before + 1, within_s=0.1, seed=number
            )
            assert before < num_scanned(cut) < num_all
            with pytest.raises(FaceError, match="no face set"):
                open_face_set(cut.project, PERFORMER)
        progress = Recorder()
        assert cut.prepare(PERFORMER, PrepareConfig(), progress).face_set == whole_set
        assert sum(progress.done_now.values()) < 12 * (NUM_KILLS + 2)
        assert face_rows(cut) == whole_rows
        assert_log_is_whole(cut)
    assert files_in(tmp_path / "cut") == files_in(tmp_path / "whole")


class Interrupted(Recorder):
    """Ctrl-C after so many items of one task."""

    def __init__(self, what: str, after: int) -> None:
        super().__init__()
        self._what, self._after = what, after

    def track(
        self, items: Iterable[Item], *, what: str, unit: str, total: int, done: int = 0, each: int = 1
    ) -> Iterator[Item]:
        tracked = super().track(items, what=what, unit=unit, total=total, done=done, each=each)
        for count, item in enumerate(tracked):
            if (what, count) == (self._what, self._after):
                raise KeyboardInterrupt
            yield item


# Train.


def run_training(production: Production, progress: Recorder) -> Checkpoint:
    permit = grant(production.project, "train", likeness=LIKENESS, performer=PERFORMER)
    return train(
        production.project, LIKENESS, PERFORMER, permit, SMALL_STEPS, progress=progress, should_stop=lambda: False
    )


def images_seen(production: Production) -> int:
    checkpoint = read_checkpoint(model_folder(production.project, LIKENESS, PERFORMER))
    return checkpoint.images_seen if checkpoint else 0


@pytest.fixture(scope="module")
def untrained_folder(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with face sets, before any training."""
    folder = tmp_path_factory.mktemp("untrained") / "production"
    shutil.copytree(trained_folder, folder)
    shutil.rmtree(folder / "project" / "models")
    return folder


@pytest.fixture(scope="module")
def longer_folder(untrained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, trained without being cut short."""
    folder = tmp_path_factory.mktemp("longer") / "production"
    with copied(untrained_folder, folder) as production:
        run_training(production, Recorder())
    return folder


def test_train_that_is_killed_ten_times(untrained_folder: Path, longer_folder: Path, tmp_path: Path) -> None:
    with copied(longer_folder, tmp_path / "whole") as whole:
        whole_folder = model_folder(whole.project, LIKENESS, PERFORMER)
        whole_checkpoint = read_checkpoint(whole_folder)
        assert whole_checkpoint is not None
    with copied(untrained_folder, tmp_path / "cut") as cut:
        options = [f"--set=train.{name}={json.dumps(value)}" for name, value in asdict(SMALL_STEPS).items()]
        command = ["train", LIKENESS, "--onto", PERFORMER, *options]
        folder = model_folder(cut.project, LIKENESS, PERFORMER)
        for number in range(NUM_KILLS):
            before = images_seen(cut)
            kill_in_the_middle(cut, command, lambda: images_seen(cut), reached=before + 1, within_s=0.05, seed=number)
            assert before < images_seen(cut) < SMALL_STEPS.images
            # What a kill in the middle of a write leaves behind.
            (folder / f".checkpoint.json.0dd5ee{number:02}").write_text("{")
        before, progress = images_seen(cut), Recorder()
        checkpoint = run_training(cut, progress)
        assert (progress.done_before[TRAINING_WHAT], progress.done_now[TRAINING_WHAT]) == (
            before,
            SMALL_STEPS.images - before,
        )
        assert checkpoint == whole_checkpoint
        assert (folder / checkpoint.weights_name).read_bytes() == (whole_folder / checkpoint.weights_name).read_bytes()
        assert (folder / METRICS_NAME).read_bytes() == (whole_folder / METRICS_NAME).read_bytes()
        assert_log_is_whole(cut)
    assert files_in(tmp_path / "cut") == files_in(tmp_path / "whole")


# Generate.


def num_fragments(production: Production) -> int:
    return len(list(production.project.folder.glob("renders/*/*/[0-9]*.nut")))


def decoded(path: Path) -> list[tuple[int, bytes]]:
    return [(frame.pts, frame.rgb.tobytes()) for frame in read_frames(probe(path))]


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three fragments long and a bit, with a moment in which the performer is away."""
    frames = [*frames_of("performance.mp4", 90), *frames_of("kofi_training.mp4", NUM_PLATE_FRAMES - 96, first=150)]
    grey = [np.full((256, 256, 3), 110, np.uint8)] * 6
    return write_video(
        tmp_path_factory.mktemp("plate") / "plate.mp4",
        [*frames[:60], *grey, *frames[60:]],
        sound=tone((NUM_PLATE_FRAMES - 1) / 24),
    )


@pytest.fixture(scope="module")
def published_folder(trained_folder: Path, plate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that published once without being cut short."""
    folder = tmp_path_factory.mktemp("published") / "production"
    with copied(trained_folder, folder) as production:
        production.generate(plate, folder / "whole.mp4", LABELLED)
    return folder


def generate_command(plate: Path, output: Path) -> list[str | Path]:
    return ["generate", plate, "--likeness", LIKENESS, "--performer", PERFORMER, "--output", output]


@pytest.mark.parametrize(("reached", "seed"), [(1, 7), (1, 8), (2, 9)])
def test_generate_while_rendering(published_folder: Path, plate: Path, tmp_path: Path, reached: int, seed: int) -> None:
    with copied(published_folder, tmp_path / "production") as cut:
        names = files_in(cut.folder)
        output = cut.folder / "cut.mp4"
        kill_in_the_middle(
            cut, generate_command(plate, output), lambda: num_fragments(cut), reached=reached, within_s=0.15, seed=seed
        )
        kept = num_fragments(cut) * FRAGMENT_FRAMES
        assert reached * FRAGMENT_FRAMES <= kept < NUM_PLATE_FRAMES
        assert not output.exists()
        progress = Recorder()
        cut.generate(plate, output, LABELLED, progress=progress)
        assert "looking for faces in plate.mp4" not in progress.done_before
        assert progress.done_before["rendering plate.mp4"] == kept
        assert progress.done_now["rendering plate.mp4"] == NUM_PLATE_FRAMES - kept
        assert decoded(output) == decoded(cut.folder / "whole.mp4")
        assert_log_is_whole(cut)
        assert files_in(cut.folder) - names == {"cut.mp4"}


def test_generate_while_looking_for_faces(
    trained_folder: Path, published_folder: Path, plate: Path, tmp_path: Path
) -> None:
    with copied(trained_folder, tmp_path / "production") as cut:
        output = cut.folder / "whole.mp4"
        kill_in_the_middle(
            cut,
            generate_command(plate, output),
            lambda: num_scanned(cut, "generate"),
            reached=1,
            within_s=0.0,
            seed=10,
        )
        assert not output.exists()
        progress = Recorder()
        cut.generate(plate, output, LABELLED, progress=progress)
        before = progress.done_before["looking for faces in plate.mp4"]
        assert 0 < before < NUM_PLATE_FRAMES
        assert progress.done_now["looking for faces in plate.mp4"] == NUM_PLATE_FRAMES - before
        assert decoded(output) == decoded(published_folder / "whole.mp4")
        assert_log_is_whole(cut)
    assert files_in(tmp_path / "production") == files_in(published_folder)


def test_fragments_of_another_render_are_not_mixed_in(trained: Production, tmp_path: Path) -> None:
    """Between a stop and the next run another release may say otherwise who the performer is."""
    plate = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 54))
    what = "rendering plate.mp4"
    with pytest.raises(KeyboardInterrupt):
        trained.generate(plate, tmp_path / "shot.mp4", progress=Interrupted(what, after=50))
    assert num_fragments(trained) == 1
    trained.project.database.execute(
        "DELETE FROM faces WHERE frame < 10 AND scan = (SELECT id FROM scans WHERE purpose = 'generate')"
    )
    progress = Recorder()
    trained.generate(plate, tmp_path / "shot.mp4", progress=progress)
    assert (progress.done_before[what], progress.done_now[what]) == (0, 54)


def test_what_the_base_draws_is_the_same_after_a_stop(
    trained: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FRAGMENT_FRAMES", 4)
    plate = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 10))
    what, config = "rendering plate.mp4", replace(UNLABELLED, model="base", preset="draft")
    with pytest.raises(KeyboardInterrupt):
        trained.generate(plate, tmp_path / "cut.mp4", config, progress=Interrupted(what, after=6))
    assert num_fragments(trained) == 1
    progress = Recorder()
    trained.generate(plate, tmp_path / "cut.mp4", config, progress=progress)
    assert (progress.done_before[what], progress.done_now[what]) == (4, 6)
    trained.generate(plate, tmp_path / "whole.mp4", config, progress=progress)
    assert progress.done_now[what] == 10
    assert decoded(tmp_path / "cut.mp4") == decoded(tmp_path / "whole.mp4")

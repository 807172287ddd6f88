"""A project of two people who consented, made once; each test works on a copy of it."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jaxtyping import UInt8

from countenance.consent.document import read_release, write_document
from countenance.consent.keys import load_key, make_key
from countenance.consent.permit import grant, grant_prepare
from countenance.consent.register import add_release, add_revocation
from countenance.consent.release import new_release, new_revocation, sign
from countenance.demo import data_folder
from countenance.faces.config import PrepareConfig
from countenance.faces.faceset import Prepared
from countenance.faces.portrait import template_of
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.model.config import TrainConfig
from countenance.progress import Silent
from countenance.project import Project, create, opened
from countenance.steps.collect import collect
from countenance.steps.generate import GenerateConfig, Generated, generate
from countenance.steps.prepare import prepare
from countenance.steps.review import choose_again
from countenance.steps.train import train

Item = TypeVar("Item")
Rgb = UInt8[np.ndarray, "H W 3"]

LIKENESS, PERFORMER, STRANGER = "zuri", "kofi", "mira"
ROLES = {LIKENESS: "likeness", PERFORMER: "performer", STRANGER: "performer"}
TITLE, USE = "Countenance demo", "research"
TRAINING = TrainConfig(
    resolution=64, width=8, images=240, batch_size=8, learning_rate=1e-3, threads=1, device="cpu", seed=3
)
UNLABELLED = GenerateConfig(quality=4, label=False, unlabelled_reason="compared pixel by pixel in a test")
EVERY_FACE = PrepareConfig(min_difference=0.0)
"""Near duplicates too, so that faces can be counted."""
TIME_BASE, FRAME_TICKS = Fraction(1, 12288), 512
CLIP_BEGINS = {LIKENESS: 140, PERFORMER: 180, STRANGER: 100}
"""Where the demo's clips show these people from the front."""


@dataclass(frozen=True, kw_only=True)
class Production:
    """An open project, and the folders beside it: documents with their keys, footage, the user's config."""

    project: Project

    @property
    def folder(self) -> Path:
        return self.project.folder.parent

    def key(self, person: str) -> Ed25519PrivateKey:
        path = self.folder / "documents" / f"{person}.key"
        if not path.exists():
            make_key(path)
        return load_key(path)

    def sign(
        self,
        person: str,
        *,
        role: str | None = None,
        uses: Sequence[str] = (USE,),
        title: str = TITLE,
        valid_from: date = date(2026, 1, 1),
        expires: date = date(2099, 12, 31),
        picture_of: str | None = None,
    ) -> Path:
        """A real release, as its owner hands it over; `picture_of` puts another person's picture into it."""
        documents = self.folder / "documents"
        documents.mkdir(exist_ok=True)
        number = len(list(documents.iterdir()))
        picture = documents / f"{person}-{number:03}.png"
        shutil.copyfile(data_folder() / f"{picture_of or person}.png", picture)
        draft = new_release(
            person,
            role=role or ROLES[person],
            references=[picture],
            uses=uses,
            project=title,
            valid_from=valid_from,
            expires=expires,
            synthetic=True,
            folder=documents,
        )
        path = documents / f"{person}-{number:03}.release.toml"
        write_document(path, sign(draft, self.key(person)), overwrite=False)
        return path

    def add(self, path: Path, *, at: datetime | None = None) -> Path:
        add_release(self.project, path, template_of, at=at)
        return path

    def revoke(self, path: Path) -> None:
        release = read_release(path)
        written = path.with_suffix(".revocation.toml")
        write_document(written, new_revocation(release, self.key(release.subject.person)), overwrite=False)
        add_revocation(self.project, written)

    def release_of(self, person: str) -> Path:
        """The document that was added first."""
        return min((self.folder / "documents").glob(f"{person}-*.release.toml"))

    def prepare(
        self, person: str, config: PrepareConfig | None = None, progress: "Recorder | Silent | None" = None
    ) -> Prepared:
        permit = grant_prepare(self.project, person)
        return prepare(self.project, person, permit, config or EVERY_FACE, progress=progress or Silent())

    def choose_again(self, person: str, config: PrepareConfig | None = None) -> Prepared:
        permit = grant_prepare(self.project, person)
        return choose_again(self.project, person, permit, config or EVERY_FACE, progress=Silent())

    def generate(
        self,
        plate: Path,
        output: Path,
        config: GenerateConfig = UNLABELLED,
        *,
        overwrite: bool = False,
        progress: "Recorder | Silent | None" = None,
    ) -> Generated:
        permit = grant(self.project, "generate", likeness=LIKENESS, performer=PERFORMER)
        return generate(
            self.project,
            plate,
            LIKENESS,
            PERFORMER,
            permit,
            output,
            config,
            overwrite=overwrite,
            progress=progress or Silent(),
        )


@dataclass(kw_only=True)
class Recorder:
    """A progress that remembers what was done before and what was done now."""

    done_before: dict[str, int] = field(default_factory=dict)
    done_now: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def track(
        self,
        items: Iterable[Item],
        *,
        what: str,
        unit: str,  # noqa: ARG002
        total: int,  # noqa: ARG002
        done: int = 0,
        each: int = 1,
    ) -> Iterator[Item]:
        self.done_before[what], self.done_now[what] = done, 0
        for item in items:
            yield item
            self.done_now[what] += each

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="session")
def released_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has both releases, and nothing else."""
    folder = tmp_path_factory.mktemp("released")
    create(folder / "project", use=USE, title=TITLE)
    with _production(folder) as production:
        for person in (LIKENESS, PERFORMER):
            production.add(production.sign(person))
    return folder


@pytest.fixture(scope="session")
def trained_folder(released_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with footage, face sets and a model; bad, but a model."""
    folder = tmp_path_factory.mktemp("trained") / "production"
    shutil.copytree(released_folder, folder)
    with _production(folder) as production:
        project = production.project
        for person in (LIKENESS, PERFORMER):
            clip = write_video(folder / f"{person}.mp4", clip_of(person, 24))
            collect(project, person, [clip], progress=Silent())
            production.prepare(person)
        permit = grant(project, "train", likeness=LIKENESS, performer=PERFORMER)
        train(project, LIKENESS, PERFORMER, permit, TRAINING, progress=Silent(), should_stop=lambda: False)
    return folder


@pytest.fixture
def released(released_folder: Path, tmp_path: Path) -> Iterator[Production]:
    """A copy of the project with both releases."""
    with copied(released_folder, tmp_path / "production") as production:
        yield production


@pytest.fixture
def trained(trained_folder: Path, tmp_path: Path) -> Iterator[Production]:
    """A copy of the project with a trained model."""
    with copied(trained_folder, tmp_path / "production") as production:
        yield production


@contextmanager
def copied(folder: Path, to: Path) -> Iterator[Production]:
    """Work on a copy, with a copy of the config folder that remembers where its log ends."""
    shutil.copytree(folder, to)
    with _production(to) as production:
        yield production


@contextmanager
def _production(folder: Path) -> Iterator[Production]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTENANCE_CONFIG", str(folder / "config"))
        with opened(folder / "project") as project:
            yield Production(project=project)


def frames_of(name: str, num_frames: int, *, first: int = 0) -> list[Rgb]:
    """Frames of one of the demo's clips."""
    frames = read_frames(probe(data_folder() / name), first_index=first)
    return [frame.rgb for frame in islice(frames, num_frames)]


def clip_of(person: str, num_frames: int) -> list[Rgb]:
    """Frames that show a person alone, from the front."""
    return frames_of(f"{person}_training.mp4", num_frames, first=CLIP_BEGINS[person])


def write_video(
    path: Path,
    frames: Sequence[Rgb],
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction = TIME_BASE,
    rotation_deg: int = 0,
    sound: bool = False,
) -> Path:
    """A video made on the spot; `rotation_deg` is the clockwise turn by which it is shown."""
    times = pts or [index * FRAME_TICKS for index in range(len(frames))]
    height, width = frames[0].shape[:2]
    clocks = {"video_track_timescale": str(time_base.denominator), "movie_timescale": str(time_base.denominator)}
    with av.open(path, "w", container_options=clocks) as container:
        stream = container.add_stream("libx264", rate=24, width=width, height=height)
        assert isinstance(stream, VideoStream)
        stream.codec_context.options = {"crf": "8", "preset": "ultrafast"}
        stream.codec_context.time_base = time_base
        stream.codec_context.max_b_frames = 0
        if rotation_deg:
            stream.set_display_rotation(-rotation_deg)
        track = container.add_stream("aac", rate=44100, layout="mono") if sound else None
        for rgb, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = time, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if isinstance(track, AudioStream):
            container.mux(track.encode(_tone(float((times[-1] - times[0]) * time_base))))
            container.mux(track.encode(None))
    return path


def _tone(length_s: float) -> av.AudioFrame:
    wave = 9000 * np.sin(np.arange(int(44100 * length_s)) * 0.05 * (1 + np.arange(int(44100 * length_s)) / 1e5))
    frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 44100, 0, Fraction(1, 44100)
    return frame

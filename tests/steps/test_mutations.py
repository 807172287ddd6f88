"""Published files changed in every way: no traceback, never "trusted" or "valid" for altered content, right words."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import av
import cv2
import numpy as np
import pytest
import typer
from jaxtyping import UInt8
from PIL import Image
from typer.testing import CliRunner

from countenance.cli import verify as cli
from countenance.errors import MediaError
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.project import Project, create, opened
from countenance.steps.verify import verify
from countenance.types import Finding
from tests.support.mutations import MUTATIONS, PICTURES, VIDEOS, Mutant, Original, is_store, jumbf_of, mutant, parts_of
from tests.support.publishing import publish_as
from tests.support.videos import tone, write_video

KINDS = (*VIDEOS, *PICTURES)
NUM_MUTANTS = 300
FOR_THE_COMMAND = (*range(0, NUM_MUTANTS, 31), *range(7, NUM_MUTANTS, len(MUTATIONS)))
"""Some of every kind, and all before whose beginning something was put, so that it is no video or picture any more."""
NUM_FRAMES = 4
KEEPS_ITS_CREDENTIALS = {"trusted", "valid"}
LOSES_ITS_CREDENTIALS = {"stripped", "stripped and pointed elsewhere", "remuxed", "encoded again"}
"""Changes after which the picture still has its mark, and nothing else says where it comes from."""
HAS_OTHER_CREDENTIALS = {"transplanted", "statement changed", "part of the twin"}


@dataclass(frozen=True, kw_only=True)
class Published:
    """What was published, its project, and what a viewer is shown of each file."""

    originals: Mapping[str, Original]
    project: Project
    shown: Mapping[str, object]


def footage(seed: int, num_frames: int) -> list[UInt8[np.ndarray, "256 320 3"]]:
    """Blobs of many sizes that drift slowly."""
    rng = np.random.default_rng(seed)
    noise = np.sum(
        [
            cv2.resize(rng.random((9 * 2**k, 12 * 2**k, 3)), (384, 288), interpolation=cv2.INTER_CUBIC) / 1.3**k
            for k in range(5)
        ],
        axis=0,
    )
    picture = np.asarray((noise - noise.min()) / (noise.max() - noise.min()) * 215 + 20, np.uint8)
    return [picture[n : n + 256, 2 * n : 2 * n + 320] for n in range(num_frames)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """A file of each kind, and its twin of other footage."""
    folder = tmp_path_factory.mktemp("mutations")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTENANCE_CONFIG", str(folder / "config"))
        create(folder / "film", use="film", title=None)
        with opened(folder / "film") as project, project.writing():
            made = {kind: [publish(project, folder, kind, seed) for seed in (1, 2)] for kind in KINDS}
            originals = {
                kind: Original(kind=kind, content=first.read_bytes(), twin=twin.read_bytes())
                for kind, (first, twin) in made.items()
            }
            shown = {kind: shown_of(first) for kind, (first, _) in made.items()}
            yield Published(originals=originals, project=project, shown=shown)


def publish(project: Project, folder: Path, kind: str, seed: int) -> Path:
    plate = folder / f"plate-{seed}.{kind}"
    if kind in VIDEOS:
        write_video(plate, footage(seed, NUM_FRAMES), frame_rate=25, sound=tone(NUM_FRAMES / 25))
    else:
        Image.fromarray(footage(seed, 1)[0]).save(plate)
    return publish_as(project, plate, folder / f"shot-{seed}.{kind}").path


@pytest.fixture(autouse=True)
def users_folder(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(published.project.folder.parent / "config"))


def shown_of(path: Path) -> object:
    """All that a viewer sees and hears, with the moment of each frame; None where nothing opens the file."""
    try:
        info = probe(path)
        frames = [(frame.time, frame.rgb.tobytes()) for frame in read_frames(info)]
    except MediaError:
        return None
    if info.kind == "video":
        return frames, sound_of(path)
    with Image.open(path) as picture:
        return frames, picture.info.get("icc_profile"), dict(picture.getexif())


def sound_of(path: Path) -> list[bytes]:
    with av.open(path, metadata_errors="replace") as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(audio=0)]


def problems(made: Mutant, path: Path, published: Published) -> list[str]:
    """What is wrong with what `verify` says of a mutant; a MediaError says that it can't be read."""
    is_same = made.content == made.original.content
    try:
        findings = findings_of(path, published)
    except MediaError as error:
        return [f"an untouched file was refused: {error}"] if is_same else []
    said = {about: finding.state for about, finding in findings.items()}
    wrong = []
    if is_same:
        return [] if (said["credentials"], said["log"]) == ("trusted", "valid") else [f"untouched, but {said}"]
    if said["log"] == "valid":
        wrong.append("the log is said to know it")
    if KEEPS_ITS_CREDENTIALS & {said["credentials"], said["edits"]}:
        wrong += unshown(made, path, findings, published)
    if made.how in LOSES_ITS_CREDENTIALS:
        wrong += not_found_again(findings)
    if made.how in HAS_OTHER_CREDENTIALS and said["credentials"] not in {"invalid", "missing"}:
        wrong.append(f"credentials that aren't its own are {said['credentials']}")
    if said["credentials"] == "invalid" and not findings["credentials"].reasons:
        wrong.append("it isn't said why the credentials don't hold")
    return wrong


def findings_of(path: Path, published: Published) -> dict[str, Finding]:
    return {each.about: each for each in verify(path, published.project).report.findings}


def unshown(made: Mutant, path: Path, findings: Mapping[str, Finding], published: Published) -> list[str]:
    """Credentials hold only where all that is seen and heard is the same, or where it is said that nothing opens it."""
    if findings["credentials"].state not in KEEPS_ITS_CREDENTIALS:
        return [f"edits are {findings['edits'].state}, the credentials {findings['credentials'].state}"]
    shown = shown_of(path)
    if shown is None:
        is_told = any("the file can't be opened" in reason for reason in findings["credentials"].reasons)
        return [] if is_told else ["nothing opens it, and that isn't told"]
    return [] if shown == published.shown[made.original.kind] else ["it shows something else than was signed"]


def not_found_again(findings: Mapping[str, Finding]) -> list[str]:
    """Of a file that lost its credentials and nothing else: it has none, and its mark leads to them."""
    watermark, edits = findings["watermark"], findings["edits"]
    wrong = []
    if findings["credentials"].state != "missing":
        wrong.append(f"credentials were taken away and are {findings['credentials'].state}")
    if watermark.state != "trusted" or "leads to the credentials of a published file" not in watermark.summary:
        wrong.append(f"its mark isn't found: {watermark.summary}")
    if "What was changed since, they can't say." not in edits.summary:
        wrong.append(f"of edits it is said: {edits.summary}")
    return wrong


def test_the_command_ends_with_the_codes_of_its_documents(published: Published, tmp_path: Path) -> None:
    """0: nothing is invalid; 6: something is; 4: it can't be read or opened. Never anything else, and no traceback."""
    ends = set()
    app = typer.Typer()
    app.command()(cli.verify)
    for number in FOR_THE_COMMAND:
        made = mutant(number, published.originals)
        path = tmp_path / f"mutant{made.suffix}"
        path.write_bytes(made.content)
        result = CliRunner().invoke(app, [str(path), "--json"])
        if isinstance(result.exception, MediaError):
            # The program that loads the commands turns it into a line and 4.
            assert (result.exception.exit_code, result.stdout) == (4, ""), number
            ends.add(4)
            continue
        assert result.exception is None or isinstance(result.exception, SystemExit), number
        document = json.loads(result.stdout)
        is_invalid = any(finding["state"] == "invalid" for finding in document["findings"])
        assert result.exit_code == (6 if is_invalid else 4 if document["why_unopened"] else 0), number
        ends.add(result.exit_code)
    assert ends == {0, 4, 6}


def test_a_sidecar_says_nothing_about_the_file_beside_it(published: Published, tmp_path: Path) -> None:
    """A file's own credentials in a file beside it: whoever put them there may have changed either."""
    original = published.originals["png"]
    parts = parts_of(original.content, "png")
    store = next(part for part in parts if is_store(part, "png"))
    path = tmp_path / "shot.png"
    path.write_bytes(MUTATIONS["stripped"](Random(0), original))
    for name in ("shot.c2pa", "shot.png.c2pa"):
        (tmp_path / name).write_bytes(jumbf_of(store, "png")[1])
    findings = findings_of(path, published)
    assert not_found_again(findings) == []


def test_no_mutant_is_taken_for_what_was_published(published: Published, tmp_path: Path) -> None:
    assert len(MUTATIONS) * len(KINDS) * 2 == NUM_MUTANTS
    wrong = []
    for number in range(NUM_MUTANTS):
        made = mutant(number, published.originals)
        path = tmp_path / f"mutant{made.suffix}"
        path.write_bytes(made.content)
        wrong += [f"{number} ({made.how}, {made.original.kind}): {each}" for each in problems(made, path, published)]
    assert not wrong

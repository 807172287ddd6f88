"""A published file without its credentials is found again by its watermark, and only where it is that file."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from jaxtyping import UInt8

from countenance.errors import MediaError, ProvenanceError, UsageError
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.project import config_folder, create, opened
from countenance.provenance import store
from countenance.provenance.credentials import Credentials, read_credentials, read_manifest
from countenance.provenance.keys import Trust, find_trust
from countenance.provenance.marks import fingerprint_of
from countenance.steps.verify import verify
from countenance.types import Finding, Published
from countenance.watermark.embed import mark
from tests.support.publishing import publish_as
from tests.support.videos import write_video

Clip = UInt8[np.ndarray, "n h w 3"]
NUM_FRAMES = 12


def footage(seed: int) -> Clip:
    """Blobs of many sizes that drift slowly."""
    rng = np.random.default_rng(seed)
    noise = sum(
        cv2.resize(rng.random((8 * 2**k, 11 * 2**k, 3)).astype(np.float32), (704, 512), interpolation=cv2.INTER_CUBIC)
        / 1.3**k
        for k in range(5)
    )
    low, high = float(np.min(noise)), float(np.max(noise))
    picture = np.asarray((noise - low) / (high - low) * 215 + 20, np.uint8)
    return np.stack([picture[index : index + 480, 2 * index : 2 * index + 640] for index in range(NUM_FRAMES)])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """One file, published in a project of its own, and its user's folder."""
    folder = tmp_path_factory.mktemp("origin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTENANCE_CONFIG", str(folder / "config"))
        plate = folder / "plate.mp4"
        write_video(plate, footage(1), frame_rate=24)
        create(folder / "film", use="film", title="Winter")
        with opened(folder / "film") as project, project.writing():
            yield publish_as(project, plate, folder / "shot.mp4")


@pytest.fixture(autouse=True)
def users_folder(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(published.path.parent / "config"))


def again(path: Path, clip: Clip) -> Path:
    """Encoded anew, so without credentials."""
    write_video(path, clip, frame_rate=24)
    return path


def pictures(path: Path) -> Clip:
    return np.stack([frame.rgb for frame in read_frames(probe(path))])


def found(path: Path, about: str = "watermark") -> Finding:
    return next(finding for finding in verify(path, None).report.findings if finding.about == about)


def number() -> int:
    claim = read_manifest(entries()[0].manifest, find_trust()).claim
    return int(store.mark_in(claim) or "", 16)


def entries() -> list[store.Entry]:
    with store._opened_to_read() as database:
        assert database is not None
        numbers = [row[0] for row in database.execute("SELECT mark_id FROM manifests")]
    return [entry for number in numbers for entry in store.find(number)]


def test_the_published_file_s_own_credentials_name_its_mark(published: Published) -> None:
    finding = found(published.path)
    assert finding.state == "trusted"
    assert f"{number():012x}" in finding.summary


def test_a_copy_without_credentials_is_recognised(published: Published, tmp_path: Path) -> None:
    copy = again(tmp_path / "copy.mp4", pictures(published.path)[3:])
    finding = found(copy)
    assert finding.state == "trusted"
    assert "the same footage" in finding.summary
    claim = read_manifest(entries()[0].manifest, find_trust()).claim
    assert claim is not None
    assert claim.salted_release_digests[0][:16] in " ".join(finding.reasons)
    edits = found(copy, "edits")
    assert "a face was replaced by a generated one in 12 of 12 frames" in edits.summary
    assert found(copy, "credentials").state == "missing"


def test_a_crop_is_recognised(published: Published, tmp_path: Path) -> None:
    crop = again(tmp_path / "crop.mp4", pictures(published.path)[:, 40:430, 90:600])
    assert "the same footage" in found(crop).summary


def test_a_mark_that_was_moved_onto_other_footage_is_told(tmp_path: Path) -> None:
    other = np.stack([mark(frame, number()) for frame in footage(2)])
    finding = found(again(tmp_path / "other.mp4", other))
    assert finding.state == "invalid"
    assert "was moved here" in finding.summary
    assert found(tmp_path / "other.mp4", "edits").state == "missing"


def test_a_copy_that_is_damaged_further_on_is_no_reason_to_say_nothing(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = again(tmp_path / "copy.mp4", pictures(published.path))

    def damaged(*_: object) -> None:
        raise MediaError("damaged after 1.67 s")

    monkeypatch.setattr("countenance.steps.origin.compare", damaged)
    finding = found(copy)
    assert finding.state == "unknown"
    assert "too damaged a part of it is here" in finding.summary


def test_other_footage_has_no_mark(tmp_path: Path) -> None:
    finding = found(again(tmp_path / "other.mp4", footage(2)))
    assert (finding.state, finding.reasons) == ("missing", ())
    assert "proves nothing" in finding.summary


def test_a_mark_without_credentials_here_says_so(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = again(tmp_path / "copy.mp4", pictures(published.path))
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "another user"))
    finding = found(copy)
    assert finding.state == "unknown"
    assert "No credentials are known for it on this computer" in finding.summary


def test_what_was_shared_is_found_by_others_and_its_signer_is_unknown_to_them(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.export_entries(tmp_path / "shared.jsonl", overwrite=False) == 1
    with pytest.raises(UsageError, match="--overwrite"):
        store.export_entries(tmp_path / "shared.jsonl", overwrite=False)
    copy = again(tmp_path / "copy.mp4", pictures(published.path))
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "another user"))
    assert store.add_entries(tmp_path / "shared.jsonl", find_trust()) == (1, 1)
    assert store.add_entries(tmp_path / "shared.jsonl", find_trust()) == (1, 0)
    assert (config_folder() / store.STORE_NAME).stat().st_mode & 0o777 == 0o600
    finding = found(copy)
    assert finding.state == "valid"
    assert "signer who is unknown here" in " ".join(finding.reasons)


@pytest.mark.parametrize(
    ("forgery", "words"),
    [
        ("another number", "don't name the watermark 0123456789ab"),
        ("another statement", "its credentials don't hold .*a statement in the credentials was altered"),
        ("no entry", "line 2, is not what `countenance marks export` writes"),
        ("another format", "line 1, is not what"),
        ("no print", "expected a fingerprint of as many windows"),
        ("another print", "its fingerprint isn't the one that its credentials name"),
        ("a byte more", "its fingerprint isn't the one that its credentials name"),
    ],
)
def test_a_forged_entry_is_not_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgery: str, words: str) -> None:
    path = tmp_path / "shared.jsonl"
    store.export_entries(path, overwrite=False)
    header, line = path.read_text().splitlines()
    fields = json.loads(line)
    if forgery == "another number":
        fields["mark_id"] = "0123456789ab"
    if forgery == "no print":
        fields["fingerprint"] = fields["fingerprint"][:-8]
    if forgery == "another statement":
        manifest = entries()[0].manifest.replace(b"num_altered_frames\x0c", b"num_altered_frames\x01", 1)
        assert manifest != entries()[0].manifest
        fields |= json.loads(store._line(replace(entries()[0], manifest=manifest)))
    if forgery in ("another print", "a byte more"):
        # The signature holds with a byte behind it, or one changed where C2PA leaves room.
        more = b"\0" if forgery == "a byte more" else b""
        prints = fingerprint_of(probe(again(tmp_path / "other.mp4", footage(2))))
        fields |= json.loads(
            store._line(replace(entries()[0], manifest=entries()[0].manifest + more, fingerprint=prints))
        )
    if forgery == "no entry":
        fields = {"mark_id": 1}
    if forgery == "another format":
        header = header.replace("manifests", "faces")
    path.write_text("\n".join([header, json.dumps(fields)]) + "\n")
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "another user"))
    with pytest.raises(ProvenanceError, match=f"{words}.*nothing was added"):
        store.add_entries(path, find_trust())
    assert list(store.find(fields.get("mark_id", ""))) == []


def test_one_s_own_entry_counts_more_than_a_stranger_s(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = entries()[0]
    stranger = replace(own, manifest=own.manifest + b"\0")
    real = read_manifest

    def read(manifest: bytes, trust: Trust | None) -> Credentials:
        found = real(manifest, trust)
        return replace(found, state="valid") if manifest == stranger.manifest else found

    monkeypatch.setattr("countenance.provenance.store.read_manifest", read)
    monkeypatch.setattr("countenance.steps.origin.find", lambda _: [stranger, own])
    copy = again(tmp_path / "copy.mp4", pictures(published.path))
    assert found(copy).state == "trusted"


@pytest.mark.parametrize("states_it", [False, True])
def test_signing_anew_hides_nothing(published: Published, monkeypatch: pytest.MonkeyPatch, states_it: bool) -> None:
    """A stranger signed what carries the mark, and states nothing, or names its number too."""
    claim = read_credentials(published.path, find_trust()).claim if states_it else None
    monkeypatch.setattr("countenance.steps.verify.read_credentials", lambda *_: Credentials(state="valid", claim=claim))
    assert found(published.path).state == "trusted"
    assert "a face was replaced" in found(published.path, "edits").summary


def test_a_mark_that_differs_from_the_one_that_the_credentials_name_is_told(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("countenance.steps.origin.in_hex", lambda number: f"{number ^ 1:012x}")
    finding = found(published.path)
    assert finding.state == "invalid"
    assert "one of them was moved here" in finding.summary

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countenance import ledger
from countenance.errors import ProvenanceError
from countenance.media.probe import probe
from countenance.progress import Silent
from countenance.project import Project, create, opened
from countenance.provenance import keys
from countenance.provenance.credentials import (
    Claim,
    read_credentials,
    read_crjson,
    sign,
)
from countenance.provenance.keys import TIMESTAMP_NAME, Trust, find_trust, load_or_make_identity
from countenance.provenance.publish import PublishConfig, rehearse_publishing
from countenance.provenance.signer import signing_with
from tests.support.authorities import TimestampAuthority, certify, timestamp_authority
from tests.support.publishing import publish_grey

MakePlate = Callable[..., Path]


@pytest.fixture
def authority() -> Iterator[TimestampAuthority]:
    with timestamp_authority() as authority:
        yield authority


@pytest.fixture
def stamped(make_plate: MakePlate, claim: Claim, authority: TimestampAuthority, tmp_path: Path) -> Path:
    path = tmp_path / "signed.jpg"
    stamped_claim = replace(claim, trusted_timestamp=True)
    media, plate, identity = make_plate("result.jpg", shade=60), make_plate("plate.jpg"), load_or_make_identity()
    sign(media, plate, path, stamped_claim, identity, timestamp_authority=authority.url)
    return path


def trust_authority(config_folder: Path, authority: TimestampAuthority) -> Trust:
    (config_folder / TIMESTAMP_NAME).write_text(authority.root.pem)
    return find_trust()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    create(tmp_path / "film", use="film", title=None)
    with opened(tmp_path / "film") as project:
        yield project


def test_nobody_vouches_for_the_time_where_no_authority_is_named(
    make_plate: MakePlate, claim: Claim, tmp_path: Path
) -> None:
    sign(make_plate("a.jpg"), make_plate("b.jpg"), tmp_path / "signed.jpg", claim, load_or_make_identity())
    assert read_credentials(tmp_path / "signed.jpg", find_trust()).timestamp is None


def test_an_authority_that_the_user_trusts_is_told_with_its_time(
    stamped: Path, authority: TimestampAuthority, config_folder: Path
) -> None:
    stamp = read_credentials(stamped, trust_authority(config_folder, authority)).timestamp
    assert authority.num_requests == 1
    assert stamp is not None
    assert (stamp.state, stamp.authority) == ("trusted", "Test clock")
    assert abs(datetime.fromisoformat(stamp.time) - datetime.now(UTC)) < timedelta(minutes=1)


def test_an_authority_that_is_unknown_here_is_told_as_such(stamped: Path) -> None:
    read = read_credentials(stamped, find_trust())
    assert read.state == "trusted"
    assert read.timestamp is not None
    assert (read.timestamp.state, read.timestamp.authority) == ("unknown", "Test clock")


def test_a_stamped_file_outlives_its_certificate(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, config_folder: Path
) -> None:
    monkeypatch.setattr(keys, "SIGNING_TERM", timedelta(seconds=2))
    monkeypatch.setattr(keys, "RENEWAL", timedelta(0))
    stamped, authority = request.getfixturevalue("stamped"), request.getfixturevalue("authority")
    deadline = time.monotonic() + 10
    while (state := read_credentials(stamped, find_trust()).state) == "trusted" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert state == "invalid"
    assert read_credentials(stamped, trust_authority(config_folder, authority)).state == "trusted"


def test_certificates_below_a_time_stamp_root_are_no_known_signers(
    make_plate: MakePlate, claim: Claim, authority: TimestampAuthority, config_folder: Path, tmp_path: Path
) -> None:
    load_or_make_identity()
    leaf = certify("Somebody else", authority.root)
    stranger = replace(
        load_or_make_identity(), chain_pem=leaf.pem + authority.root.pem, sign_bytes=signing_with(leaf.key)
    )
    path = tmp_path / "signed.jpg"
    sign(make_plate("a.jpg"), make_plate("b.jpg"), path, claim, stranger)
    assert read_credentials(path, trust_authority(config_folder, authority)).state == "valid"
    failures = read_crjson(path, find_trust())["manifests"][0]["validationResults"]["failure"]
    assert [failure["code"] for failure in failures] == ["signingCredential.untrusted"]


FAILURES: dict[str, dict[str, object]] = {
    "an error": {"status": 500},
    "rubbish": {"answer": b"no time today"},
    "a refusal": {"answer": bytes.fromhex("30053003020102")},
    "a stamp of something else": {"stamps": b"something else"},
}


@pytest.mark.parametrize("failure", FAILURES)
def test_an_authority_that_fails_is_told_and_leaves_no_file(
    project: Project, make_plate: MakePlate, authority: TimestampAuthority, tmp_path: Path, failure: str
) -> None:
    for name, value in FAILURES[failure].items():
        setattr(authority, name, value)
    (tmp_path / "out").mkdir()
    config = PublishConfig(timestamp_authority=authority.url)
    with pytest.raises(
        ProvenanceError, match=rf"time-stamp authority {authority.url} gave no stamp.*check the network"
    ):
        publish_grey(project, make_plate("plate.png"), tmp_path / "out" / "shot.png", config)
    assert list((tmp_path / "out").iterdir()) == []
    assert [entry.event for entry in ledger.entries(project)] == ["render.begun"]


def test_an_authority_that_can_not_be_reached_is_told_before_anything_is_rendered(
    make_plate: MakePlate, tmp_path: Path
) -> None:
    plate, output = probe(make_plate("plate.png")), tmp_path / "shot.png"
    with timestamp_authority() as authority:
        config = PublishConfig(timestamp_authority=authority.url)
        rehearse_publishing(plate, output, config, Silent())
        assert authority.num_requests == 1
    with pytest.raises(ProvenanceError, match=rf"nothing can be signed: .*{authority.url} gave no stamp"):
        rehearse_publishing(plate, output, config, Silent())


@pytest.mark.parametrize("address", ["time.example", "ftp://time.example/", "https://", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="must be a web address"):
        PublishConfig(timestamp_authority=address)


def test_published_files_say_whether_an_authority_vouches_for_their_time(
    project: Project, make_plate: MakePlate, authority: TimestampAuthority, tmp_path: Path
) -> None:
    plate = make_plate("plate.png")
    for name, config in (("plain", None), ("stamped", PublishConfig(timestamp_authority=authority.url))):
        read = read_credentials(publish_grey(project, plate, tmp_path / f"{name}.png", config).path, find_trust())
        assert read.claim is not None
        assert read.claim.trusted_timestamp is (read.timestamp is not None) is (name == "stamped")

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import c2pa  # type: ignore[import-untyped]
import pytest

from countenance.errors import MediaError, ProvenanceError
from countenance.provenance import credentials, keys
from countenance.provenance.credentials import COMPOSITE, Claim, check_plate, read_credentials, salted, sign
from countenance.provenance.keys import find_trust, load_or_make_identity
from tests.support.videos import grey

KINDS = ["mp4", "mov", "jpg", "png", "webp"]
MakePlate = Callable[..., Path]


def signed_file(make_plate: MakePlate, claim: Claim, kind: str = "jpg", plate: Path | None = None) -> Path:
    media = make_plate(f"result.{kind}", shade=60)
    output = media.with_name(f"signed.{kind}")
    sign(media, plate or make_plate(f"plate.{kind}"), output, claim, load_or_make_identity())
    return output


def manifest_of(path: Path) -> dict[str, Any]:
    with c2pa.Reader(str(path)) as reader:
        store = json.loads(reader.json())
    manifest: dict[str, Any] = store["manifests"][store["active_manifest"]]
    return manifest


def flip_one_bit_of_the_picture(path: Path) -> None:
    content = bytearray(path.read_bytes())
    # WebP keeps credentials behind the picture, the others keep them before it.
    content[100 if path.suffix == ".webp" else -300] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("kind", KINDS)
def test_signed_file_is_trusted_and_says_what_was_claimed(make_plate: MakePlate, claim: Claim, kind: str) -> None:
    read = read_credentials(signed_file(make_plate, claim, kind), load_or_make_identity().trust)
    assert read.state == "trusted"
    assert read.claim == claim
    assert read.actions == ("c2pa.opened", "c2pa.edited", "c2pa.addedText", "c2pa.transcoded")
    assert read.generator == "Countenance/0.1.0"
    assert [(i.relationship, i.has_credentials) for i in read.ingredients] == [("parentOf", False)]


def test_a_claim_from_before_decisions_were_counted_is_read(
    make_plate: MakePlate, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_then(each: Claim) -> dict[str, Any]:
        return {name: value for name, value in asdict(each).items() if name != "num_decided_frames"}

    monkeypatch.setattr(credentials, "asdict", as_then)
    read = read_credentials(signed_file(make_plate, claim), load_or_make_identity().trust)
    assert read.state == "trusted"
    assert read.claim == claim
    assert claim.num_decided_frames == 0


def test_manifest_states_what_the_safeguards_ask_for(make_plate: MakePlate, claim: Claim) -> None:
    manifest = manifest_of(signed_file(make_plate, claim))
    assertions = {assertion["label"]: assertion["data"] for assertion in manifest["assertions"]}
    edited = assertions["c2pa.actions.v2"]["actions"][1]
    assert edited["digitalSourceType"] == COMPOSITE
    assert "5 of 6 frames" in edited["description"]
    assert {entry["use"] for entry in assertions["cawg.training-mining"]["entries"].values()} == {"notAllowed"}
    assert assertions["org.countenance.replacement"]["trusted_timestamp"] is False
    assert "thumbnail" not in manifest


@pytest.mark.parametrize("kind", KINDS)
def test_one_flipped_byte_is_told(make_plate: MakePlate, claim: Claim, kind: str) -> None:
    path = signed_file(make_plate, claim, kind)
    flip_one_bit_of_the_picture(path)
    read = read_credentials(path, load_or_make_identity().trust)
    assert read.state == "invalid"
    assert credentials.ALTERED in read.reasons


def test_without_the_anchor_the_signer_is_unknown(make_plate: MakePlate, claim: Claim) -> None:
    read = read_credentials(signed_file(make_plate, claim), None)
    assert read.state == "valid"
    assert read.reasons == ("the signer is unknown here",)


def test_another_machine_s_anchor_does_not_trust_ours(
    make_plate: MakePlate, claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = signed_file(make_plate, claim)
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "elsewhere"))
    assert read_credentials(path, load_or_make_identity().trust).state == "valid"


def test_file_without_credentials_is_missing_them(make_plate: MakePlate) -> None:
    assert read_credentials(make_plate("plain.mp4"), None).state == "missing"


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 4096])
def test_what_is_no_media_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match="expected a whole video or picture"):
        read_credentials(path, None)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="No such file"):
        read_credentials(tmp_path / "none.mp4", None)


@pytest.mark.parametrize("kind", ["mp4", "jpg"])
@pytest.mark.parametrize("suffix", ["right", "wrong"])
def test_credentials_of_the_plate_survive(make_plate: MakePlate, claim: Claim, kind: str, suffix: str) -> None:
    plate = signed_file(make_plate, claim, kind)
    plate = plate.rename(plate.with_name(f"camera.{kind}" if suffix == "right" else "camera.png"))
    output = signed_file(make_plate, claim, kind, plate=plate)
    manifest = manifest_of(output)
    parent = manifest["ingredients"][0]
    assert parent["relationship"] == "parentOf"
    assert parent["active_manifest"] == manifest_of(plate)["label"]
    read = read_credentials(output, load_or_make_identity().trust)
    assert read.state == "trusted"
    assert read.ingredients[0].has_credentials
    assert read.ingredients[0].problems == ()


def test_plate_that_was_altered_since_it_was_signed_is_told(make_plate: MakePlate, claim: Claim) -> None:
    plate = signed_file(make_plate, claim)
    plate = plate.rename(plate.with_name("camera.jpg"))
    flip_one_bit_of_the_picture(plate)
    read = read_credentials(signed_file(make_plate, claim, plate=plate), load_or_make_identity().trust)
    assert read.state == "trusted"
    assert read.ingredients[0].problems == (credentials.ALTERED,)


def test_plate_whose_credentials_are_damaged_is_refused(make_plate: MakePlate, claim: Claim) -> None:
    plate = signed_file(make_plate, claim)
    plate.write_bytes(plate.read_bytes().replace(b"claim_generator_info", b"klaim_generator_info"))
    assert read_credentials(plate, None).state == "invalid"
    with pytest.raises(ProvenanceError, match="undamaged copy"):
        check_plate(plate)


def test_bytes_after_the_last_box_are_no_damage(tmp_path: Path) -> None:
    plate = grey(tmp_path / "plate.mp4")
    with plate.open("ab") as file:
        file.write(b"SEFH vendor block that is no box " + b"." * 40 + b"SEFT")
    check_plate(plate)
    credentials = read_credentials(plate, None)
    assert credentials.state == "missing"
    assert "structure is unusual" in credentials.reasons[0]


def test_damage_is_told_where_a_file_with_bytes_after_its_end_holds_credentials(tmp_path: Path) -> None:
    plate = grey(tmp_path / "plate.mp4")
    with plate.open("ab") as file:
        file.write(b"\x00\x00\x00\x40jumb\x00\x00\x00\x20jumd" + b"." * 40)
    with pytest.raises(ProvenanceError, match="are damaged and can't be carried along"):
        check_plate(plate)
    assert read_credentials(plate, None).state == "invalid"


def test_plate_of_a_kind_without_credentials_is_named_as_parent(make_plate: MakePlate, claim: Claim) -> None:
    path = signed_file(make_plate, claim, "mp4", plate=make_plate("camera.mkv"))
    read = read_credentials(path, load_or_make_identity().trust)
    assert read.state == "trusted"
    assert not read.ingredients[0].has_credentials


def test_a_signer_that_fails_leaves_an_error(
    make_plate: MakePlate, claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = load_or_make_identity()
    with monkeypatch.context() as patch:
        patch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "elsewhere"))
        other = load_or_make_identity()
    mixed = replace(ours, sign_bytes=other.sign_bytes)
    media, plate = make_plate("result.jpg", shade=60), make_plate("plate.jpg")
    try:
        sign(media, plate, tmp_path / "signed.jpg", claim, mixed)
    except ProvenanceError:
        return
    assert read_credentials(tmp_path / "signed.jpg", ours.trust).state == "invalid"


def test_a_certificate_that_the_clock_has_left_behind_does_not_sign(
    make_plate: MakePlate, claim: Claim, tmp_path: Path
) -> None:
    ahead = load_or_make_identity(at=datetime.now(UTC) + timedelta(days=365))
    media, plate = make_plate("result.jpg", shade=60), make_plate("plate.jpg")
    with pytest.raises(ProvenanceError, match=r"result\.jpg can't be signed: .* check the clock"):
        sign(media, plate, tmp_path / "signed.jpg", claim, ahead)
    renewed = load_or_make_identity()
    sign(media, plate, tmp_path / "signed.jpg", claim, renewed)
    assert read_credentials(tmp_path / "signed.jpg", renewed.trust).state == "trusted"


def test_what_was_signed_before_a_renewal_of_the_authority_is_still_trusted(
    make_plate: MakePlate, claim: Claim, tmp_path: Path
) -> None:
    now, path = datetime.now(UTC), tmp_path / "signed.jpg"
    first = load_or_make_identity(at=now)
    sign(make_plate("result.jpg", shade=60), make_plate("plate.jpg"), path, claim, first)
    load_or_make_identity(at=now + 2 * keys.AUTHORITY_TERM)
    renewed = load_or_make_identity(at=now)
    assert renewed.trust != first.trust
    assert read_credentials(path, renewed.trust).state == "trusted"


def test_a_certificate_out_of_term_names_the_clock(
    make_plate: MakePlate, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "SIGNING_TERM", timedelta(seconds=2))
    monkeypatch.setattr(keys, "RENEWAL", timedelta(0))
    path = signed_file(make_plate, replace(claim, signed_at="2199-05-01T10:00:00+00:00"))
    trust = find_trust()
    deadline = time.monotonic() + 10
    while (read := read_credentials(path, trust)).state == "trusted" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert read.state == "invalid"
    told = "; ".join(read.reasons)
    assert "the clock of this computer, or of the one that signed, is wrong" in told
    assert "by the signer's clock it was signed on 01 May 2199" in told


def test_no_name_and_no_unsalted_digest_is_in_the_file(make_plate: MakePlate, claim: Claim, tmp_path: Path) -> None:
    plate = make_plate("dana-doe-at-home.jpg")
    content = signed_file(make_plate, claim, plate=plate).read_bytes()
    for secret in (b"dana", str(tmp_path).encode()):
        assert secret not in content


def test_words_from_a_stranger_s_credentials_do_not_steer_the_terminal(make_plate: MakePlate, claim: Claim) -> None:
    path = signed_file(make_plate, replace(claim, label="left out", label_reason="\x1b[2J" + "x" * 1000))
    read = read_credentials(path, None)
    assert read.claim is not None
    assert "\x1b" not in read.claim.label_reason
    assert len(read.claim.label_reason) == 200


def test_nothing_is_fetched_from_the_network(make_plate: MakePlate, tmp_path: Path) -> None:
    requests: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    identity, path = load_or_make_identity(), tmp_path / "remote.jpg"
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with (
            c2pa.Builder({"claim_generator_info": [{"name": "camera", "version": "1"}]}) as builder,
            c2pa.Signer.from_callback(identity.sign_bytes, c2pa.C2paSigningAlg.ES256, identity.chain_pem) as signer,
            make_plate("plate.jpg").open("rb") as plate,
            path.open("w+b") as file,
        ):
            builder.set_intent(c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.DIGITAL_CAPTURE)
            builder.set_no_embed()
            builder.set_remote_url(f"http://127.0.0.1:{server.server_port}/manifest.c2pa")
            builder.sign(signer, "image/jpeg", plate, file)
        read = read_credentials(path, None)
        server.shutdown()
    assert requests == []
    assert read.state == "missing"
    assert "on the network" in read.reasons[0]


def test_salted_digests_differ_and_open_with_their_salt() -> None:
    assert salted("ab", b"1" * 16) == salted("ab", b"1" * 16)
    assert salted("ab", b"1" * 16) != salted("ab", b"2" * 16)
    assert salted("ab", b"1" * 16) != "ab"

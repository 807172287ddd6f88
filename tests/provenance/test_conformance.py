"""C2PA's public rubric, and a second reader that shares no code with the one that we use, on all kinds of files."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import encypher_c2pa
import pytest

from countenance.project import Project, create, opened
from countenance.provenance.credentials import (
    COMPOSITE,
    MEDIA_TYPES,
    Claim,
    Watermark,
    read_credentials,
    read_crjson,
    sign,
)
from countenance.provenance.keys import find_trust, load_or_make_identity
from countenance.provenance.publish import PublishConfig
from tests.support.authorities import timestamp_authority
from tests.support.conformance import STATEMENTS, offences
from tests.support.publishing import publish_grey

KINDS = ["mp4", "mov", "jpg", "png", "webp"]
MakePlate = Callable[..., Path]
MARK = Watermark(id="0123456789ab", algorithm="org.countenance.mark.1")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    create(tmp_path / "film", use="film", title=None)
    with opened(tmp_path / "film") as project:
        yield project


@pytest.fixture(autouse=True)
def private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second reader keeps its preferences there."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))


def second_reading(path: Path, *, trusted: bool = True, tsa_pem: str | None = None) -> dict[str, Any]:
    return dict(
        encypher_c2pa.verify(
            path,
            MEDIA_TYPES[path.suffix],
            trust_pem=find_trust().anchor_pem if trusted else None,
            tsa_trust_pem=tsa_pem,
            no_default_trust=True,
            telemetry=False,
            online=False,
        )
    )


def assert_all_hold(path: Path) -> None:
    against = {name: found for name, found in offences(read_crjson(path, find_trust())).items() if found}
    assert against == {}


def signed_with_everything(make_plate: MakePlate, claim: Claim, kind: str = "jpg") -> Path:
    """A file of which all that a claim can state is stated."""
    media = make_plate(f"result.{kind}", shade=60)
    output = media.with_name(f"signed.{kind}")
    full = replace(
        claim,
        num_frames=3,
        num_plate_frames=6,
        is_preview=True,
        sentence="No real person is seen.",
        num_performers=2,
        watermark=MARK,
    )
    sign(media, make_plate("plate.mkv"), output, full, load_or_make_identity())
    return output


@pytest.mark.parametrize("kind", KINDS)
def test_published_files_meet_every_statement_and_a_second_reader_agrees(
    project: Project, make_plate: MakePlate, tmp_path: Path, kind: str
) -> None:
    first = publish_grey(project, make_plate(f"plate.{kind}"), tmp_path / f"first.{kind}").path
    again = publish_grey(project, first, tmp_path / f"again.{kind}").path
    assert len(STATEMENTS) == 31
    for path, num_manifests in ((first, 1), (again, 2)):
        assert_all_hold(path)
        ours, theirs = read_credentials(path, find_trust()), second_reading(path)
        assert (ours.state, theirs["validation_state"]) == ("trusted", "Trusted")
        assert (theirs["signature"], theirs["hard_binding"]) == ("valid", "match")
        report = theirs["manifest_report"]
        assert len(report["manifests"]) == num_manifests
        actions = [
            action["action"]
            for assertion in report["manifests"][report["active_manifest"]]["assertions"]
            if assertion["label"] == "c2pa.actions.v2"
            for action in assertion["data"]["actions"]
        ]
        assert tuple(actions) == ours.actions


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_which_everything_is_stated_meets_every_statement(
    make_plate: MakePlate, claim: Claim, kind: str
) -> None:
    path = signed_with_everything(make_plate, claim, kind)
    assert_all_hold(path)
    assert second_reading(path)["validation_state"] == "Trusted"
    assert read_credentials(path, find_trust()).actions == (
        "c2pa.opened",
        "c2pa.edited",
        "c2pa.trimmed",
        "c2pa.resized.proportional",
        "c2pa.addedText",
        "c2pa.watermarked.bound",
        "c2pa.converted",
        "c2pa.transcoded",
    )


@pytest.mark.parametrize("kind", ["mp4", "png"])
def test_the_second_reader_tells_alterations_and_unknown_signers_too(
    project: Project, make_plate: MakePlate, tmp_path: Path, kind: str
) -> None:
    path = publish_grey(project, make_plate(f"plate.{kind}"), tmp_path / f"shot.{kind}").path
    assert second_reading(path, trusted=False)["validation_state"] == "Valid"
    content = bytearray(path.read_bytes())
    content[-300 if kind == "mp4" else -40] ^= 1
    path.write_bytes(content)
    assert second_reading(path)["validation_state"] == "Invalid"
    assert read_credentials(path, find_trust()).state == "invalid"


def test_the_second_reader_agrees_on_a_time_stamp(project: Project, make_plate: MakePlate, tmp_path: Path) -> None:
    with timestamp_authority() as authority:
        config = PublishConfig(timestamp_authority=authority.url)
        path = publish_grey(project, make_plate("plate.jpg"), tmp_path / "shot.jpg", config).path
    assert_all_hold(path)
    codes = {each["code"] for each in second_reading(path, tsa_pem=authority.root.pem)["validation_results"]["success"]}
    assert {"timeStamp.validated", "timeStamp.trusted"} <= codes


def test_a_soft_binding_holds_the_mark(make_plate: MakePlate, claim: Claim) -> None:
    path = signed_with_everything(make_plate, claim)
    binding = read_crjson(path, None)["manifests"][0]["assertions"]["c2pa.soft-binding"]
    assert binding["alg"] == MARK.algorithm
    assert bytes(binding["blocks"][0]["value"]).hex() == MARK.id
    claimed = read_credentials(path, find_trust()).claim
    assert claimed is not None
    assert claimed.watermark == MARK


def test_without_a_watermark_none_is_stated(make_plate: MakePlate, claim: Claim, tmp_path: Path) -> None:
    sign(make_plate("a.jpg"), make_plate("b.jpg"), tmp_path / "signed.jpg", claim, load_or_make_identity())
    text = json.dumps(read_crjson(tmp_path / "signed.jpg", None))
    assert "watermark" not in text
    assert "soft-binding" not in text


Break = Callable[[dict[str, Any]], object]
OPENED, EDITED = 0, 1


def action_of(manifest: dict[str, Any], index: int) -> dict[str, Any]:
    found: dict[str, Any] = manifest["assertions"]["c2pa.actions.v2"]["actions"][index]
    return found


def parent_of(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["assertions"]["c2pa.ingredient.v3"]
    return found


def leave_only_opened(manifest: dict[str, Any]) -> None:
    actions = manifest["assertions"]["c2pa.actions.v2"]
    actions |= {"actions": actions["actions"][:1], "allActionsIncluded": False}


def fail(code: str) -> Break:
    return lambda m: m["validationResults"]["failure"].append({"code": code})


def add(name: str, **content: object) -> Break:
    return lambda m: m["assertions"].update({name: content})


BREAKS: dict[str, Break] = {
    "mandatory_dst_for_perceptible_transformations": lambda m: action_of(m, EDITED).pop("digitalSourceType"),
    "mandatory_spec_version": lambda m: m["claim.v2"]["claim_generator_info"].pop("specVersion"),
    "mandatory_all_actions_included": lambda m: m["assertions"]["c2pa.actions.v2"].pop("allActionsIncluded"),
    "no_dst_for_opened_action": lambda m: action_of(m, OPENED).update(digitalSourceType=COMPOSITE),
    "well_formed_data_present": lambda m: m.pop("validationResults"),
    "well_formed_success": fail("claim.malformed"),
    "valid_data_present": lambda m: m.pop("validationResults"),
    "valid_success": fail("assertion.dataHash.mismatch"),
    "inception_action_position": lambda m: m["claim.v2"]["created_assertions"].pop(0),
    "no_deprecated_assertions": add("stds.exif"),
    "no_unsupported_assertions": add("c2pa.made-up"),
    "no_deprecated_actions": lambda m: action_of(m, EDITED).update(action="c2pa.saved"),
    "no_unsupported_actions": lambda m: action_of(m, EDITED).update(action="c2pa.swapped"),
    "no_unrecognized_custom_assertions": add("replacement"),
    "no_unrecognized_custom_actions": lambda m: action_of(m, EDITED).update(action="swapped"),
    "no_unrecognized_custom_action_parameters": lambda m: action_of(m, EDITED).update(parameters={"faces": 1}),
    "discouraged_legacy_action_parameters": lambda m: action_of(m, EDITED).update(parameters={"description": "x"}),
    "active_manifest_urn": lambda m: m.update(label="urn:uuid:1"),
    "review_ratings_datasource": add("org.x", reviewRatings=[], dataSource={"type": "humanEntry.anonymous"}),
    "ingredient_v3_no_active_manifest": lambda m: parent_of(m).update(validationResults={}),
    "ingredient_v3_mandatory_validation_results": lambda m: parent_of(m).update(activeManifest={}),
    "ingredient_relationship_values": lambda m: parent_of(m).update(relationship="plateOf"),
    "mandatory_dst_for_created_action": lambda m: action_of(m, OPENED).update(action="c2pa.created"),
    "no_deprecated_claim_fields": lambda m: m["claim.v2"].update(specVersion="2.4.0"),
    "ingredient_v3_choice": lambda m: parent_of(m).update(
        activeManifest={}, validationResults={}, digitalSourceType=COMPOSITE
    ),
    "alternative_content_representation_choice": add("org.x", type="exif.originalPreservationImage"),
    "forbidden_labels_in_external_references": add("org.x", url="http://x", label="c2pa.hash.data"),
    "no_url_in_hashes": lambda m: m["assertions"]["c2pa.hash.data"].update(url="x"),
    "all_actions_included_opened": leave_only_opened,
    "opened_action_ingredient_reference": lambda m: action_of(m, OPENED).pop("parameters"),
    "no_box_hash_for_tiff": lambda m: m["assertions"].update(
        {"c2pa.hash.boxes": {}, "c2pa.asset-type.v2": {"dc:format": "image/tiff"}}
    ),
}


@pytest.fixture
def document(make_plate: MakePlate, claim: Claim) -> dict[str, Any]:
    return read_crjson(signed_with_everything(make_plate, claim), find_trust())


def test_each_statement_finds_what_goes_against_it(document: dict[str, Any]) -> None:
    assert set(BREAKS) == set(STATEMENTS)
    blind = []
    for name, break_it in BREAKS.items():
        broken = deepcopy(document)
        break_it(broken["manifests"][0])
        if not offences(broken)[name]:
            blind.append(name)
    assert blind == []

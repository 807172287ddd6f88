"""Each part of a release's scope is asked, and each answer is in the log."""

from collections.abc import Callable
from typing import Any

import pytest

from countenance import ledger
from countenance.consent.document import document_text, read_release, write_document
from countenance.consent.drafting import countersign
from countenance.consent.keys import public_key_of
from countenance.consent.permit import decide, decide_prepare, grant, require
from countenance.consent.register import add_release, known_releases
from countenance.consent.scope import check_collected, num_outputs
from countenance.consent.summary import summary_of
from countenance.errors import ConsentError, UsageError
from countenance.project import Project
from countenance.types import Particulars, Permit
from tests.support.signing import NOON, Production, template_of

MakeProduction = Callable[..., Production]
PLATE, OTHER = "ab" * 32, "cd" * 32


def with_kim(production: Production, **changes: Any) -> None:
    """Kim's release as performer is fine; what is changed is dana's as likeness."""
    production.add(production.draft("kim", role="performer", shade=50))
    production.add(production.draft("dana", **changes))


def ask(production: Production, **asked: Any) -> Permit:
    return grant(
        production.project, "generate", likeness="dana", performer="kim", particulars=Particulars(**asked), at=NOON
    )


def refused(production: Production, **asked: Any) -> ConsentError:
    with pytest.raises(ConsentError) as caught:
        ask(production, **asked)
    return caught.value


def publish(project: Project, releases: tuple[str, ...], **more: Any) -> ledger.LogEntry:
    with project.transaction():
        return ledger.append(
            project, "published", {"sha256": OTHER, "is_preview": False, "releases": list(releases), **more}
        )


def test_a_plate_that_is_not_named_is_refused(production: Production) -> None:
    with_kim(production, plates=[PLATE])
    ask(production, plate=PLATE)
    error = refused(production, plate=OTHER)
    assert (error.code, error.exit_code, error.facts["plate"]) == ("consent.plate", 3, OTHER)
    assert "names the plates that may be used, and cdcdcdcdcdcd… isn't among them" in str(error)


def test_a_performer_s_plates_count_too(production: Production) -> None:
    production.add(production.draft("dana", explicit=["words"]))
    production.add(production.draft("kim", role="performer", plates=[PLATE]))
    assert refused(production, plate=OTHER).facts["person"] == "kim"


def test_words_need_a_line_of_the_likeness_only(production: Production) -> None:
    with_kim(production)
    error = refused(production, plate=PLATE, has_sound=True)
    assert (error.code, error.facts["line"]) == ("consent.line", "words")
    assert "`countenance release new --line words`, or take a plate without sound" in str(error)
    ask(production, plate=PLATE, has_sound=False)
    production.add(production.draft("dana", explicit=["words"]))
    ask(production, plate=PLATE, has_sound=True)


@pytest.mark.parametrize("use", ["political", "advertising"])
def test_politics_and_advertising_need_their_line(make_production: MakeProduction, use: str) -> None:
    """A draft can't lack it; a document that somebody wrote can."""
    production = make_production(use=use)
    production.add(production.draft("kim", role="performer", uses=(use,)))
    draft = production.draft("dana", uses=(use,))
    unlined = draft.model_copy(update={"scope": draft.scope.model_copy(update={"explicit": ()})})
    production.add(unlined.model_copy(update={"summary": summary_of(unlined)}))
    error = refused(production)
    assert (error.code, error.facts["line"]) == ("consent.line", use)
    production.add(production.draft("dana", uses=(use,)))
    ask(production)


def test_another_production_has_a_code(production: Production) -> None:
    with_kim(production)
    production.project.settings["title"] = "Summer"
    assert refused(production).code == "consent.project"


def test_channels_of_the_project_are_asked_against_the_release(production: Production) -> None:
    with_kim(production, channels=["cinema", "web"])
    error = refused(production)
    assert error.code == "consent.channel"
    assert 'add channels = ["cinema"] to countenance.toml' in str(error)
    production.project.settings["channels"] = ["web"]
    ask(production)
    production.project.settings["channels"] = ["web", "television"]
    assert "films are shown in television as well" in str(refused(production))
    production.project.settings["channels"] = "web"
    with pytest.raises(UsageError, match="expected a list such as"):
        ask(production)


def test_a_label_that_is_always_shown_is_not_left_out(production: Production) -> None:
    with_kim(production, label="always shown")
    ask(production, plate=PLATE)
    assert refused(production, plate=PLATE, is_unlabelled=True).code == "consent.label"


def test_published_files_are_counted_from_the_log(production: Production) -> None:
    with_kim(production, num_outputs=2)
    project, dana = production.project, known_releases(production.project)[1].digest
    publish(project, (dana,))
    publish(project, (dana,), is_preview=True)
    publish(project, (dana,), is_proxy=True)
    publish(project, (OTHER,))
    second = publish(project, (dana, OTHER))
    assert num_outputs(project, dana) == 2
    error = refused(production, plate=PLATE, is_counted=True)
    assert (error.code, error.facts["published"]) == ("consent.outputs", 2)
    ask(production, plate=PLATE, is_counted=False)
    with project.transaction():
        ledger.append(project, "withdrawn", {"sha256": OTHER, "published_entry": second.number})
    assert num_outputs(project, dana) == 1
    ask(production, plate=PLATE, is_counted=True)


def test_a_permit_for_one_more_file_ends_with_the_last_one(production: Production) -> None:
    """As it is asked in the transaction that logs a file."""
    with_kim(production, num_outputs=1)
    permit = ask(production, plate=PLATE, is_counted=True)
    publish(production.project, permit.release_digests)
    with pytest.raises(ConsentError, match="is for 1 published files, and so many are"):
        require(production.project, permit, "generate", people=("dana", "kim"), at=NOON)


def test_footage_that_is_not_named_is_refused(production: Production) -> None:
    with_kim(production, footage=[PLATE])
    ask(production, footage=frozenset({("dana", PLATE), ("kim", OTHER)}))
    error = refused(production, footage=frozenset({("dana", OTHER), ("dana", PLATE)}))
    assert (error.code, error.facts["footage"]) == ("consent.footage", [OTHER])


def test_footage_is_collected_where_any_release_names_it(production: Production) -> None:
    production.add(production.draft("dana", footage=[PLATE]))
    known = known_releases(production.project)
    check_collected(known, "dana", PLATE)
    check_collected(known, "kim", OTHER)
    with pytest.raises(
        ConsentError, match="names the footage that may be learned from, and cdcdcdcdcdcd… is not among"
    ):
        check_collected(known, "dana", OTHER)
    production.add(production.draft("dana"))
    check_collected(known_releases(production.project), "dana", OTHER)


@pytest.mark.parametrize(
    ("first", "second", "asked"),
    [
        ({"plates": [OTHER]}, {"plates": [PLATE]}, {"plate": PLATE}),
        ({"channels": ["cinema"]}, {"channels": ["web"]}, {}),
        ({}, {"explicit": ["words"]}, {"plate": PLATE, "has_sound": True}),
        ({"footage": [OTHER]}, {"footage": [PLATE]}, {"footage": frozenset({("dana", PLATE)})}),
        ({"label": "always shown"}, {}, {"plate": PLATE, "is_unlabelled": True}),
    ],
)
def test_of_several_releases_the_one_that_allows_it_is_found(
    production: Production, first: dict[str, Any], second: dict[str, Any], asked: dict[str, Any]
) -> None:
    production.project.settings["channels"] = ["web"]
    with_kim(production, **first)
    assert refused(production, **asked).exit_code == 3
    production.add(production.draft("dana", **second))
    newest = known_releases(production.project)[-1].digest
    permit = ask(production, **asked)
    assert newest in permit.release_digests
    require(production.project, permit, "generate", people=("dana", "kim"), at=NOON)


def test_no_two_releases_are_put_together(production: Production) -> None:
    """One allows the plate, another the sound: neither allows both."""
    with_kim(production, plates=[PLATE])
    production.add(production.draft("dana", plates=[OTHER], explicit=["words"]))
    assert refused(production, plate=PLATE, has_sound=True).exit_code == 3


def test_every_decision_is_in_the_log(production: Production) -> None:
    with_kim(production, plates=[PLATE])
    project, names = production.project, dict[str, Any](likeness="dana", performer="kim")
    asked = Particulars(plate=PLATE, is_counted=True)
    permit = decide(project, "generate", **names, particulars=asked, at=NOON)
    decide(project, "train", **names, at=NOON, is_last=False)
    with pytest.raises(ConsentError):
        decide(project, "generate", **names, particulars=Particulars(plate=OTHER), at=NOON)
    with pytest.raises(ConsentError):
        decide_prepare(project, "lee")
    granted, without_plate, without_release = list(ledger.entries(project))[2:]
    assert (granted.event, granted.facts) == (
        "permit.granted",
        {
            "action": "generate",
            "likeness": "dana",
            "performer": "kim",
            "use": "film",
            "releases": list(permit.release_digests),
            "permit": permit.digest,
            "statements": {"likeness": "not asked for", "performer": "not asked for"},
            "plate": PLATE,
            "sound": False,
            "label": True,
            "counted": True,
        },
    )
    assert (without_plate.event, without_plate.facts["code"]) == ("permit.refused", "consent.plate")
    assert (without_plate.facts["likeness"], without_plate.facts["plate"]) == ("dana", OTHER)
    assert without_release.facts == {
        "action": "prepare",
        "person": "lee",
        "use": "film",
        "code": "consent.release_missing",
    }


def test_a_refusal_with_a_date_can_be_logged(production: Production) -> None:
    production.revoke(production.add(production.draft("dana")))
    with pytest.raises(ConsentError, match="was revoked"):
        decide_prepare(production.project, "dana")
    *_, entry = ledger.entries(production.project)
    assert (entry.facts["code"], len(entry.facts["revoked_on"])) == ("consent.release_revoked", 10)


def test_a_stripped_second_signature_is_found(production: Production) -> None:
    studio = production.key("studio")
    path = production.signed(production.draft("dana", licensee_key=public_key_of(studio)))
    with pytest.raises(ConsentError, match="names a licensee's key and isn't signed with it yet"):
        add_release(production.project, path, template_of, at=NOON)
    both = countersign(read_release(path), studio)
    write_document(path, both, overwrite=True)
    add_release(production.project, path, template_of, at=NOON)
    without = document_text(both.model_copy(update={"countersignature": None}))
    production.project.database.execute("UPDATE releases SET document = ?", (without,))
    with pytest.raises(ConsentError, match="isn't signed with it yet"):
        known_releases(production.project)

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

import countenance
from countenance.consent.permit import grant, grant_prepare, require, require_unrevoked
from countenance.consent.register import known_releases
from countenance.errors import ConsentError, ProvenanceError
from countenance.types import Action, Permit
from tests.support.signing import NOON, Production

MakeProduction = Callable[..., Production]
DOORS: dict[Action, dict[str, Any]] = {
    "prepare": {"likeness": "dana"},
    "train": {"likeness": "dana", "performer": "kim"},
    "generate": {"likeness": "dana", "performer": "kim"},
}


def ask(production: Production, action: Action, at: datetime = NOON) -> Permit:
    return grant(production.project, action, **DOORS[action], at=at)


def with_both(production: Production, **changes: Any) -> Path:
    """Kim's release as performer is fine; what is changed is dana's as likeness."""
    production.add(production.draft("kim", role="performer", shade=50))
    return production.add(production.draft("dana", **changes))


@pytest.mark.parametrize("action", DOORS)
def test_valid_releases_give_a_permit(production: Production, action: Action) -> None:
    with_both(production, expires=date(2027, 10, 1))
    permit = ask(production, action)
    assert (permit.action, permit.likeness, permit.use) == (action, "dana", "film")
    assert permit.expires_at == datetime(2027, 10, 1, 23, 59, 59, 999999, tzinfo=UTC)
    digests = {known.release.subject.person: known.digest for known in known_releases(production.project)}
    people = DOORS[action].values()
    assert permit.release_digests == tuple(sorted(digests[person] for person in people))
    require(production.project, permit, action, people=tuple(people), at=NOON)


@pytest.mark.parametrize("action", DOORS)
def test_missing(production: Production, action: Action) -> None:
    production.add(production.draft("kim", role="performer"))
    with pytest.raises(ConsentError, match="there is no release of dana here"):
        ask(production, action)


@pytest.mark.parametrize("action", DOORS)
def test_unsigned(production: Production, action: Action) -> None:
    with_both(production)
    edit_stored(production, r"\nsignature = .*?\n", "\n")
    with pytest.raises(ConsentError, match="the release of dana is unsigned"):
        ask(production, action)


@pytest.mark.parametrize("action", DOORS)
def test_altered(production: Production, action: Action) -> None:
    with_both(production)
    edit_stored(production, "2027-12-31", "2037-12-31")
    with pytest.raises(ConsentError, match="the release of dana was altered since it was signed"):
        ask(production, action)


def edit_stored(production: Production, pattern: str, replacement: str) -> None:
    (text,) = production.project.database.execute("SELECT document FROM releases WHERE person = 'dana'").fetchone()
    edited, count = re.subn(pattern, replacement, text)
    assert count == 1
    production.project.database.execute("UPDATE releases SET document = ? WHERE person = 'dana'", (edited,))


@pytest.mark.parametrize("action", DOORS)
def test_expired(production: Production, action: Action) -> None:
    with_both(production, expires=date(2027, 7, 1))
    ask(production, action, at=datetime(2027, 7, 1, 23, 59, tzinfo=UTC))
    with pytest.raises(ConsentError, match="the release of dana expired on 1 July 2027; ask its owner for a new one"):
        ask(production, action, at=datetime(2027, 7, 2, tzinfo=UTC))


@pytest.mark.parametrize("action", DOORS)
def test_not_yet_valid(production: Production, action: Action) -> None:
    with_both(production, valid_from=date(2027, 5, 1))
    with pytest.raises(ConsentError, match="the release of dana is not valid before 1 May 2027"):
        ask(production, action, at=datetime(2027, 4, 30, 23, 59, tzinfo=UTC))


@pytest.mark.parametrize("action", DOORS)
def test_revoked(production: Production, action: Action) -> None:
    production.revoke(with_both(production))
    today = datetime.now(UTC)
    with pytest.raises(ConsentError, match=f"the release of dana was revoked on {today.day} {today:%B %Y}"):
        ask(production, action)


@pytest.mark.parametrize("action", DOORS)
def test_other_role(production: Production, action: Action) -> None:
    with_both(production, role="performer")
    with pytest.raises(ConsentError, match="the release of dana is for role performer, not likeness"):
        ask(production, action)


@pytest.mark.parametrize("action", DOORS)
def test_other_use(make_production: MakeProduction, action: Action) -> None:
    production = make_production(use="political")
    production.add(production.draft("kim", role="performer", uses=("political",)))
    production.add(production.draft("dana", uses=("film", "teaching")))
    with pytest.raises(ConsentError, match="the release of dana is for uses film, teaching, not political"):
        ask(production, action)


@pytest.mark.parametrize("action", DOORS)
def test_other_title(production: Production, action: Action) -> None:
    with_both(production)
    production.project.settings["title"] = "Summer"
    with pytest.raises(ConsentError, match='is for project "Winter", not "Summer"'):
        ask(production, action)


@pytest.mark.parametrize("action", DOORS)
def test_a_changed_log_gives_no_permit(production: Production, action: Action) -> None:
    with_both(production)
    production.project.database.execute("DELETE FROM log WHERE number = 2")
    with pytest.raises(ProvenanceError):
        ask(production, action)


@pytest.mark.parametrize("action", ["train", "generate"])
def test_performer_has_to_allow_it_as_well(production: Production, action: Action) -> None:
    with_both(production)
    production.revoke(production.folder / "kim-performer.release.toml")
    with pytest.raises(ConsentError, match="the release of kim was revoked"):
        ask(production, action)


@pytest.mark.parametrize(
    ("action", "people"),
    [
        ("prepare", {}),
        ("prepare", {"likeness": "dana", "performer": "kim"}),
        ("train", {"likeness": "dana"}),
        ("generate", {"performer": "kim"}),
        ("generate", {}),
    ],
)
def test_nobody_is_left_out(production: Production, action: Action, people: dict[str, Any]) -> None:
    with_both(production)
    with pytest.raises(ConsentError, match=f"to {action}, expected"):
        grant(production.project, action, **people, at=NOON)


def test_permit_digest_has_no_time_in_it_and_all_that_was_permitted(production: Production) -> None:
    with_both(production)
    permits = [ask(production, action) for action in DOORS]
    later = [ask(production, action, at=datetime(2027, 11, 1, tzinfo=UTC)) for action in DOORS]
    assert permits == later
    as_performer = grant(production.project, "prepare", performer="kim", at=NOON)
    assert len({permit.digest for permit in (*permits, as_performer)}) == 4


def test_a_permit_says_whose_release_calls_them_synthetic(production: Production) -> None:
    production.add(production.draft("dana", synthetic=True))
    production.add(production.draft("kim", role="performer"))
    assert grant(production.project, "train", likeness="dana", performer="kim", at=NOON).synthetic == ("likeness",)
    assert grant(production.project, "prepare", performer="kim", at=NOON).synthetic == ()


def test_permit_stays_the_same_while_its_releases_hold(production: Production) -> None:
    with_both(production)
    before = ask(production, "train")
    production.add(production.draft("dana", expires=date(2030, 1, 1), shade=70))
    assert ask(production, "train") == before
    after = ask(production, "train", at=datetime(2027, 12, 31, 12, tzinfo=UTC))
    assert after == before


def test_a_newer_release_takes_over(production: Production) -> None:
    production.add(production.draft("dana", expires=date(2027, 7, 1)))
    production.add(production.draft("dana", expires=date(2030, 1, 1)))
    assert ask(production, "prepare", at=datetime(2029, 1, 1, tzinfo=UTC)).expires_at.year == 2030
    with pytest.raises(ConsentError, match="expired on 1 January 2030"):
        ask(production, "prepare", at=datetime(2031, 1, 1, tzinfo=UTC))


def test_prepare_in_the_role_that_was_released(production: Production) -> None:
    production.add(production.draft("dana", role="likeness"))
    production.add(production.draft("kim", role="performer"))
    assert grant_prepare(production.project, "dana", at=NOON).likeness == "dana"
    assert grant_prepare(production.project, "kim", at=NOON).performer == "kim"
    with pytest.raises(ConsentError, match="there is no release of lee here"):
        grant_prepare(production.project, "lee", at=NOON)
    likeness = production.folder / "dana-likeness.release.toml"
    production.add(production.draft("dana", role="performer"))
    production.revoke(likeness)
    assert grant_prepare(production.project, "dana", at=NOON).performer == "dana"
    production.revoke(production.folder / "dana-performer.release.toml")
    with pytest.raises(ConsentError, match="the release of dana was revoked"):
        grant_prepare(production.project, "dana", at=NOON)


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "00" * 32},
        {"use": "political"},
        {"release_digests": ()},
        {"expires_at": datetime(2099, 1, 1, tzinfo=UTC)},
    ],
)
def test_permit_made_by_hand_does_not_pass(production: Production, change: dict[str, Any]) -> None:
    with_both(production)
    permit = replace(ask(production, "train"), **change)
    with pytest.raises(ConsentError, match="is not the one that the project's releases give now"):
        require(production.project, permit, "train", people=("dana", "kim"), at=NOON)


def test_permit_is_for_one_action_and_these_people(production: Production) -> None:
    with_both(production)
    permit = ask(production, "train")
    with pytest.raises(ConsentError, match="expected a permit to generate, got one to train"):
        require(production.project, permit, "generate", people=("dana", "kim"), at=NOON)
    for people in (("kim", "dana"), ("dana",), ("dana", "lee"), ()):
        with pytest.raises(ConsentError, match="got one for dana and kim"):
            require(production.project, permit, "train", people=people, at=NOON)


def test_permit_that_was_kept_too_long_does_not_pass(production: Production) -> None:
    with_both(production)
    permit = ask(production, "train")
    with pytest.raises(ConsentError, match="expired on 31 December 2027"):
        require(production.project, permit, "train", people=("dana", "kim"), at=datetime(2028, 1, 1, tzinfo=UTC))


def test_permit_from_before_a_revocation_does_not_pass(production: Production) -> None:
    path = with_both(production)
    permit = ask(production, "generate")
    production.revoke(path)
    with pytest.raises(ConsentError, match="the release of dana was revoked"):
        require(production.project, permit, "generate", people=("dana", "kim"), at=NOON)


def test_what_was_learned_under_a_revoked_release_is_not_used(production: Production) -> None:
    path = with_both(production)
    digests = ask(production, "train").release_digests
    require_unrevoked(production.project, digests, what="this model", again="train a new one")
    with pytest.raises(ConsentError, match="which this project doesn't know"):
        require_unrevoked(production.project, (*digests, "ab" * 32), what="this model", again="train a new one")
    with pytest.raises(ConsentError, match="names no release"):
        require_unrevoked(production.project, (), what="this model", again="train a new one")
    production.revoke(path)
    with pytest.raises(ConsentError, match="the release of dana was revoked"):
        require_unrevoked(production.project, digests, what="this model", again="train a new one")


def test_permits_are_made_in_one_place() -> None:
    source = Path(countenance.__file__).parent
    makers = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and "Permit" in (getattr(node.func, "id", None), getattr(node.func, "attr", None))
    }
    assert makers == {"consent/permit.py"}

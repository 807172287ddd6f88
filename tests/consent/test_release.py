import os
import re
import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import tomli_w
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from countenance.consent.document import document_text, parse_document, read_document, read_release, write_document
from countenance.consent.drafting import countersign, new_release, new_revocation, sign
from countenance.consent.keys import load_key, make_key, public_key_of
from countenance.consent.release import (
    EXPLICIT,
    PERSON_PATTERN,
    ROLES,
    USES,
    Approval,
    DataUse,
    Disclosure,
    LabelTerms,
    Licensee,
    Reference,
    Release,
    RevocationTerms,
    Scope,
    Subject,
    Term,
    check_countersigned,
    check_person,
    check_references,
    check_revocation,
    check_signature,
    check_term,
    check_use,
    digest_of,
)
from countenance.consent.summary import summary_of
from countenance.errors import ConsentError, MediaError, UsageError
from tests.support.signing import Production

Table = dict[str, Any]
DATA = Path(__file__).parent.parent / "data"


def test_release_survives_the_disk(production: Production) -> None:
    release = sign(production.draft(uses=("film", "teaching"), title='Ä "Winter" \\'), production.key("dana"))
    path = production.write(release)
    assert read_document(path) == release
    check_signature(read_release(path))


def test_layout_of_the_file_does_not_matter(production: Production) -> None:
    path = production.signed(production.draft())
    before = read_release(path)
    fields = tomllib.loads(path.read_text())
    path.write_text("# a note\n\n" + tomli_w.dumps(dict(sorted(fields.items())), indent=1))
    after = read_release(path)
    check_signature(after)
    assert digest_of(after) == digest_of(before)


def leaves(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a document single values are."""
    if isinstance(value, dict):
        return [leaf for key, each in value.items() for leaf in leaves(each, (*where, key))]
    if isinstance(value, list):
        return [leaf for key, each in enumerate(value) for leaf in leaves(each, (*where, key))]
    return [where]


def change(value: Any) -> Any:
    """Another value that the field can have, if there is one."""
    others: dict[Any, Any] = {"likeness": "performer", "film": "political"}
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, date):
        return value + timedelta(days=1)
    if value in others:
        return others[value]
    return ("1" if value[0] == "0" else "0") + value[1:]


def test_a_change_of_any_field_is_found(production: Production) -> None:
    path = production.signed(production.draft())
    text = path.read_text()
    found = leaves(tomllib.loads(text))
    assert len(found) == 39
    for *parents, last in found:
        fields = tomllib.loads(text)
        table = fields
        for key in parents:
            table = table[key]
        table[last] = change(table[last])
        with pytest.raises(ConsentError):
            check_signature(parse_release(fields))


def parse_release(fields: Table) -> Release:
    document = parse_document(tomli_w.dumps(fields), "dana.release.toml")
    assert isinstance(document, Release)
    return document


def test_a_longer_term_is_found(production: Production) -> None:
    path = production.signed(production.draft())
    path.write_text(path.read_text().replace("2027-12-31", "2037-12-31"))
    with pytest.raises(ConsentError, match="altered since it was signed"):
        check_signature(read_release(path))


def test_a_signature_by_somebody_else_is_found(production: Production) -> None:
    release = sign(production.draft(), production.key("dana"))
    other = sign(release.model_copy(update={"subject": production.draft().subject}), production.key("kim"))
    forged = release.model_copy(update={"signature": other.signature})
    with pytest.raises(ConsentError, match="altered since it was signed, or signed with another key"):
        check_signature(forged)


def test_an_unsigned_release_is_told(production: Production) -> None:
    with pytest.raises(ConsentError, match="unsigned; its owner runs `countenance release sign`"):
        check_signature(production.draft())


def test_nobody_signs_for_somebody_else(production: Production) -> None:
    signed = sign(production.draft(), production.key("dana"))
    with pytest.raises(ConsentError, match="was signed with another key"):
        sign(signed, production.key("kim"))
    assert sign(signed, production.key("dana")) == signed


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda f: f.pop("role"), "role is missing"),
        (lambda f: f["subject"].pop("adult_attested"), "subject.adult_attested is missing"),
        (lambda f: f["data"].pop("biometric_processing"), "data.biometric_processing is missing"),
        (lambda f: f["term"].pop("expires"), "term.expires is missing"),
        (lambda f: f.update(note="!"), "note is unknown"),
        (lambda f: f["scope"].update(forever=True), "scope.forever is unknown"),
        (lambda f: f.update({"\x1b[2J": 1}), r"'\\x1b\[2J' is unknown"),
        (lambda f: f["subject"].update(adult_attested=False), "subject.adult_attested"),
        (lambda f: f["subject"].update(synthetic="yes"), "subject.synthetic"),
        (lambda f: f["subject"].update(person="Dana Scully"), "subject.person"),
        (lambda f: f["data"].update(third_party_training=True), "data.third_party_training"),
        (lambda f: f["scope"].update(uses=["intimate"]), "scope.uses.0"),
        (lambda f: f["scope"].update(uses=[]), "scope.uses"),
        (lambda f: f["scope"].update(uses=["film", "film"]), "each use once"),
        (lambda f: f["scope"].update(project="Win\x1bter"), "control characters"),
        (lambda f: f["term"].update(expires=date(2026, 1, 1)), "before it begins"),
        (lambda f: f["term"].update(expires="soon"), "term.expires"),
        (lambda f: f.update(references=[]), "references"),
        (lambda f: f["references"][0].update(file="../dana.png"), "within the document's own folder"),
        (lambda f: f["references"][0].update(file="/etc/passwd"), "within the document's own folder"),
        (lambda f: f["references"][0].update(sha256="AB"), "references.0.sha256"),
        (lambda f: f.update(version=3), "version"),
        (lambda f: f.update(role="witness"), "role"),
        (lambda f: f.update(kind="contract"), "expected kind = \"release\" or .*, got 'contract'"),
        (lambda f: f.pop("kind"), "got None"),
        (lambda f: f.update(kind=["release"]), r"got \['release'\]"),
    ],
)
def test_what_is_no_release_is_told_in_one_line(
    production: Production, edit: Callable[[Table], object], words: str
) -> None:
    fields = tomllib.loads(production.signed(production.draft()).read_text())
    edit(fields)
    with pytest.raises(ConsentError, match=words) as caught:
        parse_release(fields)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("content", [b"[dana", b"\xff\xd8\xff\xe0", b"", b"a=" + b"[" * 5000])
def test_a_file_that_is_no_document_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "dana.release.toml"
    path.write_bytes(content)
    with pytest.raises(ConsentError, match=re.escape(str(path))):
        read_document(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_document(tmp_path / "dana.release.toml")


def test_term_is_through_the_whole_last_day(production: Production) -> None:
    release = production.draft(valid_from=date(2027, 1, 1), expires=date(2027, 12, 31))
    check_term(release, datetime(2027, 1, 1, tzinfo=UTC))
    check_term(release, datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC))
    with pytest.raises(ConsentError, match="expired on 31 December 2027"):
        check_term(release, datetime(2028, 1, 1, tzinfo=UTC))
    with pytest.raises(ConsentError, match="not valid before 1 January 2027"):
        check_term(release, datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
    check_term(production.draft(expires=date.max), datetime(9999, 12, 31, 23, tzinfo=UTC))


def test_reference_pictures_are_those_that_were_signed(production: Production) -> None:
    release = production.draft(shade=100)
    picture = production.folder / "dana100.png"
    assert check_references(release, production.folder) == [picture]
    production.picture("dana100.png", shade=101)
    with pytest.raises(ConsentError, match="is not the picture that the release of dana names"):
        check_references(release, production.folder)
    picture.unlink()
    with pytest.raises(ConsentError, match="can't read the reference picture"):
        check_references(release, production.folder)


def test_reference_pictures_lie_beside_the_release(production: Production, tmp_path: Path) -> None:
    (tmp_path / "documents" / "deeper").mkdir()
    elsewhere = Production(project=production.project, folder=tmp_path / "documents" / "deeper")
    release = elsewhere.draft()
    assert release.references[0].file == "dana100.png"
    with pytest.raises(UsageError, match="should be in the folder of the release"):
        new_from(elsewhere.folder, production.picture("dana.png"))
    with pytest.raises(UsageError, match="can't read the reference picture"):
        new_from(production.folder, production.folder / "missing.png")
    assert new_from(production.folder, elsewhere.folder / "dana100.png").references[0].file == "deeper/dana100.png"


def test_a_pipe_in_place_of_a_release_or_its_reference_picture_is_not_waited_for(
    production: Production, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(MediaError, match="is a pipe"):
        read_document(pipe)
    release = new_from(production.folder, production.picture("dana.png"))
    picture = production.folder / release.references[0].file
    picture.unlink()
    os.mkfifo(picture)
    with pytest.raises(MediaError, match="is a pipe"):
        check_references(release, production.folder)


def new_from(folder: Path, picture: Path) -> Release:
    return new_release(
        "dana",
        role="likeness",
        references=[picture],
        uses=["film"],
        project="Winter",
        expires=date(2090, 1, 1),
        folder=folder,
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"person": "Dana"}, "short name"),
        ({"person": "../dana"}, "short name"),
        ({"person": "dana\n"}, "short name"),
        ({"role": "witness"}, "expected the role likeness or performer"),
        ({"uses": ["intimate"]}, "expected one of the uses film, documentary"),
        ({"uses": []}, "scope.uses"),
        ({"title": "two\nlines"}, "control characters"),
        ({"expires": date(2020, 1, 1)}, "before it begins"),
    ],
)
def test_a_draft_with_impossible_values_is_wrong_use(
    production: Production, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        production.draft(**changes)


def test_names_and_uses() -> None:
    for name in ("dana", "0-dana_2", "d" * 64):
        check_person(name)
    for name in ("", "-dana", "d" * 65, "däna", "dana.x"):
        with pytest.raises(UsageError):
            check_person(name)
    check_use("political")
    with pytest.raises(UsageError):
        check_use("Film")


def test_a_release_of_the_first_version_is_read_as_it_was_signed() -> None:
    release = read_release(DATA / "release-1" / "dana.release.toml")
    check_signature(release)
    assert digest_of(release) == "6ccd8d5067ad55834c9daa2764dcc98e6aa1ca1c845904e1c6b078ff6d082694"
    assert tomllib.loads(document_text(release))["version"] == 1
    assert (release.version, release.first_version) == (2, 1)
    assert release.scope.explicit == ("political", "words")
    assert release.scope.remarks == "Channels, in words: cinema only"
    assert not release.approval.needed


def test_a_change_of_any_field_of_the_first_version_is_found() -> None:
    text = (DATA / "release-1" / "dana.release.toml").read_text()
    for *parents, last in leaves(tomllib.loads(text)):
        fields = tomllib.loads(text)
        table = fields
        for key in parents:
            table = table[key]
        table[last] = change(table[last])
        with pytest.raises(ConsentError):
            check_signature(parse_release(fields))


def test_the_first_version_has_no_fields_of_the_second() -> None:
    fields = tomllib.loads((DATA / "release-1" / "dana.release.toml").read_text())
    with pytest.raises(ConsentError, match="approval is unknown in a release of version 1"):
        parse_release(fields | {"approval": {"needed": False}})
    with pytest.raises(ConsentError, match="scope is missing"):
        parse_release({name: value for name, value in fields.items() if name != "scope"})


def test_a_draft_of_the_first_version_is_signed_in_the_present_form() -> None:
    fields = tomllib.loads((DATA / "release-1" / "dana.release.toml").read_text())
    del fields["signature"], fields["subject"]["public_key"]
    signed = sign(parse_release(fields), KEY)
    check_signature(signed)
    assert tomllib.loads(document_text(signed))["version"] == 2
    assert signed.summary == summary_of(signed)


def test_plain_words_that_are_not_what_the_fields_say_are_not_signed(production: Production) -> None:
    draft = production.draft()
    other = draft.model_copy(update={"approval": Approval(needed=not draft.approval.needed)})
    with pytest.raises(ConsentError, match="the plain words in the release of dana aren't what its fields say"):
        sign(other, production.key("dana"))


def test_what_needs_a_line_of_its_own_is_not_implied(production: Production) -> None:
    with pytest.raises(UsageError, match="political use needs a line of its own"):
        production.draft(uses=("political",), explicit=())


def test_a_licensee_signs_after_the_person(production: Production) -> None:
    studio = production.key("studio")
    draft = production.draft(licensee_key=public_key_of(studio))
    signed = sign(draft, production.key("dana"))
    with pytest.raises(ConsentError, match="names a licensee's key and isn't signed with it yet"):
        check_countersigned(signed)
    with pytest.raises(ConsentError, match="names another licensee's key"):
        countersign(signed, production.key("kim"))
    with pytest.raises(ConsentError, match="is unsigned"):
        countersign(draft, studio)
    both = countersign(signed, studio)
    check_countersigned(both)
    assert digest_of(both) == digest_of(signed)
    forged = both.model_copy(update={"countersignature": signed.signature})
    with pytest.raises(ConsentError, match="the licensee's second signature"):
        check_countersigned(forged)


def test_documents_are_not_written_over(production: Production) -> None:
    path = production.write(production.draft())
    before = path.read_bytes()
    with pytest.raises(UsageError, match="--overwrite"):
        write_document(path, production.draft(title="Summer"), overwrite=False)
    assert path.read_bytes() == before


def test_revocation_comes_from_the_owner(production: Production) -> None:
    release = sign(production.draft(), production.key("dana"))
    revocation = new_revocation(release, production.key("dana"), reason="changed my mind")
    check_revocation(revocation, release)
    with pytest.raises(ConsentError, match="was signed with another key"):
        new_revocation(release, production.key("kim"))
    with pytest.raises(ConsentError, match="the revocation by dana was altered"):
        check_revocation(revocation.model_copy(update={"reason": None}), release)
    with pytest.raises(ConsentError, match="unsigned; its owner runs `countenance release revoke`"):
        check_revocation(revocation.model_copy(update={"signature": None}), release)
    with pytest.raises(ConsentError, match="for another release"):
        check_revocation(revocation, sign(production.draft(title="Summer"), production.key("dana")))
    with pytest.raises(UsageError, match="reason"):
        new_revocation(release, production.key("dana"), reason="two\nlines")


def test_key_is_private_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "dana.key"
    make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    with pytest.raises(UsageError, match="never written over"):
        make_key(path)
    assert path.read_bytes() == before
    with pytest.raises(UsageError, match="can't write"):
        make_key(tmp_path / "missing" / "dana.key")


def test_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    make_key(tmp_path / "dana.key")
    (tmp_path / "dana.key").chmod(0o644)
    with pytest.raises(ConsentError, match="chmod 600"):
        load_key(tmp_path / "dana.key")


@pytest.mark.parametrize("kind", ["another curve", "passphrase", "public", "text", "missing"])
def test_what_is_no_key_is_told(tmp_path: Path, kind: str) -> None:
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    ours = Ed25519PrivateKey.generate()
    contents = {
        "another curve": ec.generate_private_key(ec.SECP256R1()).private_bytes(
            pem, pkcs8, serialization.NoEncryption()
        ),
        "passphrase": ours.private_bytes(pem, pkcs8, serialization.BestAvailableEncryption(b"secret")),
        "public": ours.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo),
        "text": b"not a key",
    }
    path = tmp_path / "dana.key"
    if kind in contents:
        path.write_bytes(contents[kind])
        path.chmod(0o600)
    with pytest.raises((ConsentError, UsageError), match=r"expected an Ed25519 private key|can't read the key"):
        load_key(path)


KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PRINTABLE = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
LINES = st.text(PRINTABLE, min_size=1, max_size=60)
DAYS = st.dates(min_value=date(1900, 1, 1))
HEX256 = st.binary(min_size=32, max_size=32).map(bytes.hex)
RELEASES = st.builds(
    Release,
    kind=st.just("release"),
    version=st.just(2),
    id=st.uuids().map(str),
    role=st.sampled_from(ROLES),
    subject=st.builds(
        Subject,
        person=st.from_regex(PERSON_PATTERN, fullmatch=True),
        adult_attested=st.just(True),
        synthetic=st.booleans(),
        public_key=st.none(),
    ),
    references=st.lists(
        st.builds(Reference, file=st.from_regex(r"[a-zé ]{1,8}/[a-z0-9]{1,8}\.png", fullmatch=True), sha256=HEX256),
        min_size=1,
        max_size=3,
    ).map(tuple),
    language=st.just("en"),
    summary=st.lists(LINES, min_size=1, max_size=3).map(tuple),
    licensee=st.builds(Licensee, name=LINES, contact=st.none() | LINES, public_key=st.none() | HEX256),
    scope=st.lists(st.sampled_from(USES), min_size=1, unique=True).flatmap(
        lambda uses: st.builds(
            Scope,
            project=LINES,
            uses=st.just(tuple(uses)),
            explicit=st.just(tuple(use for use in uses if use in EXPLICIT)),
            prohibited=st.none() | LINES,
            plates=st.lists(HEX256, max_size=2).map(tuple),
            channels=st.just(()) | st.just(("cinema", "web")),
            territory=st.none() | LINES,
            remarks=st.none() | LINES,
        )
    ),
    term=st.tuples(DAYS, DAYS, st.none() | st.integers(1, 9)).map(
        lambda drawn: Term(valid_from=min(drawn[:2]), expires=max(drawn[:2]), num_outputs=drawn[2])
    ),
    data=st.builds(
        DataUse,
        biometric_processing=st.just(True),
        third_party_training=st.just(False),
        transferable=st.just(False),
        footage=st.lists(HEX256, max_size=2).map(tuple),
        kept_until=st.none() | DAYS,
    ),
    disclosure=st.builds(
        Disclosure, label=st.sampled_from(get_args(LabelTerms)), credentials=st.just(True), watermark=st.just(True)
    ),
    approval=st.builds(Approval, needed=st.booleans()),
    revocation=st.builds(RevocationTerms, how=LINES, contact=st.none() | LINES),
    signature=st.none(),
    countersignature=st.none(),
).map(lambda drawn: drawn.model_copy(update={"summary": summary_of(drawn)}))


@given(RELEASES)
def test_any_release_comes_back_from_its_text_with_its_signature_valid(draft: Release) -> None:
    release = sign(draft, KEY)
    read = parse_document(document_text(release), "a release")
    assert isinstance(read, Release)
    assert read == release
    assert digest_of(read) == digest_of(release)
    check_signature(read)


@given(RELEASES, LINES)
def test_any_release_with_a_longer_title_has_lost_its_signature(draft: Release, more: str) -> None:
    release = sign(draft, KEY)
    scope = release.scope.model_copy(update={"project": release.scope.project + more})
    altered = release.model_copy(update={"scope": scope})
    with pytest.raises(ConsentError):
        check_signature(altered)


@given(st.text(max_size=200))
def test_any_text_is_a_document_or_is_refused(text: str) -> None:
    with pytest.raises(ConsentError, match="a release"):
        parse_document(text, "a release")

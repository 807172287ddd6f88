"""The page of a release: whole, without a network, and nothing but what was or will be signed."""

import base64
import html
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from countenance.consent.document import read_release, write_document
from countenance.consent.drafting import countersign, new_revocation
from countenance.consent.keys import fingerprint_of, public_key_of
from countenance.consent.page import LABELS, release_page, sections_of
from countenance.consent.release import Approval, Release, Revocation, digest_of, written_fields
from countenance.errors import ConsentError
from tests.support.signing import Production

RELEASE_1 = Path(__file__).parents[1] / "data" / "release-1" / "dana.release.toml"
EVERYTHING: dict[str, Any] = {
    "explicit": ["words", "political"],
    "prohibited": "anything that sells <tobacco>",
    "plates": ["ab" * 32],
    "channels": ["cinema", "web"],
    "territory": "EU",
    "remarks": "as agreed in May",
    "num_outputs": 3,
    "footage": ["cd" * 32],
    "kept_until": date(2028, 1, 31),
    "approval": True,
    "licensee": "Winter Films Ltd",
    "licensee_contact": "office@winter.example",
    "representation": "the actors' union",
    "contact": "dana@example.org",
}


def page_of(path: Path, revocation: Revocation | None = None) -> str:
    return release_page(read_release(path), path, revocation=revocation, made_on=date(2027, 6, 1), version="1")


def text_of(page: str) -> str:
    """What a reader sees."""
    body = page.split("</style>")[1]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def leaves(fields: dict[str, Any]) -> Iterator[Any]:
    for value in fields.values():
        if isinstance(value, dict):
            yield from leaves(value)
        else:
            yield from value if isinstance(value, list | tuple) else [value]


def shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value.day} {value:%B %Y}" if isinstance(value, date) else str(value)


def check_whole(page: str, release: Release) -> None:
    text = text_of(page)
    for value in leaves(written_fields(release)):
        for each in value.values() if isinstance(value, dict) else [value]:
            assert shown(each) in text


def test_all_that_is_signed_is_on_the_page(production: Production) -> None:
    studio = production.key("studio")
    draft = production.draft("dana", licensee_key=public_key_of(studio), **EVERYTHING)
    assert None not in leaves(draft.model_dump(exclude={"signature", "countersignature", "subject"}))
    path = production.signed(draft)
    page = page_of(path)
    assert "Winter Films Ltd has to sign as well" in text_of(page)
    write_document(path, countersign(read_release(path), studio), overwrite=True)
    release = read_release(path)
    page, text = page_of(path), text_of(page_of(path))
    check_whole(page, release)
    places = [text.index(sentence) for sentence in release.summary]
    assert places == sorted(places)
    assert "Signed by dana and Winter Films Ltd." in text
    assert release.subject.public_key is not None
    for key in (release.subject.public_key, public_key_of(studio)):
        assert fingerprint_of(key) in text
    assert digest_of(release) in text
    assert "countenance release revoke dana-likeness.release.toml --key dana.key" in text
    assert "to dana@example.org." in text
    assert "How to sign" not in text


def test_a_draft_says_that_it_is_one_and_how_to_sign(production: Production) -> None:
    path = production.write(production.draft("dana"))
    text = text_of(page_of(path))
    check_whole(page_of(path), read_release(path))
    assert "Not signed." in text
    assert "countenance release sign dana-likeness.release.toml --key dana.key" in text
    assert "countenance release key dana.key" in text
    # Signing puts the key in, so that the draft's digest would name nothing.
    assert "Digest of the release none before it is signed" in text


def test_a_revoked_one_says_when_and_why(production: Production) -> None:
    path = production.signed(production.draft("dana"))
    revocation = new_revocation(read_release(path), production.key("dana"), reason="I changed my mind")
    text = text_of(page_of(path, revocation))
    today = revocation.revoked_on
    assert f"Revoked on {today.day} {today:%B %Y}." in text
    assert "Reason: I changed my mind" in text
    assert "How to revoke" not in text.split("Every field")[0].replace("How to revoke Run", "")
    other = new_revocation(read_release(production.signed(production.draft("kim"))), production.key("kim"))
    with pytest.raises(ConsentError, match="for another release"):
        page_of(path, other)


def test_the_first_form_has_a_page_of_its_own_fields(tmp_path: Path) -> None:
    del tmp_path
    text = text_of(page_of(RELEASE_1))
    check_whole(page_of(RELEASE_1), read_release(RELEASE_1))
    assert "signed in the first form, which had no plain words" in text
    assert "The face of dana may be put onto another person's performance, by computer." in text
    assert "Only these channels cinema only" in text
    assert "Watermark in the picture" not in text
    assert "Lines of their own" not in text
    assert 'It is for "Winter" by the production of "Winter"' in text


def test_it_asks_nothing_of_a_network_and_runs_nothing(production: Production) -> None:
    page = page_of(production.write(production.draft("dana", **EVERYTHING)))
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:)|url\(|@import", page)
    assert "sells &lt;tobacco&gt;" in page
    (picture,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert base64.b64decode(picture)[:2] == b"\xff\xd8"


def test_no_page_of_what_was_changed(production: Production) -> None:
    draft = production.draft("dana")
    other = draft.model_copy(update={"approval": Approval(needed=not draft.approval.needed)})
    with pytest.raises(ConsentError, match="aren't what its fields say"):
        page_of(production.write(other))
    path = production.signed(draft)
    path.write_text(path.read_text().replace("2027-12-31", "2037-12-31"))
    with pytest.raises(ConsentError, match="was altered since it was signed"):
        page_of(path)
    path = production.signed(draft)
    production.picture("dana100.png", 7)
    with pytest.raises(ConsentError, match="is not the picture"):
        page_of(path)


def test_every_field_has_a_name_for_people(production: Production) -> None:
    release = read_release(production.signed(production.draft("dana", **EVERYTHING)))
    assert [title for title, _ in sections_of(release)] == list(LABELS)


def test_a_field_without_a_name_is_shown_under_its_own(production: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = "scope.prohibited"
    labels = {title: {path: each for path, each in those.items() if path != missing} for title, those in LABELS.items()}
    monkeypatch.setattr("countenance.consent.page.LABELS", labels)
    draft = production.draft("dana", **EVERYTHING)
    title, (row,) = sections_of(draft)[-1]
    assert (title, row.label, row.lines) == ("More", missing, (draft.scope.prohibited,))

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "safeguards.md").read_text()


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 25
    for path, name in named:
        content = (ROOT / path).read_text()
        assert not name or f"def {name}(" in content, f"{path}::{name}"


def test_every_attack_has_a_test_or_says_that_it_is_open() -> None:
    rows = re.findall(r"^\| S(\d+) .*\|$", PAGE, re.MULTILINE)
    assert [int(number) for number in rows] == list(range(1, 49))
    for row in PAGE.splitlines():
        if row.startswith("| S"):
            assert ("tests/" in row) != ("not closed yet" in row)


def test_every_requirement_has_a_test() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\|$", PAGE, re.MULTILINE)
    assert [int(number) for number in rows] == list(range(1, 18))
    assert all("tests/" in row for row in PAGE.splitlines() if re.match(r"\| \d+ \|", row))

"""Codes are a promise to programs: each is documented, and each that is used is known."""

import ast
import copy
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

import countenance
from countenance import errors
from countenance.errors import CODES, ConsentError, CountenanceError, FaceError, MediaError

SOURCE = Path(countenance.__file__).parent
CLASSES = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, CountenanceError)]


def used_codes() -> Iterator[tuple[str, str, Path]]:
    """Each code that is given when an error is raised, with the class of the error and the file."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "specify" and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value), name, path
            for keyword in node.keywords:
                if name.endswith("Error") and keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value), name, path


def test_each_code_that_is_used_is_known_and_belongs_to_its_class() -> None:
    used = list(used_codes())
    assert len(used) > 20
    by_name = {each.__name__: each for each in CLASSES}
    for code, name, path in used:
        assert code in CODES, path
        if name in by_name:
            assert code.split(".")[0] == by_name[name].code, path


def test_each_class_has_a_code_of_its_own() -> None:
    codes = [each.code for each in CLASSES if each is not CountenanceError]
    assert len(set(codes)) == len(codes)
    assert set(codes) < set(CODES)


def test_an_error_carries_code_and_facts_also_between_processes() -> None:
    error = ConsentError("the release of dana expired", code="consent.release_expired", person="dana")
    for same in (error, copy.copy(error), pickle.loads(pickle.dumps(error)), error.rephrased(str(error))):
        assert (type(same), str(same)) == (ConsentError, "the release of dana expired")
        assert (same.code, same.facts, same.exit_code) == ("consent.release_expired", {"person": "dana"}, 3)
    assert (FaceError("no face").code, FaceError("no face").facts) == ("face", {})


def test_an_exact_code_is_never_replaced_by_a_rougher_one() -> None:
    rough = MediaError("damaged")
    rough.specify("media.unreadable", path="a.mp4")
    assert (rough.code, rough.facts) == ("media.unreadable", {"path": "a.mp4"})
    exact = MediaError("no such file", code="media.missing", path="b.mp4")
    exact.specify("media.unreadable", path="a.mp4")
    assert (exact.code, exact.facts) == ("media.missing", {"path": "b.mp4"})


@pytest.mark.parametrize("code", CODES)
def test_each_code_stands_in_the_docs(code: str) -> None:
    page = (Path(__file__).parents[1] / "docs" / "errors.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{code}` |")]
    roots = {each.code: each.exit_code for each in CLASSES} | {"system": 4, "job": "–", "stopped": 130, "bug": 70}
    exit_code = roots[code.split(".", maxsplit=1)[0]]
    assert row == f"| `{code}` | {exit_code} | {CODES[code]} |"

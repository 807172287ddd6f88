"""Packages below the command line log through `logging`, sparsely, and never whose face it is."""

import ast
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import countenance
from countenance import ledger
from countenance.project import Project

SOURCE = Path(countenance.__file__).parent
PRIVATE = {"person", "likeness", "performer", "people", "name", "title", "reason", "face", "embedding", "landmarks_xyz"}
"""Names of values that show who somebody is, or how they look."""
SHOWS = {"cli", "demo", "bench", "actors"}
"""Packages that may print: they are the surface, or run as processes of their own that answer in lines."""


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield node


def test_no_log_line_is_given_a_name_or_a_face() -> None:
    logged = [
        call for path in SOURCE.rglob("*.py") for call in calls(path) if ast.unparse(call.func).startswith("_log.")
    ]
    assert len(logged) > 5
    for call in logged:
        names = {node.id for node in ast.walk(call) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)}
        assert not names & PRIVATE, ast.unparse(call)


def test_nothing_below_the_command_line_prints_or_adds_handlers() -> None:
    for path in SOURCE.rglob("*.py"):
        if path.relative_to(SOURCE).parts[0] in SHOWS:
            continue
        for call in calls(path):
            assert not (isinstance(call.func, ast.Name) and call.func.id == "print"), path
            assert not (isinstance(call.func, ast.Attribute) and call.func.attr in ("addHandler", "basicConfig")), path


def test_what_is_logged_can_be_followed(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="countenance"), project.transaction():
        ledger.append(project, "prepared", {"face_set": "secret"})
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("countenance.ledger", "log entry 1: prepared")
    ]

"""Each table has one owner, the only module with statements on it, and the schema comes from files by package."""

import ast
import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import countenance
from countenance.database import DATABASE_NAME, MIGRATIONS, connected_to_read, migrations, schema_of, todays_schema
from countenance.project import Project

SOURCE = Path(countenance.__file__).parent
OWNERS = {
    "answers": "faces/answers.py",
    "approvals": "consent/approvals.py",
    "clips": "footage.py",
    "face_sets": "faces/faceset.py",
    "faces": "faces/store.py",
    "hidden_faces": "faces/store.py",
    "log": "ledger.py",
    "overviews": "faces/store.py",
    "passed_footage": "gates.py",
    "people": "consent/register.py",
    "published": "provenance/publish.py",
    "releases": "consent/register.py",
    "runs": "runs.py",
    "scans": "faces/store.py",
    "statements": "consent/statement.py",
    "stretches": "faces/store.py",
    "timelines": "footage.py",
    "tracks": "faces/store.py",
}
OPEN_DATABASES = {"database.py", "project.py"}
"""Set pragmas, migrate, begin and end transactions; name no table."""
USERS_OWN = {"provenance/store.py"}
"""Have a database of the user's, outside of any project."""

STATEMENT = re.compile(r"\b(SELECT|INSERT INTO|INSERT OR|UPDATE|DELETE FROM|CREATE|DROP|ALTER|FROM|JOIN|INTO)\b")

RELEASED = {
    1: "961315362f331d47727303b81df854bab2c2e4977d76d9be55ca2f94e232272b",
    2: "1ab82ab6ce631b966360862834d12595296a1916f72b7e11a4b8efefea8c6f36",
    3: "c889c66797e2b9d89825674d9f9f923d43ca1450314f8e2af93fbcbf88d2fb05",
}
"""Digest of all tables and indexes after each schema that was released."""


def tables_named(code: str) -> Iterator[str]:
    """The tables in the SQL of a module, docstrings apart."""
    tree = ast.parse(code)
    docstrings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docstrings:
            continue
        if STATEMENT.search(node.value):
            yield from (table for table in OWNERS if re.search(rf"\b{table}\b", node.value))


def executes(code: str) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in ("execute", "executemany", "executescript")
        for node in ast.walk(ast.parse(code))
    )


def test_the_list_of_owners_is_whole(project: Project) -> None:
    rows = project.database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    assert sorted(name for (name,) in rows) == sorted(OWNERS)


def test_statements_stand_with_the_owner_of_their_tables() -> None:
    astray = [
        f"{path.relative_to(SOURCE).as_posix()} names {table}, which {OWNERS[table]} owns"
        for path in SOURCE.rglob("*.py")
        for table in tables_named(path.read_text(encoding="utf-8"))
        if path.relative_to(SOURCE).as_posix() != OWNERS[table]
    ]
    assert astray == []


def test_only_owners_of_tables_execute_statements() -> None:
    executing = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if executes(path.read_text(encoding="utf-8"))
    }
    assert executing == {*OWNERS.values(), *OPEN_DATABASES, *USERS_OWN}


@pytest.mark.parametrize(
    ("code", "tables"),
    [
        ('database.execute("SELECT 1 FROM clips")', {"clips"}),
        ('database.execute("SELECT 1 " + "FROM faces JOIN scans ON 1")', {"faces", "scans"}),
        ('database.execute(f"DELETE FROM {table} WHERE 1 IN (SELECT 1 FROM log)")', {"log"}),
        ('database.execute("UPDATE people SET name = 1")', {"people"}),
        ('print("no faces of dana here")', set()),
        ('def f():\n    """Reads what SELECT finds in faces."""', set()),
    ],
)
def test_a_statement_astray_would_be_found(code: str, tables: set[str]) -> None:
    assert set(tables_named(code)) == tables


def test_schemas_are_numbered_without_a_gap() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(list(MIGRATIONS.iterdir())) + 1))


@pytest.mark.parametrize("number", RELEASED)
def test_a_released_schema_is_never_edited(number: int) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        for _, script in list(migrations())[:number]:
            database.executescript(script)
        rows = database.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    assert hashlib.sha256(repr(rows).encode()).hexdigest() == RELEASED[number]


def test_what_changes_a_table_lies_with_the_package_of_its_owner() -> None:
    changes = re.compile(r"\b(?:TABLE|INDEX \w+ ON|INTO|UPDATE|FROM|REFERENCES) (\w+)")
    found = [
        (path.stem, table)
        for path in sorted(MIGRATIONS.glob("*/*.sql"))
        for table in changes.findall(path.read_text(encoding="utf-8"))
    ]
    astray = [
        f"{package}.sql changes {table}, which {OWNERS[table]} owns"
        for package, table in found
        if package != Path(OWNERS[table]).parts[0].removesuffix(".py")
    ]
    assert astray == []
    assert {table for _, table in found} == set(OWNERS)


def test_a_log_that_goes_while_it_is_looked_at_is_none(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path.name.endswith("-wal") or seen(path))
    project.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    project.database.close()
    with connected_to_read(project.folder / DATABASE_NAME, any_schema=False) as database:
        assert schema_of(database) == todays_schema()

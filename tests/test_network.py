"""Files only: nothing in the package listens to a network or fetches from one by itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "countenance"
NETWORK = {"socket", "socketserver", "ssl", "http", "asyncio", "ftplib", "smtplib", "xmlrpc", "requests", "urllib3"}
NETWORK |= {"aiohttp", "httpx", "websockets", "flask", "fastapi", "starlette", "uvicorn", "tornado", "urllib.request"}
"""Modules by which a program talks to a network. Credentials are stamped by c2pa, where the user names an authority."""


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def talks(name: str) -> bool:
    return name in NETWORK or name.partition(".")[0] in NETWORK


def test_nothing_listens_or_fetches() -> None:
    talking = {
        str(path.relative_to(SOURCE)): name
        for path in SOURCE.rglob("*.py")
        for name in imported(ast.parse(path.read_text()))
        if talks(name)
    }
    assert talking == {}


def test_a_module_that_would_is_found() -> None:
    found = list(imported(ast.parse("from http.server import HTTPServer\nimport urllib.request, json\n")))
    assert [talks(name) for name in found] == [True, True, False]

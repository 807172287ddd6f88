"""Files only: nothing fetches from a network by itself, and only the studio listens, to this computer alone."""

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


STUDIO = {"starlette", "uvicorn", "http", "asyncio", "socket"}
"""By which the studio answers; `tests/studio/test_safety.py` holds where it listens, and to whom."""


def talking(folder: Path) -> dict[str, set[str]]:
    """The network's modules that each file imports."""
    found = {
        str(path.relative_to(SOURCE)): {
            name.partition(".")[0] for name in imported(ast.parse(path.read_text())) if talks(name)
        }
        for path in folder.rglob("*.py")
    }
    return {path: names for path, names in found.items() if names}


def test_nothing_but_the_studio_listens_and_nothing_fetches() -> None:
    everywhere = talking(SOURCE)
    assert {path for path in everywhere if not path.startswith("studio/")} == set()
    assert set().union(*everywhere.values()) <= STUDIO


def test_only_the_server_opens_a_port() -> None:
    opening = {path for path, names in talking(SOURCE / "studio").items() if names & {"uvicorn", "asyncio", "socket"}}
    assert opening == {"studio/server.py"}


def test_a_module_that_would_is_found() -> None:
    found = list(imported(ast.parse("from http.server import HTTPServer\nimport urllib.request, json\n")))
    assert [talks(name) for name in found] == [True, True, False]

import os
import socket
from pathlib import Path

import pytest

from countenance.errors import MediaError
from countenance.media.files import open_regular


def test_a_regular_file_is_opened_and_a_link_to_one_followed_only_where_asked(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "plain")
    for name in ("plain", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"content"
    with pytest.raises(MediaError, match="is a symbolic link"):
        open_regular(tmp_path / "link", follow_links=False)


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder"])
def test_nothing_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / "it"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        # The path of a socket may be only some hundred letters long.
        monkeypatch.chdir(tmp_path)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("it")
    with pytest.raises(MediaError, match=f"expected a regular file, but {path} is a {kind}"):
        open_regular(path)


def test_a_pipe_that_took_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "plain").touch()
    plain = (tmp_path / "plain").stat()
    monkeypatch.setattr(Path, "stat", lambda *_, **__: plain)
    with pytest.raises(MediaError, match="is a pipe"):
        open_regular(tmp_path / "pipe")

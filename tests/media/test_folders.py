import os
from pathlib import Path

import pytest

from countenance.media.folders import footage_in


def test_what_is_footage_by_its_name_in_order_and_to_the_bottom(tmp_path: Path) -> None:
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    for name in ("z.MP4", "a.jpg", "notes.txt", ".a.png", "b/deep/c.webm", ".hidden/d.mp4", "plain"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path)
    found = [(str(path.relative_to(tmp_path)), why) for path, why in footage_in(tmp_path)]
    assert found == [("a.jpg", None), ("z.MP4", None), ("b/deep/c.webm", None)]


def test_a_folder_that_is_closed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, real = tmp_path / "closed", os.scandir
    closed.mkdir()
    (tmp_path / "z.mp4").write_bytes(b"")

    def scandir(path: str) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = dict(footage_in(tmp_path))
    assert found[tmp_path / "z.mp4"] is None
    assert "check its permissions" in (found[closed] or "")

"""What plates are is read once for each state of a file, and a long film keeps nobody else waiting."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from countenance.studio import choice as choice_module
from countenance.studio.choice import KnownPlates

LONG_S = 20.0


def test_a_film_that_is_being_read_keeps_no_other_file_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film, clip = tmp_path / "film.mp4", tmp_path / "clip.mp4"
    read, may_go_on = list[Path](), Event()

    def probe(path: Path) -> Any:
        read.append(path)
        assert path == clip or may_go_on.wait(LONG_S)
        return object()

    monkeypatch.setattr(choice_module, "probe", probe)
    for path in (film, clip):
        path.touch()
    known = KnownPlates()
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(known.info, film) for _ in range(2)]
        try:
            pool.submit(known.info, clip).result(LONG_S / 2)
        finally:
            may_go_on.set()
        # Both who asked for the film wait for one reading of it.
        assert asked[0].result(LONG_S) is asked[1].result(LONG_S)
    assert sorted(read) == [clip, film]

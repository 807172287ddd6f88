"""MP4 boxes, as files have them and as an attacker would write them."""

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.errors import MediaError
from countenance.media.boxes import HOLDERS, MAX_DEPTH, check_announced

MAX_SAMPLES = 1000
NAMES = [*sorted(HOLDERS), b"stsz", b"stts", b"trun", b"hdlr", b"cmov", b"mdat", b"free"]


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def stsz(same_size: int, num_samples: int) -> bytes:
    return box(b"stsz", struct.pack(">4xII", same_size, num_samples))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file that each example writes over."""
    return tmp_path_factory.mktemp("boxes") / "clip.mp4"


def check(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    check_announced(file, len(content), MAX_SAMPLES)


def accepts_or_refuses(file: Path, content: bytes) -> None:
    """No other error may come out."""
    with suppress(MediaError):
        check(file, content)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(file: Path, content: bytes) -> None:
    accepts_or_refuses(file, content)


@given(
    st.recursive(
        st.builds(box, st.sampled_from(NAMES), st.binary(max_size=40)),
        lambda inner: st.builds(box, st.sampled_from(NAMES), st.lists(inner, max_size=4).map(b"".join)),
        max_leaves=12,
    ),
    st.integers(0, 60),
    st.integers(0, 2**32 - 1),
)
def test_boxes_with_wrong_lengths_are_read_or_refused(file: Path, content: bytes, at: int, length: int) -> None:
    at = min(at, len(content) - 4)
    accepts_or_refuses(file, content[:at] + struct.pack(">I", length) + content[at + 4 :])


@given(
    st.lists(st.sampled_from(sorted(HOLDERS)), max_size=MAX_DEPTH),
    st.lists(st.integers(0, 2 * MAX_SAMPLES), min_size=1, max_size=4),
)
def test_the_sum_of_announced_samples_is_limited_at_any_depth(
    file: Path, holders: list[bytes], num_samples: list[int]
) -> None:
    content = b"".join(stsz(1, number) for number in num_samples)
    for name in holders:
        content = box(name, content)
    if sum(num_samples) > MAX_SAMPLES:
        with pytest.raises(MediaError, match=f"at most {MAX_SAMPLES} frames"):
            check(file, content)
    else:
        check(file, content)


@given(st.integers(0, 2**32 - 1))
def test_samples_with_a_size_each_are_not_limited(file: Path, num_samples: int) -> None:
    check(file, stsz(0, num_samples))

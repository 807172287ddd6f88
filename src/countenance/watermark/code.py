"""From a mark's 48 bits to the signs that carry them, and back from soft decisions.

48 bits and a check of 16 bits (CRC-16/CCITT) go into a polar code of 512 bits (Arıkan 2009, arXiv 0807.3917), whose
positions are chosen by polarisation weight (He et al. 2017, arXiv 1704.05709), as 5G's are. Successive cancellation
keeps a list of the likeliest words (Tal and Vardy 2015, arXiv 1206.0050), and the check chooses among them.
"""

from functools import cache

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

ID_BITS = 48
CHECK_BITS = 16
CODE_BITS = 512
LIST_SIZE = 64

Bits = UInt8[np.ndarray, " n"]


def encode(mark_id: int) -> UInt8[np.ndarray, "512"]:
    """The code word of a mark's number, bits as 0 and 1."""
    assert 0 <= mark_id < 1 << ID_BITS, f"a mark has 48 bits, and {mark_id} doesn't fit"
    word = np.zeros(CODE_BITS, np.uint8)
    word[~_frozen()] = _bits(mark_id << CHECK_BITS | _check(mark_id), ID_BITS + CHECK_BITS)
    return _transform(word)


def decode(soft: Float32[np.ndarray, "512"]) -> int | None:
    """The likeliest number whose check holds, from the log-likelihood ratio of 0 against 1 of each bit."""
    words, _, penalties = _decode(soft[None].astype(np.float32), _frozen(), np.zeros(1, np.float32))
    for word in words[np.argsort(penalties)]:
        value = int("".join(map(str, _transform(word)[~_frozen()])), 2)
        mark_id, check = value >> CHECK_BITS, value & (1 << CHECK_BITS) - 1
        if check == _check(mark_id):
            return mark_id
    return None


@cache
def _frozen() -> Bool[np.ndarray, "512"]:
    """Which of the code's inputs carry nothing: all but the 64 most reliable."""
    levels = np.arange(CODE_BITS.bit_length() - 1)
    weights = (np.arange(CODE_BITS)[:, None] >> levels & 1) @ 2.0 ** (levels / 4)
    frozen = np.ones(CODE_BITS, bool)
    frozen[np.argsort(weights, kind="stable")[-(ID_BITS + CHECK_BITS) :]] = False
    return frozen


def _transform(bits: Bits) -> Bits:
    """Arıkan's transform, which is its own inverse."""
    length = bits.size
    coded = bits.copy()
    half = 1
    while half < length:
        pairs = coded.reshape(-1, 2, half)
        pairs[:, 0] ^= pairs[:, 1]
        half *= 2
    return coded


def _decode(
    soft: Float32[np.ndarray, "P n"], frozen: Bool[np.ndarray, " n"], penalties: Float32[np.ndarray, " P"]
) -> tuple[UInt8[np.ndarray, "Q n"], Int64[np.ndarray, " Q"], Float32[np.ndarray, " Q"]]:
    """Words of a part of the code for each path, with the paths that they continue and what speaks against them."""
    if frozen.all():
        penalties = penalties + np.maximum(-soft, 0).sum(axis=1)
        return np.zeros(soft.shape, np.uint8), np.arange(len(soft)), penalties
    if frozen.size == 1:
        against = np.concatenate([penalties + np.maximum(-soft[:, 0], 0), penalties + np.maximum(soft[:, 0], 0)])
        kept = np.argsort(against, kind="stable")[:LIST_SIZE]
        bits, parents = np.divmod(kept, len(soft))
        return bits.astype(np.uint8)[:, None], parents, against[kept]
    half = frozen.size // 2
    first, second = soft[:, :half], soft[:, half:]
    sums = np.sign(first) * np.sign(second) * np.minimum(np.abs(first), np.abs(second))
    left, parents, penalties = _decode(sums, frozen[:half], penalties)
    rest = second[parents] + np.where(left, -first[parents], first[parents])
    right, later, penalties = _decode(rest, frozen[half:], penalties)
    left = left[later]
    return np.concatenate([left ^ right, right], axis=1), parents[later], penalties


def _bits(value: int, length: int) -> Bits:
    return np.array([value >> place & 1 for place in reversed(range(length))], np.uint8)


def _check(mark_id: int) -> int:
    """CRC-16/CCITT-FALSE of the number's six bytes."""
    check = 0xFFFF
    for byte in mark_id.to_bytes(ID_BITS // 8, "big"):
        check ^= byte << 8
        for _ in range(8):
            check = check << 1 ^ 0x1021 if check & 0x8000 else check << 1
        check &= 0xFFFF
    return check

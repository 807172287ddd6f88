"""What a person is asked to do in front of a camera, so that nothing that was filmed before can answer it."""

import hashlib
import secrets
from dataclasses import dataclass

from countenance.faces.turns import TURNS, Turn

NUM_TURNS = 4
NUM_SEQUENCES = len(TURNS) * (len(TURNS) - 1) ** (NUM_TURNS - 1)
"""No turn follows itself; whoever guesses meets one in so many."""
CODE_PREFIX = "CN1"
NUM_DIGITS = 16
"""Hex digits of the release's digest and of the nonce in the code: 64 bits each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """A fresh question to the owner of a release."""

    release: str
    """Digest of the release."""
    nonce: str
    """16 hex digits, drawn for this challenge alone."""

    @property
    def code(self) -> str:
        """What the QR code holds: 35 characters that its alphanumeric mode knows."""
        return f"{CODE_PREFIX}{self.release[:NUM_DIGITS]}{self.nonce}".upper()

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns of the head, in order; each release and nonce has its own."""
        number = int.from_bytes(hashlib.sha256(f"turns {self.release} {self.nonce}".encode()).digest()) % NUM_SEQUENCES
        number, first = divmod(number, len(TURNS))
        turns = [TURNS[first]]
        for _ in range(NUM_TURNS - 1):
            number, next_ = divmod(number, len(TURNS) - 1)
            turns.append([turn for turn in TURNS if turn != turns[-1]][next_])
        return tuple(turns)


def new_challenge(release: str) -> Challenge:
    """A challenge for the release of that digest, which nobody can have known before."""
    return Challenge(release=release, nonce=secrets.token_hex(NUM_DIGITS // 2))


def challenge_of(text: str, release: str) -> Challenge | None:
    """The challenge whose code says this, if it is one to the owner of that release."""
    challenge = Challenge(release=release, nonce=text[-NUM_DIGITS:].lower())
    return challenge if challenge.code == text else None

"""Ed25519 keys as this project writes them: private ones as PEM, public ones and signatures in hex."""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def new_private_pem() -> bytes:
    """A new private key, without a passphrase."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_key_of(key: Ed25519PrivateKey) -> str:
    """32 bytes, hex."""
    return key.public_key().public_bytes_raw().hex()


def fingerprint_of(public_key: str) -> str:
    """SHA-256 of the key's bytes, hex, short enough to read out on the phone."""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:32]


def is_signed_by(public_key: str, signature: str, content: bytes) -> bool:
    """Whether a signature is that of this key over this content; what is no key or no signature is none."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True

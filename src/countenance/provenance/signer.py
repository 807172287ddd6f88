"""A user's own signer: their certificates, and a key in a file or a command that signs.

`signer.toml` in the user's config folder names them. It isn't a project's setting, because a project that somebody
else made must not decide what is run here, or with whose name files are signed.
"""

import os
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import Field

from countenance.config import Text, section, stored_config
from countenance.errors import ProvenanceError, one_line
from countenance.project import find

SIGNER_NAME = "signer.toml"
COMMAND_TIMEOUT_S = 120
"""A token may wait for a finger, a remote signer for a person."""
MAX_SAID = 300
"""Characters of what a failed command said that are repeated."""
REMEDY = "see docs/credentials.md"

Algorithm = Literal["es256", "es384", "es512", "ps256", "ed25519"]
"""As C2PA calls them."""
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

CURVES: dict[str, tuple[Algorithm, hashes.HashAlgorithm]] = {
    "secp256r1": ("es256", hashes.SHA256()),
    "secp384r1": ("es384", hashes.SHA384()),
    "secp521r1": ("es512", hashes.SHA512()),
}
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)

SIGNING_USAGES = {
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # document signing
    x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1"),  # C2PA's own
}


@section
@dataclass(frozen=True, kw_only=True, slots=True)
class SignerConfig:
    """What `signer.toml` says. Paths start at its folder.

    Raises:
        ValueError: not exactly one of a key and a command.
    """

    certificates: Annotated[Text, Field(max_length=4096)] = ""
    """A file of certificates (PEM): the signing certificate first, then each one's issuer; the root may be left out."""
    key: Annotated[Text, Field(max_length=4096)] = ""
    """A file that holds the private key (PEM), readable by nobody else."""
    command: Annotated[Text, Field(max_length=4096)] = ""
    """A command that reads bytes on standard input and writes their signature to standard output; no shell is used."""

    def __post_init__(self) -> None:
        if not self.certificates:
            raise ValueError("certificates must name a file of certificates (PEM)")
        if bool(self.key) == bool(self.command):
            raise ValueError("expected either key or command, got " + ("both" if self.key else "neither"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Signer:
    """Certificates that C2PA accepts, and what signs for them."""

    chain: tuple[x509.Certificate, ...]
    algorithm: Algorithm
    sign_bytes: Callable[[bytes], bytes]
    """Gives a signature as COSE wants it; raises ProvenanceError."""


def find_signer(folder: Path, *, at: datetime | None = None) -> Signer | None:
    """The user's own signer, or None where `folder` has no `signer.toml`.

    Raises:
        ProvenanceError: it can't be used, and why.
    """
    path = folder / SIGNER_NAME
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ProvenanceError(f"{path} can't be read ({error}); {REMEDY}") from error
    config = stored_config(SignerConfig, "signer", table, where=str(path), remedy=REMEDY, error=ProvenanceError)
    certificates = folder / Path(config.certificates).expanduser()
    chain = _read_chain(certificates)
    _check_chain(chain, certificates, at or datetime.now(UTC))
    public_key = chain[0].public_key()
    algorithm = algorithm_of(public_key, f"the first certificate in {certificates}")
    if config.command:
        sign_bytes = _signing_command(config.command, folder, public_key)
    else:
        sign_bytes = signing_with(_read_key(folder / Path(config.key).expanduser(), public_key, certificates))
    return Signer(chain=chain, algorithm=algorithm, sign_bytes=sign_bytes)


def algorithm_of(key: object, whose: str) -> Algorithm:
    """The algorithm that goes with a public key.

    Raises:
        ProvenanceError: C2PA has none for it.
    """
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name][0]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return "ps256"
    raise ProvenanceError(
        f"the key of {whose} is of a kind that C2PA doesn't take; it must be P-256, P-384, P-521, Ed25519, "
        "or RSA with at least 2048 bits"
    )


def signing_with(key: PrivateKey) -> Callable[[bytes], bytes]:
    """What signs with a key that is at hand."""

    def sign_bytes(data: bytes) -> bytes:
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(data)
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(data, PSS, hashes.SHA256())
        return _side_by_side(key.sign(data, ec.ECDSA(CURVES[key.curve.name][1])), key.curve)

    return sign_bytes


def _side_by_side(signature: bytes, curve: ec.EllipticCurve) -> bytes:
    """COSE wants the two numbers of such a signature side by side, not as DER."""
    return b"".join(part.to_bytes((curve.key_size + 7) // 8) for part in decode_dss_signature(signature))


def _signing_command(text: str, folder: Path, public_key: object) -> Callable[[bytes], bytes]:
    try:
        command = shlex.split(text)
    except ValueError as error:
        raise ProvenanceError(f"the signing command {text!r} can't be read ({error}); {REMEDY}") from error
    if not command:
        raise ProvenanceError(f"the signing command is empty; {REMEDY}")

    def sign_bytes(data: bytes) -> bytes:
        try:
            done = subprocess.run(  # noqa: S603 – the user's own command, from their own folder
                command, input=data, capture_output=True, cwd=folder, timeout=COMMAND_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise ProvenanceError(
                f"the signing command {command[0]} gave no answer in {COMMAND_TIMEOUT_S} seconds; run this again"
            ) from None
        except OSError as error:
            raise ProvenanceError(
                f"the signing command {command[0]} can't be run ({error.strerror}); {REMEDY}"
            ) from error
        if done.returncode != 0:
            said = one_line(done.stderr.decode(errors="replace").strip())[-MAX_SAID:]
            why = f": {said}" if said else ""
            raise ProvenanceError(f"the signing command {command[0]} failed (exit code {done.returncode}{why})")
        return _checked(done.stdout, data, public_key, command[0])

    return sign_bytes


def _checked(signature: bytes, data: bytes, key: object, whose: str) -> bytes:
    """A signature in COSE's form that was seen to fit."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, PSS, hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            size = (key.curve.key_size + 7) // 8
            if len(signature) == 2 * size:
                numbers = (int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))
                signature = encode_dss_signature(*numbers)
            key.verify(signature, data, ec.ECDSA(CURVES[key.curve.name][1]))
            signature = _side_by_side(signature, key.curve)
    except (InvalidSignature, ValueError):
        raise ProvenanceError(
            f"what the signing command {whose} wrote is no signature by the key of the signing certificate; it must "
            "write nothing but the signature, by that key and with the certificate's algorithm"
        ) from None
    return signature


def _read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise ProvenanceError(f"no certificates (PEM) can be read from {path} ({error}); {REMEDY}") from error


def _read_key(path: Path, public_key: object, certificates: Path) -> PrivateKey:
    project = find(path.parent)
    if project is not None:
        raise ProvenanceError(
            f"the private key {path} lies in the project {project}, which others may be given; move it elsewhere"
        )
    try:
        # Windows has no file modes; there the user's own folder is closed to others.
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ProvenanceError(f"the key in {path} can be read by others; run `chmod 600 {path}`, then try again")
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except TypeError:
        raise ProvenanceError(
            f"the key in {path} is locked with a passphrase, which nobody is asked for here; give a `command` that "
            "signs with it instead"
        ) from None
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ProvenanceError(f"no private key (PEM) can be read from {path} ({error}); {REMEDY}") from error
    if not isinstance(key, PrivateKey) or key.public_key() != public_key:
        raise ProvenanceError(f"the key in {path} isn't that of the first certificate in {certificates}")
    return key


def _check_chain(chain: tuple[x509.Certificate, ...], path: Path, at: datetime) -> None:
    """Check that C2PA would accept it, and name everything that it wouldn't."""
    leaf = chain[0]
    lacks = [*_lacks(leaf, at)]
    if leaf.issuer == leaf.subject:
        lacks.append("it must be issued by an authority, not by itself")
    for lower, upper in pairwise(chain):
        try:
            lower.verify_directly_issued_by(upper)
        except (InvalidSignature, ValueError, TypeError):
            lacks.append(
                f"the certificates must stand in order, each followed by its issuer, but "
                f"{_name(lower)!r} isn't issued by {_name(upper)!r}"
            )
    if lacks:
        raise ProvenanceError(
            f"the signing certificate {_name(leaf)!r}, the first in {path}, isn't fit for C2PA: {'; '.join(lacks)}"
        )


def _lacks(leaf: x509.Certificate, at: datetime) -> list[str]:
    """What C2PA asks of a signing certificate, and this one hasn't."""
    extensions = leaf.extensions
    held = {type(each.value): each.value for each in extensions}
    lacks = []
    if not leaf.not_valid_before_utc <= at <= leaf.not_valid_after_utc:
        lacks.append(
            f"it is valid from {leaf.not_valid_before_utc:%d %B %Y} to {leaf.not_valid_after_utc:%d %B %Y}, "
            f"and by this computer's clock it is {at:%d %B %Y}"
        )
    constraints = held.get(x509.BasicConstraints)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        lacks.append("it is an authority's; the signing certificate must come first, and must say CA:FALSE")
    usage = held.get(x509.KeyUsage)
    if not isinstance(usage, x509.KeyUsage) or not usage.digital_signature:
        lacks.append("its key usage must include digitalSignature")
    purposes = set(each) if isinstance(each := held.get(x509.ExtendedKeyUsage), x509.ExtendedKeyUsage) else set()
    if not purposes & SIGNING_USAGES or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes:
        lacks.append(
            "its extended key usage must name emailProtection, documentSigning or C2PA's own purpose "
            "(1.3.6.1.4.1.62558.2.1), and not any purpose"
        )
    if x509.AuthorityKeyIdentifier not in held:
        lacks.append("it must name its issuer's key (authority key identifier)")
    if not leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME):
        lacks.append("its subject must name an organisation (O)")
    return lacks


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()

"""The signing identity: an authority of this machine and the certificate it issued, or the user's own certificate.

`authority.pem` and `signing.pem` in the user's config folder each hold a private key and its certificate, both made on
first use. A self-made certificate proves that a file is unaltered and comes from here, never who signed it.
Certificates carry dates from this computer's clock: one that doesn't fit the clock any more is renewed for the same
key.

Where `signer.toml` names the user's own certificate (`signer.py`), that signs instead. Each that ever signed here is
kept in `signers.pem`, so that its files are known again; other certificates of the same authority aren't.
`timestamp-authorities.pem` may hold the roots of time-stamp authorities that the user trusts.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from filelock import FileLock

from countenance.errors import ProvenanceError
from countenance.project import config_folder, make_config_folder, write_whole
from countenance.provenance.signer import Algorithm, Signer, find_signer, signing_with

AUTHORITY_NAME = "authority.pem"
SIGNING_NAME = "signing.pem"
SIGNERS_NAME = "signers.pem"
TIMESTAMP_NAME = "timestamp-authorities.pem"
AUTHORITY_TERM = timedelta(days=30 * 365)
SIGNING_TERM = timedelta(days=10 * 365)
"""Long, because without a trusted timestamp a file stays verifiable only as long as its certificate is in term."""
RENEWAL = timedelta(days=30)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """Whom this computer knows: certificates (PEM), empty where there are none."""

    anchor_pem: str = ""
    """This machine's authority."""
    signers_pem: str = ""
    """The user's own certificates that signed here, each for itself."""
    timestamp_anchors_pem: str = ""
    """Roots of time-stamp authorities."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningIdentity:
    """What signs, its certificates, and what a verifier here has to know."""

    sign_bytes: Callable[[bytes], bytes] = field(repr=False)
    """Gives a signature as COSE wants it; raises ProvenanceError."""
    algorithm: Algorithm
    chain_pem: str
    """From the signing certificate up."""
    trust: Trust
    notes: tuple[str, ...] = ()
    """Notes for the user on certificates that were renewed just now, a line each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Credential:
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate

    @property
    def certificate_pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def load_or_make_identity(*, at: datetime | None = None) -> SigningIdentity:
    """The identity that signs here: the user's own, or one made on first use and renewed where the clock asks for it.

    `at` is the time by this computer's clock; None reads the clock.

    Raises:
        ProvenanceError: a key that others can read, files that don't belong together, or a signer of the user's own
            that C2PA wouldn't accept.
    """
    at = at or datetime.now(UTC)
    folder = make_config_folder()
    with FileLock(folder / ".signing.lock", mode=0o600):
        own = find_signer(folder, at=at)
        if own is not None:
            return _own_identity(folder, own)
        authority_path, signing_path = folder / AUTHORITY_NAME, folder / SIGNING_NAME
        if not authority_path.exists():
            if signing_path.exists():
                raise ProvenanceError(
                    f"{authority_path} is gone but {signing_path} is there; "
                    f"restore it from a copy, or move {signing_path} away to start with a new identity"
                )
            _write(authority_path, _certify_authority(_new_key(), at))
        authority = _read(authority_path)
        if not signing_path.exists():
            _write(signing_path, _issue(authority, _new_key(), at))
        signing = _read(signing_path)
        _check_pair(authority, signing, authority_path, signing_path)
        notes = _notes(authority, signing, at)
        if not _is_in_term(authority, at):
            authority = _certify_authority(authority.key, at)
            _write(authority_path, authority)
        if not _is_in_term(signing, at):
            signing = _issue(authority, signing.key, at)
            _write(signing_path, signing)
    return SigningIdentity(
        sign_bytes=signing_with(signing.key),
        algorithm="es256",
        chain_pem=signing.certificate_pem + authority.certificate_pem,
        trust=find_trust(),
        notes=notes,
    )


def find_trust() -> Trust:
    """Whom this computer knows; makes nothing.

    Raises:
        ProvenanceError: the authority's key can be read by others, so its signatures prove nothing; or certificates
            can't be read.
    """
    folder = config_folder()
    path = folder / AUTHORITY_NAME
    return Trust(
        anchor_pem=_read(path).certificate_pem if path.exists() else "",
        signers_pem=_certificates(folder / SIGNERS_NAME),
        timestamp_anchors_pem=_certificates(folder / TIMESTAMP_NAME),
    )


def _certificates(path: Path) -> str:
    try:
        content = path.read_bytes()
        x509.load_pem_x509_certificates(content)
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ProvenanceError(
            f"no certificates (PEM) can be read from {path} ({error}); restore or remove it"
        ) from error
    return content.decode()


def _own_identity(folder: Path, signer: Signer) -> SigningIdentity:
    """The user's own signer, whose certificate is remembered."""
    chain = [certificate.public_bytes(serialization.Encoding.PEM).decode() for certificate in signer.chain]
    known = _certificates(folder / SIGNERS_NAME)
    if chain[0] not in known:
        write_whole(folder / SIGNERS_NAME, (known + chain[0]).encode(), mode=0o600)
    return SigningIdentity(
        sign_bytes=signer.sign_bytes, algorithm=signer.algorithm, chain_pem="".join(chain), trust=find_trust()
    )


def _is_in_term(credential: _Credential, at: datetime) -> bool:
    """Whether a certificate is valid now, and for long enough."""
    certificate = credential.certificate
    return certificate.not_valid_before_utc <= at and certificate.not_valid_after_utc - at >= RENEWAL


def _notes(authority: _Credential, signing: _Credential, at: datetime) -> tuple[str, ...]:
    """Notes on an unexpected renewal; a certificate that simply ended is expected."""
    begin = max(each.certificate.not_valid_before_utc for each in (authority, signing))
    if begin > at:
        return (
            f"the signing certificate begins on {begin:%d %B %Y}, but by this computer's clock it is {at:%d %B %Y}: "
            "the clock was wrong then, or is wrong now; a new certificate was made for the same key, and files "
            "signed with the old one don't verify before that day",
        )
    end = min(each.certificate.not_valid_after_utc for each in (authority, signing))
    if end < at:
        return (
            f"the signing certificate ended on {end:%d %B %Y}, and by this computer's clock it is {at:%d %B %Y} "
            "(check the clock); a new certificate was made for the same key, and files signed with the old one "
            "no longer verify",
        )
    return ()


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _certify_authority(key: ec.EllipticCurvePrivateKey, at: datetime) -> _Credential:
    """A certificate that the authority makes for itself."""
    name = _name("local authority")
    certificate = (
        _certificate(key.public_key(), subject=name, issuer=name, at=at, end=at + AUTHORITY_TERM)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Credential(key=key, certificate=certificate)


def _issue(authority: _Credential, key: ec.EllipticCurvePrivateKey, at: datetime) -> _Credential:
    """A certificate for a signing key, in the shape that C2PA asks for."""
    authority_key_id = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    subject, issuer = _name("local signer"), authority.certificate.subject
    end = min(at + SIGNING_TERM, authority.certificate.not_valid_after_utc)
    certificate = (
        _certificate(key.public_key(), subject=subject, issuer=issuer, at=at, end=end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_key_id), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return _Credential(key=key, certificate=certificate)


def _certificate(
    key: ec.EllipticCurvePublicKey, *, subject: x509.Name, issuer: x509.Name, at: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # So that a clock that is corrected by a few minutes later doesn't make today's files invalid.
        .not_valid_before(at - timedelta(hours=1))
        .not_valid_after(end)
    )


def _name(role: str) -> x509.Name:
    """No person and no machine is named: certificates travel with the files."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Countenance (self-made certificate)"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Countenance {role}"),
        ]
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, credential: _Credential) -> None:
    key_pem = credential.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_whole(path, key_pem + credential.certificate_pem.encode(), mode=0o600)


def _read(path: Path) -> _Credential:
    # Windows has no file modes; there the user's own folder is closed to others.
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ProvenanceError(f"the key in {path} can be read by others; run `chmod 600 {path}`, then try again")
    try:
        content = path.read_bytes()
        key = serialization.load_pem_private_key(content, password=None)
        certificate = x509.load_pem_x509_certificate(content)
    except (OSError, ValueError, TypeError) as error:
        raise ProvenanceError(f"no key and certificate can be read from {path} ({error}); restore it") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ProvenanceError(f"the key and the certificate in {path} don't belong together; restore it from a copy")
    return _Credential(key=key, certificate=certificate)


def _check_pair(authority: _Credential, signing: _Credential, authority_path: Path, signing_path: Path) -> None:
    try:
        signing.certificate.verify_directly_issued_by(authority.certificate)
    except Exception as error:  # InvalidSignature, ValueError and TypeError all mean the same here
        raise ProvenanceError(
            f"{signing_path} was not issued by {authority_path}; move it away, and a new one is made"
        ) from error

"""Authorities made on the spot: certificates for signers, and a time-stamp authority (RFC 3161) on this computer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from secrets import randbits
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Certified:
    """A key and its certificate."""

    key: Key
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def certify(
    name: str,
    issuer: Certified | None = None,
    *,
    key: Key | None = None,
    is_ca: bool = False,
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    digital_signature: bool = True,
    begin: datetime | None = None,
    end: datetime | None = None,
    organisation: bool = True,
    identifiers: bool = True,
) -> Certified:
    """A certificate by an issuer, or by itself; what C2PA asks for can be left out."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            *([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test")] if organisation else []),
        ]
    )
    at = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin or at - DAY)
        .not_valid_after(end or at + DAY)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=digital_signature and not is_ca,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                content_commitment=False,
                key_encipherment=not digital_signature,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if usage is not None and not is_ca:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([usage]), critical=usage == ExtendedKeyUsageOID.TIME_STAMPING
        )
    if issuer is not None and identifiers:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
    signing_key = issuer.key if issuer else key
    algorithm = None if isinstance(signing_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Certified(key=key, certificate=builder.sign(signing_key, algorithm))


@dataclass
class TimestampAuthority:
    """A server that stamps, or answers as it is told to."""

    root: Certified
    url: str = ""
    num_requests: int = 0
    answer: bytes | None = None
    """In the place of a stamp."""
    status: int = 200
    stamps: bytes | None = None
    """In the place of what it is asked to stamp."""


@contextmanager
def timestamp_authority() -> Iterator[TimestampAuthority]:
    """Run a time-stamp authority on this computer."""
    root = certify("Test time root", is_ca=True)
    stamping = certify("Test clock", root, usage=ExtendedKeyUsageOID.TIME_STAMPING)
    authority = TimestampAuthority(root=root)

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            authority.num_requests += 1
            request = self.rfile.read(int(self.headers["Content-Length"]))
            content = authority.answer if authority.answer is not None else _stamp(request, stamping, authority)
            self.send_response(authority.status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        authority.url = f"http://127.0.0.1:{server.server_port}/stamp"
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield authority
        finally:
            server.shutdown()
            thread.join()


SEQUENCE, SET, INTEGER, OCTETS, OID, GENERALIZED_TIME, NULL = 0x30, 0x31, 0x02, 0x04, 0x06, 0x18, 0x05
SHA256 = "2.16.840.1.101.3.4.2.1"


def _stamp(request: bytes, stamping: Certified, authority: TimestampAuthority) -> bytes:
    """The answer to a request: a token over its imprint and nonce."""
    fields = _children(_children(request)[0][1])
    imprint = next(whole for tag, _, whole in fields if tag == SEQUENCE)
    if authority.stamps is not None:
        imprint = _der(SEQUENCE, _der(SEQUENCE, _oid(SHA256)), _der(OCTETS, sha256(authority.stamps).digest()))
    nonce = [whole for tag, _, whole in fields if tag == INTEGER][1:]
    at = datetime.now(UTC).strftime("%Y%m%d%H%M%SZ").encode()
    info = _der(
        SEQUENCE,
        _integer(1),
        _oid("1.2.3.4.1"),
        imprint,
        _integer(randbits(62)),
        _der(GENERALIZED_TIME, at),
        *nonce,
    )
    digest = _der(SEQUENCE, _oid(SHA256), _der(NULL))
    certificate_id = _der(SEQUENCE, _der(SEQUENCE, _der(SEQUENCE, _der(OCTETS, sha256(stamping.der).digest()))))
    attributes = sorted(
        [
            _der(SEQUENCE, _oid("1.2.840.113549.1.9.3"), _der(SET, _oid("1.2.840.113549.1.9.16.1.4"))),
            _der(SEQUENCE, _oid("1.2.840.113549.1.9.4"), _der(SET, _der(OCTETS, sha256(info).digest()))),
            _der(SEQUENCE, _oid("1.2.840.113549.1.9.16.2.47"), _der(SET, certificate_id)),
        ]
    )
    key = stamping.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signer = _der(
        SEQUENCE,
        _integer(1),
        _der(
            SEQUENCE,
            stamping.certificate.issuer.public_bytes(),
            _integer(stamping.certificate.serial_number),
        ),
        digest,
        _der(0xA0, *attributes),
        _der(SEQUENCE, _oid("1.2.840.10045.4.3.2")),
        _der(OCTETS, key.sign(_der(SET, *attributes), ec.ECDSA(hashes.SHA256()))),
    )
    signed = _der(
        SEQUENCE,
        _integer(3),
        _der(SET, digest),
        _der(SEQUENCE, _oid("1.2.840.113549.1.9.16.1.4"), _der(0xA0, _der(OCTETS, info))),
        _der(0xA0, stamping.der, authority.root.der),
        _der(SET, signer),
    )
    token = _der(SEQUENCE, _oid("1.2.840.113549.1.7.2"), _der(0xA0, signed))
    return _der(SEQUENCE, _der(SEQUENCE, _integer(0)), token)


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 128 | len(size)]) + size + content


def _integer(number: int) -> bytes:
    return _der(INTEGER, number.to_bytes(number.bit_length() // 8 + 1))


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    content = bytes([40 * first + second])
    for number in rest:
        digits = [number & 127]
        while number := number >> 7:
            digits.insert(0, 128 | number & 127)
        content += bytes(digits)
    return _der(OID, content)


def _children(content: bytes) -> list[tuple[int, bytes, bytes]]:
    """Tag, content and the whole of each value in a row."""
    found = []
    while content:
        start, length = 2, content[1]
        if length & 128:
            start, length = 2 + (length & 127), int.from_bytes(content[2 : 2 + (length & 127)])
        found.append((content[0], content[start : start + length], content[: start + length]))
        content = content[start + length :]
    return found

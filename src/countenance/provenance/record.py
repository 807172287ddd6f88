"""A small signed statement that can be handed out: JSON, checked with what is in it and any tool for signatures."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from countenance.errors import ProvenanceError
from countenance.ledger import canonical_json
from countenance.media.files import open_regular
from countenance.provenance.keys import load_or_make_identity

MAX_BYTES = 2**20


def signed_record(facts: Mapping[str, Any]) -> bytes:
    """The file of a statement: its text, the signature over that text's bytes, and this computer's certificate.

    Raises:
        ProvenanceError: this computer's key can't be used.
    """
    text = canonical_json(facts)
    identity = load_or_make_identity()
    signature = identity.key.sign(text, ec.ECDSA(hashes.SHA256()))
    fields = {
        "record": text.decode(),
        "algorithm": "ECDSA with SHA-256, signature in DER",
        "signature": base64.b64encode(signature).decode(),
        "certificate": identity.certificate_pem,
    }
    return (json.dumps(fields, indent=1) + "\n").encode()


def read_record(path: Path) -> dict[str, Any]:
    """What a statement says, as it was signed; whose certificate that is, nobody vouches for.

    Raises:
        ProvenanceError: it is no such file, or was altered since it was signed.
    """
    with open_regular(path) as file:
        content = file.read(MAX_BYTES)
    try:
        fields = json.loads(content)
        certificate = x509.load_pem_x509_certificate(fields["certificate"].encode())
        _elliptic(certificate).verify(
            base64.b64decode(fields["signature"]), fields["record"].encode(), ec.ECDSA(hashes.SHA256())
        )
        return dict(json.loads(fields["record"]))
    except InvalidSignature:
        raise ProvenanceError(f"{path} was altered since it was signed; ask for the original") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ProvenanceError(f"{path} is no signed record ({error}); ask for the original") from None


def _elliptic(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("another kind of key")
    return key

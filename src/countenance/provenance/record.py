"""A small signed statement that can be handed out: JSON, checked with what is in it and any tool for signatures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from countenance.ed25519 import is_signed_by, public_key_of
from countenance.errors import ProvenanceError
from countenance.ledger import canonical_json
from countenance.logkey import load_or_make_log_key
from countenance.media.files import open_regular
from countenance.project import Project

MAX_BYTES = 2**20


def signed_record(project: Project, facts: Mapping[str, Any]) -> bytes:
    """The file of a statement: its text, and a signature over that text's bytes with the key that signs the log.

    Raises:
        ProvenanceError: the key can't be used.
    """
    text = canonical_json(facts)
    key = load_or_make_log_key(project)
    fields = {
        "record": text.decode(),
        "algorithm": "Ed25519; key and signature in hex",
        "signature": key.sign(text).hex(),
        "key": public_key_of(key),
    }
    return (json.dumps(fields, indent=1) + "\n").encode()


def read_record(path: Path) -> dict[str, Any]:
    """What a statement says, as it was signed; whose key that is, the log says that it is about.

    Raises:
        ProvenanceError: it is no such file, or was altered since it was signed.
    """
    with open_regular(path) as file:
        content = file.read(MAX_BYTES)
    try:
        fields = json.loads(content)
        is_signed = is_signed_by(fields["key"], fields["signature"], fields["record"].encode())
        record = dict(json.loads(fields["record"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ProvenanceError(f"{path} is no signed record ({error}); ask for the original") from None
    if not is_signed:
        raise ProvenanceError(f"{path} was altered since it was signed; ask for the original")
    return record

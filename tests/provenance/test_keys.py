import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from countenance.errors import ProvenanceError
from countenance.provenance import keys
from countenance.provenance.keys import SigningIdentity, Trust, find_trust, load_or_make_identity


def test_identity_is_made_once_and_found_again() -> None:
    first, second = load_or_make_identity(), load_or_make_identity()
    assert first.chain_pem == second.chain_pem
    assert find_trust() == first.trust


def test_looking_for_the_anchor_makes_nothing(config_folder: Path) -> None:
    assert find_trust() == Trust()
    assert not config_folder.exists()


def test_only_the_user_can_read_keys(config_folder: Path) -> None:
    load_or_make_identity()
    assert config_folder.stat().st_mode & 0o777 == 0o700
    for name in ("authority.pem", "signing.pem"):
        assert (config_folder / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["authority.pem", "signing.pem"])
def test_a_key_that_others_can_read_is_refused(config_folder: Path, name: str) -> None:
    load_or_make_identity()
    (config_folder / name).chmod(0o640)
    with pytest.raises(ProvenanceError, match="chmod 600"):
        load_or_make_identity()


def test_anchor_of_an_open_key_is_refused(config_folder: Path) -> None:
    load_or_make_identity()
    (config_folder / "authority.pem").chmod(0o604)
    with pytest.raises(ProvenanceError, match="chmod 600"):
        find_trust()


def test_certificate_has_the_shape_that_c2pa_asks_for() -> None:
    identity = load_or_make_identity()
    leaf = x509.load_pem_x509_certificate(identity.chain_pem.encode())
    authority = x509.load_pem_x509_certificate(identity.trust.anchor_pem.encode())
    leaf.verify_directly_issued_by(authority)
    extensions = leaf.extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.EMAIL_PROTECTION
    ]
    key_id = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == key_id
    assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest != key_id


TODAY = datetime(2026, 11, 26, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


def key_of(identity: SigningIdentity) -> PublicKeyTypes:
    return x509.load_pem_x509_certificate(identity.chain_pem.encode()).public_key()


def term_of(pem: str) -> tuple[datetime, datetime]:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def test_a_certificate_near_its_end_is_renewed_for_the_same_key_without_a_note() -> None:
    old = load_or_make_identity(at=TODAY)
    later = TODAY + keys.SIGNING_TERM - timedelta(days=20)
    new = load_or_make_identity(at=later)
    assert new.trust.anchor_pem == old.trust.anchor_pem
    assert new.chain_pem != old.chain_pem
    assert key_of(new) == key_of(old)
    assert term_of(new.chain_pem)[1] - later > 9 * YEAR
    assert new.notes == ()


def test_an_identity_made_while_the_clock_was_ahead_is_renewed_once() -> None:
    ahead = load_or_make_identity(at=TODAY + YEAR)
    renewed, again = load_or_make_identity(at=TODAY), load_or_make_identity(at=TODAY)
    (note,) = renewed.notes
    assert "begins on 26 November 2027, but by this computer's clock it is 26 November 2026" in note
    for old, new in ((ahead.chain_pem, renewed.chain_pem), (ahead.trust.anchor_pem, renewed.trust.anchor_pem)):
        assert term_of(old)[0] > TODAY >= term_of(new)[0]
    assert key_of(renewed) == key_of(ahead)
    assert (again.chain_pem, again.notes) == (renewed.chain_pem, ())


def test_only_the_certificate_that_does_not_fit_the_clock_is_renewed(config_folder: Path) -> None:
    first = load_or_make_identity(at=TODAY)
    (config_folder / "signing.pem").unlink()
    ahead = load_or_make_identity(at=TODAY + YEAR)
    renewed = load_or_make_identity(at=TODAY)
    assert ahead.trust.anchor_pem == renewed.trust.anchor_pem == first.trust.anchor_pem
    assert renewed.chain_pem != ahead.chain_pem
    assert len(renewed.notes) == 1


def test_an_authority_that_ended_is_renewed_with_its_signer() -> None:
    old = load_or_make_identity(at=TODAY)
    later = TODAY + keys.AUTHORITY_TERM + YEAR
    new = load_or_make_identity(at=later)
    assert all(begin <= later <= end for begin, end in map(term_of, (new.chain_pem, new.trust.anchor_pem)))
    assert key_of(new) == key_of(old)
    assert "check the clock" in new.notes[0]


def test_files_of_two_identities_do_not_mix(
    config_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_or_make_identity()
    with monkeypatch.context() as patch:
        patch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "other"))
        load_or_make_identity()
    (config_folder / "signing.pem").write_bytes((tmp_path / "other" / "signing.pem").read_bytes())
    with pytest.raises(ProvenanceError, match="not issued by"):
        load_or_make_identity()


def test_a_lost_authority_is_not_replaced_in_silence(config_folder: Path) -> None:
    load_or_make_identity()
    (config_folder / "authority.pem").unlink()
    with pytest.raises(ProvenanceError, match="is gone"):
        load_or_make_identity()


def test_a_damaged_key_is_told(config_folder: Path) -> None:
    load_or_make_identity()
    (config_folder / "signing.pem").write_bytes(b"nonsense")
    with pytest.raises(ProvenanceError, match="restore it"):
        load_or_make_identity()


def test_two_processes_at_first_use_get_the_same_identity() -> None:
    # Slowed down, so that without the lock all of them would find no keys and make their own.
    script = """
import time
from countenance.provenance import keys
write = keys._write
keys._write = lambda *given: (time.sleep(0.2), write(*given))
print(keys.load_or_make_identity().chain_pem)
"""
    processes = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    chains = {process.communicate(timeout=60)[0] for process in processes}
    assert all(process.returncode == 0 for process in processes)
    assert len(chains) == 1

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from countenance.errors import ProvenanceError
from countenance.project import create
from countenance.provenance import signer
from countenance.provenance.credentials import Claim, read_credentials, rehearse_signing, sign
from countenance.provenance.keys import SIGNERS_NAME, Trust, find_trust, load_or_make_identity
from tests.support.authorities import Certified, Key, certify

MakePlate = Callable[..., Path]
NOW = datetime.now(UTC)
SOFT_TOKEN = next(iter(Path("/usr/lib").glob("**/softhsm/libsofthsm2.so")), None)


@dataclass(frozen=True, kw_only=True)
class Studio:
    """A signer of the user's own."""

    folder: Path
    root: Certified
    leaf: Certified

    def write(self, *, pem: str | None = None, key_pem: bytes | None = None, toml: str = 'key = "studio.key"') -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "studio.pem").write_text(pem if pem is not None else self.leaf.pem + self.root.pem)
        key = self.folder / "studio.key"
        key.write_bytes(key_pem or self.leaf.key_pem)
        key.chmod(0o600)
        (self.folder / "signer.toml").write_text(f'certificates = "studio.pem"\n{toml}\n')


def studio_of(folder: Path, key: Key | None = None) -> Studio:
    root = certify("Studio root", is_ca=True)
    return Studio(folder=folder, root=root, leaf=certify("Studio", root, key=key))


@pytest.fixture
def studio(config_folder: Path) -> Studio:
    return studio_of(config_folder)


def signed(make_plate: MakePlate, claim: Claim, name: str = "signed.jpg") -> Path:
    media, plate = make_plate("result.jpg", shade=60), make_plate("plate.jpg")
    sign(media, plate, media.with_name(name), claim, load_or_make_identity())
    return media.with_name(name)


KEYS: dict[str, Callable[[], Key]] = {
    "es256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "es512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ps256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
}


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_certificate_of_the_user_s_own_signs_and_is_known_afterwards(
    make_plate: MakePlate, claim: Claim, config_folder: Path, algorithm: str
) -> None:
    studio_of(config_folder, KEYS[algorithm]()).write()
    identity = load_or_make_identity()
    assert identity.algorithm == algorithm
    assert not (config_folder / "authority.pem").exists()
    path = signed(make_plate, claim)
    read = read_credentials(path, find_trust())
    assert (read.state, read.signer) == ("trusted", "Studio")
    assert read_credentials(path, Trust()).state == "valid"


def test_only_the_user_s_own_certificate_is_known_not_its_authority_s_others(
    make_plate: MakePlate, claim: Claim, studio: Studio, config_folder: Path
) -> None:
    studio.write()
    load_or_make_identity()
    (config_folder / "elsewhere").mkdir()
    other = Studio(folder=config_folder, root=studio.root, leaf=certify("Another customer", studio.root))
    trust = find_trust()
    other.write()
    assert read_credentials(signed(make_plate, claim), trust).state == "valid"


def test_what_earlier_signers_signed_stays_known(
    make_plate: MakePlate, claim: Claim, studio: Studio, config_folder: Path
) -> None:
    made_here = signed(make_plate, claim, "first.jpg")
    studio.write()
    by_studio = signed(make_plate, claim, "second.jpg")
    studio_of(config_folder).write()
    by_next = signed(make_plate, claim, "third.jpg")
    load_or_make_identity()
    assert [read_credentials(each, find_trust()).state for each in (made_here, by_studio, by_next)] == ["trusted"] * 3
    assert (config_folder / SIGNERS_NAME).read_text().count("BEGIN CERTIFICATE") == 2


def leaf_without(studio: Studio, **options: object) -> str:
    return certify("Studio", studio.root, key=studio.leaf.key, **options).pem + studio.root.pem  # type: ignore[arg-type]


UNFIT: dict[str, tuple[Callable[[Studio], str], str]] = {
    "no purpose": (lambda s: leaf_without(s, usage=None), "extended key usage must name emailProtection"),
    "any purpose": (
        lambda s: leaf_without(s, usage=ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE),
        "and not any purpose",
    ),
    "a web server's": (lambda s: leaf_without(s, usage=ExtendedKeyUsageOID.SERVER_AUTH), "must name emailProtection"),
    "no digitalSignature": (lambda s: leaf_without(s, digital_signature=False), "must include digitalSignature"),
    "no organisation": (lambda s: leaf_without(s, organisation=False), r"must name an organisation \(O\)"),
    "no identifiers": (lambda s: leaf_without(s, identifiers=False), "authority key identifier"),
    "ended": (lambda s: leaf_without(s, end=NOW - timedelta(hours=1)), "by this computer's clock it is"),
    "not begun": (lambda s: leaf_without(s, begin=NOW + timedelta(hours=1)), "by this computer's clock it is"),
    "the wrong order": (lambda s: s.root.pem + s.leaf.pem, "CA:FALSE.*'Studio root' isn't issued by 'Studio'"),
    "a foreign issuer": (
        lambda s: s.leaf.pem + certify("Another root", is_ca=True).pem,
        "'Studio' isn't issued by 'Another root'",
    ),
    "by itself": (lambda s: certify("Studio", key=s.leaf.key).pem, "issued by an authority, not by itself"),
}


@pytest.mark.parametrize("why", UNFIT)
def test_a_certificate_that_c2pa_would_not_accept_is_refused_with_what_it_lacks(studio: Studio, why: str) -> None:
    make_pem, words = UNFIT[why]
    studio.write(pem=make_pem(studio))
    with pytest.raises(ProvenanceError, match=f"isn't fit for C2PA: .*{words}"):
        load_or_make_identity()


def test_all_that_a_certificate_lacks_is_told_at_once(studio: Studio) -> None:
    studio.write(pem=leaf_without(studio, usage=None, organisation=False))
    with pytest.raises(ProvenanceError, match=r"extended key usage must.*must name an organisation"):
        load_or_make_identity()


def test_a_key_of_a_kind_that_c2pa_does_not_take_is_refused(config_folder: Path) -> None:
    studio_of(config_folder, ec.generate_private_key(ec.SECP224R1())).write()
    with pytest.raises(ProvenanceError, match="must be P-256, P-384, P-521, Ed25519, or RSA"):
        load_or_make_identity()


BROKEN: dict[str, tuple[str, str]] = {
    "neither": ("", "either key or command, got neither"),
    "both": ('key = "studio.key"\ncommand = "sign"', "either key or command, got both"),
    "a number": ("key = 1", "setting signer.key: expected text"),
    "no TOML": ("key =", "can't be read"),
    "no such key": ('key = "none.key"', "no private key"),
    "no key": ('key = "studio.pem"', "can be read by others|no private key"),
    "no such command": ('command = "/nowhere/sign --fast"', "/nowhere/sign can't be run"),
    "an open quote": ('command = "sign \'"', "can't be read"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_that_names_no_usable_signer_is_told(studio: Studio, how: str) -> None:
    toml, words = BROKEN[how]
    studio.write(toml=toml)
    with pytest.raises(ProvenanceError, match=words):
        rehearse_signing(load_or_make_identity(), "")


def test_missing_and_empty_certificates_are_told(studio: Studio, config_folder: Path) -> None:
    studio.write(pem="")
    with pytest.raises(ProvenanceError, match=r"no certificates \(PEM\) can be read"):
        load_or_make_identity()
    (config_folder / "studio.pem").unlink()
    with pytest.raises(ProvenanceError, match=r"no certificates \(PEM\) can be read"):
        load_or_make_identity()


def test_the_key_must_be_the_certificate_s(studio: Studio) -> None:
    studio.write(key_pem=certify("x", is_ca=True).key_pem)
    with pytest.raises(ProvenanceError, match="isn't that of the first certificate"):
        load_or_make_identity()


def test_a_key_that_others_can_read_is_refused(studio: Studio, config_folder: Path) -> None:
    studio.write()
    (config_folder / "studio.key").chmod(0o640)
    with pytest.raises(ProvenanceError, match="chmod 600"):
        load_or_make_identity()


def test_a_locked_key_points_to_a_command(studio: Studio) -> None:
    locked = studio.leaf.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    studio.write(key_pem=locked)
    with pytest.raises(ProvenanceError, match=r"passphrase.*give a `command`"):
        load_or_make_identity()


def test_a_key_in_a_project_is_refused(studio: Studio, tmp_path: Path) -> None:
    create(tmp_path / "film", use="film", title=None)
    key = tmp_path / "film" / "studio.key"
    key.write_bytes(studio.leaf.key_pem)
    key.chmod(0o600)
    studio.write(toml=f'key = "{key}"')
    with pytest.raises(ProvenanceError, match="lies in the project"):
        load_or_make_identity()


REMOTE = """
import sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
key = serialization.load_pem_private_key(open("studio.key", "rb").read(), password=None)
signature = key.sign(sys.stdin.buffer.read(), ec.ECDSA(hashes.SHA256()))
if "raw" in sys.argv:
    signature = b"".join(part.to_bytes(32) for part in decode_dss_signature(signature))
sys.stdout.buffer.write(signature)
"""


@pytest.mark.parametrize("form", ["der", "raw"])
def test_a_command_signs_in_either_form(
    make_plate: MakePlate, claim: Claim, studio: Studio, config_folder: Path, form: str
) -> None:
    studio.write(toml=f'command = "{sys.executable} sign.py {form}"')
    (config_folder / "sign.py").write_text(REMOTE)
    rehearse_signing(load_or_make_identity(), "")
    assert read_credentials(signed(make_plate, claim), find_trust()).state == "trusted"


FAULTS: dict[str, tuple[str, str]] = {
    "fails": ("import sys; sys.exit('no token in the slot')", r"failed \(exit code 1: no token in the slot\)"),
    "says nothing": ("pass", "wrote is no signature by the key"),
    "signs with another key": ("print('x' * 63)", "wrote is no signature by the key"),
    "hangs": ("import time; time.sleep(60)", "gave no answer in 1 seconds"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_command_that_does_not_sign_is_told_and_leaves_nothing(
    make_plate: MakePlate,
    claim: Claim,
    studio: Studio,
    config_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    script, words = FAULTS[fault]
    monkeypatch.setattr(signer, "COMMAND_TIMEOUT_S", 1)
    studio.write(toml=f'command = "{sys.executable} sign.py"')
    (config_folder / "sign.py").write_text(script)
    with pytest.raises(ProvenanceError, match=f"can't be signed: .*the signing command .*{words}"):
        signed(make_plate, claim)
    assert caplog.records == []


@pytest.mark.skipif(
    SOFT_TOKEN is None or not all(map(shutil.which, ("softhsm2-util", "pkcs11-tool", "openssl"))),
    reason="needs softhsm2, opensc and openssl (apt-get)",
)
def test_a_token_signs_by_the_documented_command(
    make_plate: MakePlate,
    claim: Claim,
    studio: Studio,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm.conf"))
    monkeypatch.setenv("PIN", "1234")

    def tool(*arguments: str) -> bytes:
        command = ["pkcs11-tool", "--module", str(SOFT_TOKEN), "--token-label", "studio", "--login", "--pin", "1234"]
        return subprocess.run([*command, *arguments], check=True, capture_output=True).stdout

    initialise = ["softhsm2-util", "--init-token", "--free", "--label", "studio", "--pin", "1234", "--so-pin", "5678"]
    subprocess.run(initialise, check=True, capture_output=True)
    # The key is made inside and never leaves it.
    tool("--keypairgen", "--key-type", "EC:prime256v1", "--id", "01", "--label", "signing")
    public_key = serialization.load_der_public_key(tool("--read-object", "--type", "pubkey", "--id", "01"))
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    leaf = certified_for(public_key, studio.root)
    page = Path(__file__).parents[2] / "docs/credentials.md"
    (documented,) = (line for line in page.read_text().splitlines() if line.startswith("command = "))
    assert "pkcs11-tool" in documented
    studio.write(
        pem=leaf.public_bytes(serialization.Encoding.PEM).decode() + studio.root.pem,
        toml=documented.replace("/usr/lib/softhsm/libsofthsm2.so", str(SOFT_TOKEN)),
    )
    assert read_credentials(signed(make_plate, claim), find_trust()).state == "trusted"


def certified_for(public_key: ec.EllipticCurvePublicKey, root: Certified) -> x509.Certificate:
    """A certificate for a key of which only the public half is at hand."""
    model = certify("Studio", root).certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(model.subject)
        .issuer_name(model.issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(model.not_valid_before_utc)
        .not_valid_after(model.not_valid_after_utc)
    )
    for extension in model.extensions:
        if not isinstance(extension.value, x509.SubjectKeyIdentifier):
            builder = builder.add_extension(extension.value, critical=extension.critical)
    assert isinstance(root.key, ec.EllipticCurvePrivateKey)
    return builder.sign(root.key, hashes.SHA256())

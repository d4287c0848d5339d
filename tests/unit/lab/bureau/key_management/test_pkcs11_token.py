"""The seal key in a PKCS#11 token, tried on SoftHSM 2: what opens, in which process, and how each failure is told."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import BureauHome
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.key_management.pkcs11_token import PIN_VARIABLE, HsmKeyLocation, open_hsm_key
from lab.process.optional_extras import extra_command
from lab.terms.errors import InvalidInput, NotAllowed, NotAuthentic, NotFound
from lab.terms.keys.sealing import SealKey, open_sealed, seal

ROOT = Path(__file__).parents[5]
LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
LIBRARY = next((path for path in LIBRARIES if Path(path).is_file()), None)
PIN = "4321-pin"
pkcs11 = pytest.importorskip("pkcs11", reason="needs the extra `hsm`")
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="needs SoftHSM 2: apt-get install softhsm2")


@pytest.fixture(scope="module", autouse=True)
def softhsm(tmp_path_factory: pytest.TempPathFactory):
    """SoftHSM over a folder of its own; the library reads its configuration when it is loaded."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    yield
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh token, as the setting names it; its PIN is in the environment."""
    label = f"t{secrets.token_hex(4)}"
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN],
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv(PIN_VARIABLE, PIN)
    return f"pkcs11:module={LIBRARY};token={label};object=seal%20key"


def signed_in(place: HsmKeyLocation):
    """A session of the test's own, signed in to the token."""
    library = pkcs11.lib(LIBRARY)
    library.reinitialize()  # the token is younger than the library
    return library.get_token(token_label=place.token).open(user_pin=PIN, rw=True)


def test_a_bureau_sealed_under_a_token_opens_in_another_process(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Bureau.create(tmp_path / "bureau", name="Test bureau", seal=place) as bureau:
        public, secret = (
            bureau.keys.public_key_hex,
            bureau.keys.with_matching_key("openmined", 1, "c-0001", "match", bytes),
        )
    assert not (tmp_path / "bureau" / "keys" / "seal.key").exists()
    again = "import sys; from pathlib import Path; from lab.bureau.configuration.home import BureauHome; " + (
        "from lab.bureau.key_management.keys import BureauKeys; "
        "keys = BureauKeys.open(BureauHome.open(Path(sys.argv[1]))); "
        "print(keys.public_key_hex, keys.with_matching_key('openmined', 1, 'c-0001', 'match', bytes).hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", again, str(tmp_path / "bureau")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [public, secret.hex()]
    # Neither the PIN nor a secret lies in the folder.
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert PIN.encode() not in file.read_bytes() and secret not in file.read_bytes()


def test_sealing_anew_into_a_token_and_out_of_it(place: str, tmp_path: Path) -> None:
    home = BureauHome.create(tmp_path / "bureau", name="Test bureau")
    public = BureauKeys.create(home).public_key_hex
    BureauKeys.open(home).reseal(place)
    (home.folder / "keys" / "seal.key").unlink()
    keys = BureauKeys.open(BureauHome.open(home.folder))
    assert keys.public_key_hex == public
    keys.reseal("file")
    os.environ.pop(PIN_VARIABLE)
    assert BureauKeys.open(BureauHome.open(home.folder)).public_key_hex == public


def test_the_derivation_is_that_of_sp_800_108(place: str) -> None:
    """A known key put into the token derives what an independent implementation of the standard derives."""
    found, known = HsmKeyLocation.parse(place), secrets.token_bytes(32)
    with signed_in(found) as session:
        session.create_object(
            {
                pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
                pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.GENERIC_SECRET,
                pkcs11.Attribute.VALUE: known,
                pkcs11.Attribute.LABEL: found.object,
                pkcs11.Attribute.TOKEN: True,
                pkcs11.Attribute.SIGN: True,
                pkcs11.Attribute.SENSITIVE: True,
                pkcs11.Attribute.EXTRACTABLE: False,
            }
        )
    salt = secrets.token_bytes(16)
    expected = KBKDFHMAC(
        algorithm=SHA256(),
        mode=Mode.CounterMode,
        length=32,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=b"shulab seal key ",
        context=salt,
        fixed=None,
    ).derive(known)
    assert open_hsm_key(found).derive(b"T", salt) == expected


@pytest.mark.property(
    "Hardware token",
    claim="The sealing key that a hardware token made cannot be taken out of it.",
    topic="keys and people",
    code=["lab.bureau.key_management.pkcs11_token"],
)
def test_a_key_made_in_the_token_cannot_be_taken_out(place: str) -> None:
    found = HsmKeyLocation.parse(place)
    open_hsm_key(found, make=True)
    with signed_in(found) as session:
        key = session.get_key(label=found.object)
        assert key[pkcs11.Attribute.SENSITIVE] and not key[pkcs11.Attribute.EXTRACTABLE]
        with pytest.raises(pkcs11.exceptions.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]


def test_a_key_that_can_be_taken_out_is_refused(place: str) -> None:
    found = HsmKeyLocation.parse(place)
    with signed_in(found) as session:
        open_flags = {pkcs11.Attribute.SENSITIVE: False, pkcs11.Attribute.EXTRACTABLE: True}
        session.generate_key(
            pkcs11.KeyType.GENERIC_SECRET,
            256,
            label=found.object,
            store=True,
            capabilities=pkcs11.MechanismFlag.SIGN,
            template=open_flags,
        )
    with pytest.raises(NotAllowed, match="taken out"):
        open_hsm_key(found)


def test_each_failure_names_its_next_step(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = HsmKeyLocation.parse(place)
    with pytest.raises(NotFound, match="no secret key"):
        open_hsm_key(found)
    key = open_hsm_key(found, make=True)
    sealed = seal(b"secret", key, b"label")
    assert open_sealed(sealed, open_hsm_key(found), b"label") == b"secret"

    monkeypatch.setenv(PIN_VARIABLE, "wrong-pin-9")
    with pytest.raises(NotAuthentic, match="does not take this PIN") as caught:
        open_hsm_key(found)
    assert PIN_VARIABLE in caught.value.next_step and "wrong-pin-9" not in str(caught.value)
    monkeypatch.delenv(PIN_VARIABLE)
    with pytest.raises(InvalidInput, match="found none") as missing:
        open_hsm_key(found)
    assert PIN_VARIABLE in missing.value.next_step
    monkeypatch.setenv(PIN_VARIABLE, PIN)

    with pytest.raises(NotFound, match="shows none"):
        open_hsm_key(HsmKeyLocation(found.module, "no such token", found.object))
    with pytest.raises(NotFound, match="cannot be loaded"):
        open_hsm_key(HsmKeyLocation(str(tmp_path / "no.so"), found.token, found.object))
    with pytest.raises(NotAuthentic, match="sealed under a key in a token; found a key file"):
        open_sealed(sealed, SealKey.from_file_bytes(bytes(32)), b"label")


def test_the_pin_may_lie_in_a_private_file(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PIN_VARIABLE)
    pin_file = tmp_path / "the pin"
    pin_file.write_text(PIN + "\n")
    found = HsmKeyLocation.parse(f"{place};pin-file={str(pin_file).replace(' ', '%20')}")
    pin_file.chmod(0o644)
    with pytest.raises(NotAllowed, match="owner alone"):
        open_hsm_key(found, make=True)
    pin_file.chmod(0o600)
    open_hsm_key(found, make=True)
    pin_file.unlink()
    with pytest.raises(NotFound, match="PIN's file"):
        open_hsm_key(found)


def test_another_key_of_the_token_opens_nothing(place: str) -> None:
    found = HsmKeyLocation.parse(place)
    other = HsmKeyLocation(found.module, found.token, "other")
    sealed = seal(b"secret", open_hsm_key(found, make=True), b"label")
    with pytest.raises(NotAuthentic, match="wrong key in a token"):
        open_sealed(sealed, open_hsm_key(other, make=True), b"label")


def test_without_the_extra_the_error_names_it(place: str) -> None:
    """The library absent: in a process whose import system does not find it."""
    code = (
        "import sys; sys.modules['pkcs11'] = None\n"
        "from lab.bureau.key_management.pkcs11_token import HsmKeyLocation, open_hsm_key\n"
        "from lab.terms.errors import NotFound\n"
        "try:\n    open_hsm_key(HsmKeyLocation.parse(sys.argv[1]))\n"
        "except NotFound as error:\n    print(error.next_step)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, place], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == extra_command("hsm")


def test_the_library_is_not_loaded_where_no_token_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lab.bureau.bureau import Bureau\n"
        "Bureau.create(Path(sys.argv[1]), name='x').close(); print('pkcs11' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "b")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"

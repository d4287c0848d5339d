"""A thief has a copy of the bureau's folder, or of its database: a backup that was lost, a disk that was sold.

They want the signing key, to sign contracts and heads; the matching keys, to try every code there is; and to know
whom the banks asked about. What stops it: the seal, whose key is kept elsewhere, and pseudonyms in the place of
codes. As shipped the seal's key is a file in the folder itself, and a copy of the whole folder has it: that is the
first attack here, and it succeeds; what stops it is a key elsewhere (`--seal environment`, a token, `--key-file`).
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import BureauHome
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.key_management.seal_keys import SEAL_KEY_VARIABLE
from lab.terms.errors import ShulabError
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.test_exchange import HERE, JOB, batch_of

pytestmark = [
    pytest.mark.threat(
        "Copied folder",
        who="somebody on the machine",
        wants="to open the secrets in a copy of the bureau's folder",
        stopped_by={
            "seal key elsewhere": (
                "Secrets are sealed with AES-256-GCM. The seal key is kept elsewhere: in another folder, the "
                "environment or a token."
            ),
        },
        shipped=(
            "the key is a file **in the folder itself**, so a copy of the whole folder opens; keep the key "
            "elsewhere (`--seal`, `--key-file`)"
        ),
        code=[
            "lab.bureau.key_management.secret_store",
            "lab.bureau.key_management.seal_keys",
            "lab.bureau.key_management.pkcs11_token",
        ],
    ),
    pytest.mark.threat(
        "Copied database",
        who="somebody on the machine",
        wants="to read from a copy of the database who was scored",
        stopped_by={
            "pseudonyms": "The database holds pseudonyms instead of codes, and no token or password in clear.",
            "keyed pseudonyms": "Pseudonyms are made under a sealed key, so trying every code finds nobody.",
        },
        code=["lab.bureau.key_management.keys"],
    ),
]


def steal(home: Path, folder: Path) -> BureauKeys:
    """The keys that the thief opens from a copy of the folder."""
    shutil.copytree(home, folder)
    return BureauKeys.open(BureauHome.open(folder))


@pytest.mark.without_control("seal key elsewhere")
def test_without_a_key_elsewhere_the_copy_opens(tmp_path: Path) -> None:
    with Bureau.create(tmp_path / "bureau", name="Test bureau") as bureau:
        signature = bureau.keys.sign(b"a contract")
    stolen = steal(tmp_path / "bureau", tmp_path / "copy")
    assert stolen.sign(b"a contract") == signature
    assert len(stolen.with_matching_key("x25519", 1, "c-0001", "match", bytes)) == 32


@pytest.mark.with_control("seal key elsewhere")
@pytest.mark.parametrize("where", ["environment", "file elsewhere"])
def test_with_the_key_elsewhere_the_copy_is_no_use(tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = base64.b64encode(os.urandom(32)).decode()
    if where == "environment":
        monkeypatch.setenv(SEAL_KEY_VARIABLE, key)
        made = Bureau.create(tmp_path / "bureau", name="Test bureau", seal="environment")
    else:
        made = Bureau.create(tmp_path / "bureau", name="Test bureau", key_file=tmp_path / "safe" / "seal.key")
    with made as bureau:
        secret = bureau.keys.with_matching_key("x25519", 1, "c-0001", "match", bytes)
    monkeypatch.delenv(SEAL_KEY_VARIABLE, raising=False)
    if where != "environment":
        (tmp_path / "safe" / "seal.key").unlink()
    with pytest.raises(ShulabError):
        steal(tmp_path / "bureau", tmp_path / "copy")
    monkeypatch.setenv(SEAL_KEY_VARIABLE, base64.b64encode(os.urandom(32)).decode())
    with pytest.raises(ShulabError):
        BureauKeys.open(BureauHome.open(tmp_path / "copy"))
    found = b"".join(path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file())
    assert secret not in found and secret.hex().encode() not in found


def names_in_the_database(scene: Scene) -> set[str]:
    """The codes of enterprises that a copy of the database tells of, after six were scored."""
    contract = scene.contract()
    scene.bureau.scoring.score(contract, JOB, batch_of(scene, contract))
    scene.bureau.close()
    content = b"".join(path.read_bytes() for path in scene.home.glob("bureau.db*"))
    return {code for code in scene.tables.codes if code.encode() in content}


@pytest.mark.without_control("pseudonyms")
def test_without_pseudonyms_the_database_names_who_was_scored(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BureauKeys, "pseudonyms", lambda keys, codes, number: list(codes))
    assert names_in_the_database(scene) == set(scene.tables.codes[HERE])


@pytest.mark.with_control("pseudonyms")
def test_the_database_names_nobody(scene: Scene) -> None:
    assert names_in_the_database(scene) == set()


@pytest.mark.without_control("keyed pseudonyms")
def test_without_the_key_in_the_pseudonym_every_code_is_tried(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain hash is no pseudonym: there are few enough codes to hash them all."""

    def plain_hash(codes: list[str]) -> list[str]:
        return [hashlib.sha256(code.encode()).hexdigest()[:32] for code in codes]

    monkeypatch.setattr(BureauKeys, "pseudonyms", lambda keys, codes, number: plain_hash(list(codes)))
    names_in_the_database(scene)
    content = b"".join(path.read_bytes() for path in scene.home.glob("bureau.db*"))
    tried = zip(scene.tables.codes, plain_hash(scene.tables.codes), strict=True)
    assert {code for code, name in tried if name.encode() in content} == set(scene.tables.codes[HERE])


@pytest.mark.with_control("keyed pseudonyms")
def test_trying_every_code_finds_nobody(scene: Scene) -> None:
    names_in_the_database(scene)
    content = b"".join(path.read_bytes() for path in scene.home.glob("bureau.db*"))
    for code in scene.tables.codes:
        digest = hashlib.sha256(code.encode())
        assert digest.hexdigest()[:32].encode() not in content and digest.digest()[:16] not in content

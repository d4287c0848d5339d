"""The published bytes, held against a second implementation that shares no code with the product."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.vectors.plain import canonical, curve25519, ed25519, frame, http_signature, matching, merkle, note, sealed

HERE = Path(__file__).parent


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    assert (found["format"], found["name"]) == ("shulab-vectors/1", name)
    return found


def unhex(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


@pytest.mark.parametrize("path", sorted((HERE / "plain").glob("*.py")), ids=lambda path: path.stem)
def test_it_imports_the_standard_library_alone(path: Path) -> None:
    found = set()
    for step in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(step, ast.Import):
            found |= {alias.name for alias in step.names}
        if isinstance(step, ast.ImportFrom):
            found.add(step.module or "")
    ours = {name for name in found if name.startswith("tests.vectors.plain")}
    assert {name.partition(".")[0] for name in found - ours} <= sys.stdlib_module_names


def test_hash_to_curve() -> None:
    for each in load("hash-to-curve")["vectors"]:
        u = curve25519.hash_to_curve(each["identifier"].encode(), each["dst"].encode())
        assert curve25519.encode(u).hex() == each["u"]


def test_rfc_9380_points_come_of_clearing_the_cofactor() -> None:
    """Appendix J.4.2 (curve25519_XMD:SHA-512_ELL2_NU_): x of P for the messages "" and "abc"."""
    dst = b"QUUX-V01-CS02-with-curve25519_XMD:SHA-512_ELL2_NU_"
    wanted = {
        b"": 0x1BB913F0C9DAEFA0B3375378FFA534BDA5526C97391952A7789EB976EDFE4D08,
        b"abc": 0x7C22950B7D900FA866334262FCAEA47A441A578DF43B894B4625C9B450F9A026,
    }
    for message, x in wanted.items():
        assert curve25519.ladder(8, curve25519.hash_to_curve(message, dst)) == x


def test_x25519_and_pairs_of_scalars() -> None:
    found = load("x25519")
    for each in found["products"]:
        assert curve25519.x25519(*unhex([each["scalar"], each["element"]])).hex() == each["product"]
    for each in found["pairs"]:
        blinding, unblinding = curve25519.blinding(bytes.fromhex(each["seed"]))
        assert (blinding.hex(), unblinding.hex()) == (each["blinding"], each["unblinding"])


@pytest.mark.parametrize("number", [0, 1], ids=["match", "count"])
def test_one_run_from_secrets_and_identifiers_to_tags_and_marks(number: int) -> None:
    found = load("oprf")
    run, bank, names = found["runs"][number], bytes.fromhex(found["bank_secret"]), sorted(found["identifiers"])
    counting = run["operation"] == "count"
    about = (run["operation"], found["engine"], found["contract"], found["epoch"])
    order_seed = matching.seed(b"shulab order v1", bank, *about, names)
    asked = [names[place] for place in matching.order(b"shulab order v1", order_seed, len(names))]
    seed = matching.seed(b"shulab request v2", bank, *about, asked)
    assert (order_seed.hex(), asked, seed.hex()) == (run["order_seed"], run["asked"], run["request_seed"])
    assert matching.canaries(seed, len(asked))[0] == run["canary_places"]
    elements = matching.request(seed, asked)
    header = {"count": len(elements), "engine": found["engine"]}
    assert frame.write("match-request", header, [b"".join(elements)]).hex() == run["request"]

    key = matching.contract_key(bytes.fromhex(found["epoch_secret"]), *about[1:3], run["operation"])
    public = curve25519.x25519(key, matching.BASE)
    assert (key.hex(), public.hex()) == (run["key"], run["public_key"])
    answers = [curve25519.x25519(key, element) for element in elements]
    answers = sorted(answers) if counting else answers
    assert frame.write("match-response", header, [b"".join(answers)]).hex() == run["response"]
    message = b"shulab matching key statement v1\x00" + canonical.canonical(run["statement"])
    bureau = bytes.fromhex(load("contract")["bureau_secret"])
    assert ed25519.sign(bureau, message).hex() == run["statement_signature"]
    assert run["statement"]["public_key"] == public.hex()

    values = matching.finish(seed, len(asked), answers, public, counting)
    assert [value.hex() for value in values] == run["values"]
    direct = [curve25519.x25519(key, curve25519.encode(curve25519.hash_to_curve(name.encode()))) for name in asked]
    assert sorted(values) == sorted(direct) and (counting or values == direct)
    if counting:
        assert [matching.count_mark(found["contract"], found["job"], value).hex() for value in values] == run["marks"]
        return
    halves = [matching.tag_and_mark(found["contract"], *pair) for pair in zip(asked, values, strict=True)]
    assert [[half.hex() for half in pair] for pair in zip(*halves, strict=True)] == [run["tags"], run["marks"]]


def test_an_answer_under_another_key_is_refused_by_the_second_implementation_too() -> None:
    found = load("oprf")
    seed, other = bytes.fromhex(found["runs"][0]["request_seed"]), bytes.fromhex(found["runs"][1]["key"])
    public = bytes.fromhex(found["runs"][0]["public_key"])
    answers = [curve25519.x25519(other, element) for element in matching.request(seed, found["runs"][0]["asked"])]
    with pytest.raises(ValueError, match="another key"):
        matching.finish(seed, len(found["runs"][0]["asked"]), answers, public, False)


def test_keys_of_the_other_engine() -> None:
    found = load("oprf")
    for operation, key in found["openmined_keys"].items():
        secret = bytes.fromhex(found["epoch_secret"])
        assert matching.contract_key(secret, "openmined", found["contract"], operation).hex() == key


def test_places_and_coded_sets() -> None:
    found = load("coded-set")
    for each in found["places"]:
        place = matching.place(bytes.fromhex(each["mark"]), each["buckets"], each["slots"])
        assert place == (each["bucket"], each["place"])
    for each in found["sets"]:
        assert matching.encode(each["places"]).hex() == each["coded"]
        assert matching.decode(bytes.fromhex(each["coded"])) == each["places"]


def test_frames_of_matching() -> None:
    found = {each["kind"]: frame.read(bytes.fromhex(each["frame"])) for each in load("matching-frames")["frames"]}
    assert all(kind == read[0] for kind, read in found.items())
    run = load("oprf")["runs"][0]
    _, manifest, (sizes, hashes) = found["match-setup"]
    shards = found["match-shard"][2]
    assert sizes == b"".join(len(part).to_bytes(4, "little") for part in shards)
    assert hashes == b"".join(hashlib.sha256(part).digest() for part in shards)
    assert sum(len(matching.decode(part)) for part in shards) == manifest["entries"]
    stated = (manifest["public_key"], manifest["key_signature"], manifest["register_entries"])
    assert stated == (run["public_key"], run["statement_signature"], run["statement"]["register_entries"])
    name = hashlib.sha256(frame.write("match-setup", manifest, [sizes, hashes])).hexdigest()
    assert found["match-shard"][1] == {"first": 0, "setup": name}
    assert found["match-delta"][1:] == ({"from": "00" * 32, "to": name}, [shards[0], b"", b"", shards[1]])


def test_contract() -> None:
    found = load("contract")
    message = b"shulab contract v2\x00" + canonical.canonical(found["document"])
    assert message.hex() == found["signed_bytes"]
    assert hashlib.sha256(message.partition(b"\x00")[2]).hexdigest() == found["sha256"]
    for role in ("bureau", "bank"):
        secret = bytes.fromhex(found[f"{role}_secret"])
        assert ed25519.public_key(secret).hex() == found["document"][role]["public_key"]
        assert ed25519.sign(secret, message).hex() == found[f"{role}_signature"]


def test_succession() -> None:
    found = load("succession")
    message = b"shulab succession v1\x00" + canonical.canonical(found["statement"])
    assert message.hex() == found["signed_bytes"]
    assert ed25519.sign(bytes.fromhex(found["new_secret"]), message).hex() == found["new_signature"]
    old = bytes.fromhex(found["statement"]["old_key"])
    assert ed25519.verify(old, message, bytes.fromhex(found["old_signature"]))


def test_request_signatures() -> None:
    found = load("request-signature")
    for each in found["requests"]:
        body = bytes.fromhex(each["body"])
        assert http_signature.verify(each["method"], each["target"], each["headers"], body)
        assert not http_signature.verify(each["method"], each["target"], each["headers"], body + b" ")
        assert not http_signature.verify("PUT", each["target"], each["headers"], body)
        assert not http_signature.verify(each["method"], each["target"] + "&a=b", each["headers"], body)


def test_entries_heads_and_proofs_of_a_ledger() -> None:
    found = load("ledger")
    secret = bytes.fromhex(found["bureau_secret"])
    leaves = []
    for each in found["entries"]:
        body = each["body"].encode()
        assert canonical.canonical(json.loads(body)) == body
        leaves.append(merkle.leaf(body))
        assert leaves[-1].hex() == each["leaf"]
        assert ed25519.sign(secret, b"shulab ledger entry v2\x00" + body).hex() == each["signature"]
    roots = {}
    for head in found["heads"]:
        roots[head["size"]] = merkle.root(leaves[: head["size"]])
        assert roots[head["size"]].hex() == head["root"]
        assert ed25519.sign(secret, head_bytes(head)).hex() == head["signature"]
    for proof in found["inclusion"]:
        index, size = proof["metadata"]["index"], proof["metadata"]["size"]
        first, *path = unhex(proof["path"])
        assert first == leaves[index - 1] and path == merkle.inclusion(index - 1, leaves[:size])
        assert merkle.root_of_path(first, index - 1, size, path) == roots[size]
        assert merkle.fold([first, *path], proof["rule"]) == roots[size]
    for proof in found["consistency"]:
        old, new = proof["metadata"]["prior_size"], proof["metadata"]["size"]
        path = unhex(proof["path"])
        rfc = merkle.consistency(old, leaves[:new])
        assert merkle.roots_of_consistency(old, new, roots[old], rfc) == (roots[old], roots[new])
        assert merkle.fold(path, proof["rule"]) == roots[new]
        assert merkle.prior(path, proof["subset"]) == roots[old]


def test_receipt() -> None:
    found = load("receipt")
    receipt, key = found["receipt"], bytes.fromhex(found["bureau"])
    head, proof = receipt["head"], receipt["inclusion"]
    assert ed25519.verify(key, head_bytes(head), bytes.fromhex(head["signature"]))
    first, *path = unhex(proof["path"])
    assert first == merkle.leaf(canonical.canonical(receipt["entry"]))
    assert proof["metadata"]["index"] == receipt["entry"]["seq"] and proof["metadata"]["size"] == head["size"]
    assert merkle.root_of_path(first, receipt["entry"]["seq"] - 1, head["size"], path).hex() == head["root"]


def test_checkpoint_and_cosignature() -> None:
    found, ledger = load("checkpoint"), load("ledger")
    bureau, secret = bytes.fromhex(found["bureau"]), bytes.fromhex(ledger["bureau_secret"])
    assert (found["size"], found["root"]) == (ledger["heads"][-1]["size"], ledger["heads"][-1]["root"])
    text = note.checkpoint(note.origin(bureau), found["size"], bytes.fromhex(found["root"]))
    witness = bytes.fromhex(found["witness_secret"])
    lines = note.sign(secret, note.origin(bureau), text) + note.cosign(witness, found["witness"], text, found["time"])
    assert text.startswith(found["origin"] + "\n") and found["note"] == text + "\n" + lines
    public = ed25519.public_key(witness)
    name, number, material = found["witness_key"].split("+", 2)
    assert (name, number) == (found["witness"], note.key_id(name, 4, public).hex())
    assert base64.b64decode(material) == b"\x04" + public


def test_sealed_secrets() -> None:
    found = load("sealed")
    assert [each["source"] for each in found["boxes"]] == ["P", "F", "E", "T"]
    for each in found["boxes"]:
        box, key, label = unhex([each["sealed"], each["key"], found["label"]])
        assert sealed.open_sealed(box, key, label).hex() == found["secret"]
        with pytest.raises(ValueError, match="tag"):
            sealed.open_sealed(box[:-1] + bytes([box[-1] ^ 1]), key, label)


def head_bytes(head: dict[str, Any]) -> bytes:
    time = datetime.fromisoformat(head["time"]).isoformat(timespec="microseconds")
    return b"shulab tree head v1\x00" + canonical.canonical({"size": head["size"], "root": head["root"], "time": time})

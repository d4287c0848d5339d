"""The signature base of a request (RFC 9421, section 2.5) with the components that Shulab covers."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import urlsplit

from tests.vectors.plain import ed25519


def signature_base(method: str, target: str, headers: dict[str, str], parameters: str) -> bytes:
    """What is signed. ``parameters``: the value of Signature-Input behind its label."""
    path, query = urlsplit(target).path, urlsplit(target).query
    lines = {
        "@method": method,
        "@path": path,
        "@query": "?" + query,
        "content-digest": headers["content-digest"],
        "shulab-bureau": headers["shulab-bureau"],
    }
    names = parameters[1 : parameters.index(")")].split()
    if sorted(names) != sorted(f'"{name}"' for name in lines):
        raise ValueError("other components are covered")
    covered = "".join(f"{name}: {lines[name.strip(chr(34))]}\n" for name in names)
    return (covered + f'"@signature-params": {parameters}').encode()


def verify(method: str, target: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether the request's signature is its key's and its digest its body's."""
    headers = {name.lower(): value for name, value in headers.items()}
    digest = "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"
    label, _, parameters = headers["signature-input"].partition("=")
    key = parameters.partition(';keyid="')[2].partition('"')[0]
    signature = base64.b64decode(headers["signature"].removeprefix(f"{label}=:").removesuffix(":"))
    base = signature_base(method, target, headers, parameters)
    return headers["content-digest"] == digest and ed25519.verify(bytes.fromhex(key), base, signature)

"""Files of authorities: missing, empty and foreign ones are said to be so; certificates that cannot be read, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.terms.errors import InvalidInput
from lab.transport.certificates import describe_certificate, open_trust_context
from tests.support.made_certificates import make_authority


@pytest.mark.parametrize(
    ("content", "shown"),
    [(None, "cannot be read"), (b"", "it holds none"), (b"hello", "it holds none"), (b"\xff\x00", "it holds none")],
)
def test_a_file_without_certificates_is_refused(tmp_path: Path, content: bytes | None, shown: str) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInput, match=shown) as caught:
        open_trust_context(file, option="oidc_ca_file")
    assert "oidc_ca_file" in caught.value.next_step


def test_a_key_is_no_authority(tmp_path: Path) -> None:
    _, key = make_authority().write(tmp_path)
    with pytest.raises(InvalidInput, match="PEM certificates"):
        open_trust_context(key)


def test_what_cannot_be_read_is_said_to_be_so() -> None:
    assert describe_certificate(b"nothing") == "that cannot be read"

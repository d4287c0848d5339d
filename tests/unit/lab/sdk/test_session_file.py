"""The file of a sign-in: what cannot be one is told, whatever is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.disk.private_files import write_private
from lab.sdk.session_file import SavedSession
from lab.terms.errors import InvalidInput, NotAuthentic


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"\xff", b"[" * 100_000, b'{"service"'])
def test_what_is_no_sign_in_is_told(content: bytes, tmp_path: Path) -> None:
    write_private(tmp_path / "session.json", content)
    with pytest.raises(InvalidInput, match="Expected a sign-in"):
        SavedSession.read(tmp_path / "session.json")


def test_without_a_file_nobody_is_signed_in(tmp_path: Path) -> None:
    with pytest.raises(NotAuthentic):
        SavedSession.read(tmp_path / "none.json")

"""What a bank keeps and says of register versions in which a record was put right since."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bank.connection.responses import BureauResponse, RegisterState, parse_register_state
from lab.bank.runs.superseded_registers import keep_superseded, superseded_warning
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import Unreachable
from lab.terms.text.bilingual import split_bilingual

RUN = {"contract": "c-1", "register": "main-2"}


def test_a_run_of_a_superseded_version_is_to_be_scored_again(tmp_path: Path) -> None:
    assert superseded_warning(tmp_path, "r-1", RUN) == ""
    keep_superseded(tmp_path, "c-1", RegisterState("main", 2))
    assert not (tmp_path / "superseded").exists()  # there is nothing to say
    keep_superseded(tmp_path, "c-1", RegisterState("main", 2, (), (2,)))
    assert "no newer register yet" in superseded_warning(tmp_path, "r-1", RUN)
    keep_superseded(tmp_path, "c-1", RegisterState("main", 3, (), (1, 2)))
    zh, en = split_bilingual(superseded_warning(tmp_path, "r-1", RUN))
    assert "`lab bank rescore r-1`" in en and "`lab bank rescore r-1`" in zh
    for other in (RUN | {"register": "main-3"}, RUN | {"register": "other-2"}, RUN | {"contract": "c-2"}, {}):
        assert superseded_warning(tmp_path, "r-1", other) == ""
    assert superseded_warning(tmp_path, "r-1", RUN | {"register": "main-3, main-1"})


def test_each_register_of_a_contract_is_kept(tmp_path: Path) -> None:
    keep_superseded(tmp_path, "c-1", RegisterState("main", 3, (), (2,)))
    keep_superseded(tmp_path, "c-1", RegisterState("other", 1))
    assert superseded_warning(tmp_path, "r-1", RUN)
    keep_superseded(tmp_path, "c-1", RegisterState("main", 4))
    assert superseded_warning(tmp_path, "r-1", RUN) == ""


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    keep_superseded(tmp_path, "c-1", RegisterState("main", 3, (), (2,)))
    path = tmp_path / "superseded" / "c-1.json"
    path.write_text(path.read_text("utf-8").replace("2", "1"), "utf-8")
    with pytest.raises(DamagedFile):
        superseded_warning(tmp_path, "r-1", RUN)


def test_a_bureau_s_answer_is_read_strictly() -> None:
    def answer(more: str) -> BureauResponse:
        return BureauResponse(200, {}, ('{"name": "main", "version": 3, "moved": []' + more + "}").encode())

    assert parse_register_state(answer("")) == RegisterState("main", 3)  # of an earlier version of the program
    assert parse_register_state(answer(', "superseded": [1, 2]')).superseded == (1, 2)
    for wrong in ("1", '["1"]', "[true]", "[1.5]", "{}", "null"):
        with pytest.raises(Unreachable):
            parse_register_state(answer(f', "superseded": {wrong}'))
    assert parse_register_state(answer(', "day": null')).day == ""
    assert parse_register_state(answer(', "day": "2026-06-30"')).day == "2026-06-30"
    for wrong in ("1", '"30 June"', '"2026-06-30 <b>"', "true", "{}", '"２０２６-06-30"', '"2026-06-30\\n"'):
        with pytest.raises(Unreachable):
            parse_register_state(answer(f', "day": {wrong}'))

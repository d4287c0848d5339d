"""``lab bank portrait``: a folder of portraits, whole or not at all, the owner's alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.bank.home import BankHome
from lab.bank.portraits.pages import index_page
from lab.bank.portraits.portrait_folder import write_portraits
from lab.bank.portraits.scored_run import ScoredRun
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import Conflict, MachineFault, NotFound
from tests.support.finished_run import make_run

ROOT = Path(__file__).resolve().parents[6]


def portrait(home: BankHome, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lab.cli", "bank", "portrait", *map(str, words), "--home", str(home.folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ}, check=False)


def test_every_enterprise_has_a_page_and_the_index_names_it(home: BankHome, trained, tmp_path: Path) -> None:
    run = ScoredRun.open(make_run(home, trained, ResultDetail.FULL))
    done = portrait(home, "--all", "--folder", tmp_path / "pages", "--json")
    facts = json.loads(done.stdout)
    assert done.returncode == 0 and facts["portraits"] == len(run.codes) == 100
    pages = sorted((tmp_path / "pages").glob("0*.html"))
    index = (tmp_path / "pages" / "index.html").read_text(encoding="utf-8")
    assert len(pages) == 100 and sum(path.stat().st_size for path in pages) < facts["bytes"]
    for place, (page, code) in enumerate(zip(pages, run.codes, strict=True)):
        assert f'<a href="{page.name}">{code}</a>' in index
        if place % 25 == 0:
            assert code in page.read_text(encoding="utf-8")
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "pages").iterdir()}
    assert modes == {0o600} and (tmp_path / "pages").stat().st_mode & 0o777 == 0o700
    again = portrait(home, "--all", "--folder", tmp_path / "pages", "--json")
    assert again.returncode == 8 and len(list(tmp_path.glob(".pages*"))) == 0


def test_a_list_draws_those_it_names_and_counts_the_others(home: BankHome, trained, tmp_path: Path) -> None:
    make_run(home, trained, ResultDetail.TOTAL)
    (tmp_path / "list.csv").write_text("code\nfirm-007\nnobody-1\nfirm-003\nfirm-007\n")
    facts = json.loads(portrait(home, "--list", tmp_path / "list.csv", "--folder", tmp_path / "p", "--json").stdout)
    assert (facts["portraits"], facts["not_scored"]) == (2, 1)
    assert "firm-007" in (tmp_path / "p" / "000001.html").read_text(encoding="utf-8")
    for words in (("--all",), ("--folder", tmp_path / "q"), ("firm-007", "--all", "--folder", tmp_path / "q")):
        assert portrait(home, *words).returncode == 3 and not (tmp_path / "q").exists()


def test_a_large_index_has_several_pages(
    home: BankHome, trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_page, "LINES_PER_PAGE", 30)
    monkeypatch.setattr("lab.bank.portraits.portrait_folder.LINES_PER_PAGE", 30)
    run = ScoredRun.open(make_run(home, trained, ResultDetail.TOTAL))
    write_portraits(run, range(100), tmp_path / "pages")
    names = ["index.html", "index-2.html", "index-3.html", "index-4.html"]
    pages = [(tmp_path / "pages" / name).read_text(encoding="utf-8") for name in names]
    for page in pages:
        assert sum(f'href="{name}"' in page for name in names) == len(names) - 1
    assert "000001.html" in pages[0] and "000100.html" in pages[3]


def test_nothing_is_left_where_pages_do_not_fit(
    home: BankHome, trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ScoredRun.open(make_run(home, trained, ResultDetail.TOTAL))
    with pytest.raises(NotFound, match="does not exist"):
        write_portraits(run, range(3), tmp_path / "absent" / "pages")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other").touch()
    with pytest.raises(Conflict):
        write_portraits(run, range(3), tmp_path / "full")
    monkeypatch.setattr("lab.bank.portraits.portrait_folder._ROOM_TO_LEAVE", 10**18)
    with pytest.raises(MachineFault, match="room for about"):
        write_portraits(run, range(3), tmp_path / "pages")
    assert sorted(path.name for path in tmp_path.iterdir() if "pages" in path.name) == []

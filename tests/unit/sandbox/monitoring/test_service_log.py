"""The log: modes, JSON lines, and what is left out of them."""

from __future__ import annotations

import json
import logging
import stat

from sandbox.monitoring.service_log import log_event, open_service_log

CANARY = "canary-8c1f"


def lines(folder):
    return [json.loads(line) for line in (folder / "service.jsonl").read_text().splitlines()]


def test_folder_and_file_are_the_owners_alone(tmp_path):
    folder = tmp_path / "logs"
    open_service_log(folder, 100_000)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "service.jsonl").stat().st_mode) == 0o600


def test_a_file_that_is_turned_over_stays_the_owners_alone(tmp_path):
    logger = open_service_log(tmp_path, 65_536)
    for _ in range(700):
        log_event(logger, "filler", text="x" * 100)
    files = list(tmp_path.glob("service.jsonl*"))
    assert len(files) > 1
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)


def test_an_exception_is_kept_as_its_type_and_place(tmp_path):
    logger = open_service_log(tmp_path, 100_000)
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        log_event(logger, "fault", error=error)
    (line,) = lines(tmp_path)
    assert line["fault"]["type"] == "KeyError"
    assert any("test_an_exception_is_kept" in place for place in line["fault"]["at"])
    assert CANARY not in json.dumps(line)


def test_arguments_of_the_servers_own_records_are_left_out(tmp_path):
    open_service_log(tmp_path, 100_000)
    logging.getLogger("uvicorn.error").warning("odd thing: %s", CANARY)
    logging.getLogger("uvicorn.error").error(ValueError(CANARY))
    assert [line["event"] for line in lines(tmp_path)] == ["odd thing: %s", "ValueError"]
    assert CANARY not in (tmp_path / "service.jsonl").read_text()


def test_opening_again_writes_to_the_new_folder_only(tmp_path):
    open_service_log(tmp_path / "a", 100_000)
    log_event(open_service_log(tmp_path / "b", 100_000), "here")
    assert (tmp_path / "a" / "service.jsonl").read_text() == ""
    assert lines(tmp_path / "b")[0]["event"] == "here"

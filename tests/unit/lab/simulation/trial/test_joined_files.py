"""Reading and joining two files: first row wins, nothing lost, clear errors without data values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lab.simulation.trial.joined_files import JoinOptions, read_joined_files
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.identifiers import RejectionReason


def write(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def files(folder: Path, *, common: int = 100, label=lambda i: i % 4 == 0) -> tuple[Path, Path]:
    bureau = write(folder / "bureau.csv", "id,a,b", [f"k{i},{i},x{i % 3}" for i in range(common)] + ["only-here,1,x"])
    bank = write(
        folder / "bank.csv", "c,id,y", [f"{i * 2},k{i},{int(label(i))}" for i in range(common)] + ["5,other,0"]
    )
    return bureau, bank


def read(bureau: Path, bank: Path, **more):
    return read_joined_files(
        bureau, bank, JoinOptions(**({"id_column": "id", "label": "y", "id_kind": "opaque"} | more))
    )


def test_joins_row_by_row_whatever_the_order(tmp_path):
    bureau, bank = files(tmp_path)
    lines = bank.read_text().splitlines()
    write(bank, lines[0], list(reversed(lines[1:])))
    joined = read(bureau, bank)
    everything = np.arange(100)
    public, private = joined.bureau_features(everything), joined.bank_features(everything)
    assert [int(a) * 2 for a in public["a"]] == [int(c) for c in private["c"]]
    assert private.columns == ["c"] and public.columns == ["a", "b"]
    assert [f"k{a}" for a in public["a"]] == joined.codes(everything)


def test_pilot_is_seventy_per_cent_of_each_label_value_and_disjoint(tmp_path):
    joined = read(*files(tmp_path))
    assert len(joined.pilot) == 52 + 18 and len(joined.test) == 30  # 75 and 25 rows
    assert not set(joined.pilot) & set(joined.test)
    assert joined.labels[joined.pilot].sum() == 18
    assert list(read(*files(tmp_path), seed=1).pilot) == list(joined.pilot)
    assert list(read(*files(tmp_path), seed=2).pilot) != list(joined.pilot)


def test_the_first_row_of_a_code_counts_and_the_rest_is_set_aside(tmp_path):
    bureau, bank = files(tmp_path)
    with bank.open("a") as file:
        file.write("999,k3,1\n7,,0\n1,2\n")
    joined = read(bureau, bank)
    assert joined.bank.set_aside == {RejectionReason.DUPLICATE: 1, RejectionReason.EMPTY: 1, RejectionReason.RAGGED: 1}
    assert "999" not in joined.bank.features["c"].to_list()
    assert joined.bank.rows == 104 == len(joined.bank.codes) + 3


def test_identifiers_written_as_decimals_join_and_each_file_is_warned_of(tmp_path):
    bureau, bank = files(tmp_path)
    bureau.write_text(bureau.read_text().replace("k", ""))
    lines = [line.split(",k") for line in bank.read_text().splitlines()]
    bank.write_text(
        "\n".join(",".join([*line[:1], *(cell.replace(",", ".0,") for cell in line[1:])]) for line in lines)
    )
    joined = read(bureau, bank)
    assert len(joined.labels) == 100
    ((zh, en),) = joined.warnings
    assert en == "bank.csv: 100 identifiers were written as decimal numbers; read without .0"
    assert zh.startswith("bank.csv：100 个标识")


def test_rows_without_label_are_kept_apart(tmp_path):
    bureau, bank = files(tmp_path)
    text = bank.read_text().replace("12,k6,0", "12,k6,").replace("14,k7,0", "14,k7,NA")
    bank.write_text(text)
    joined = read(bureau, bank)
    assert set(joined.unlabelled) == {"k6", "k7"}
    assert len(joined.pilot) + len(joined.test) == 98


def test_an_enterprise_defaulted_if_any_of_its_rows_did(tmp_path):
    bureau, bank = files(tmp_path)
    with bank.open("a") as file:
        file.write("777,k1,1\n778,k4,0\n779,k3,NA\n")  # k1 paid in its first row, k4 defaulted in it
    joined = read(bureau, bank)
    labels = dict(zip(joined.codes(np.arange(100)), joined.labels, strict=True))
    assert (labels["k1"], labels["k4"], labels["k3"]) == (1, 1, 0)
    assert "777" not in joined.bank_features(np.arange(100))["c"].to_list()
    (zh, en) = joined.warnings[0]
    assert "3 户" in zh and "2 户" in zh and "3 enterprises" in en and "2 enterprises" in en
    assert joined.bank.set_aside == {RejectionReason.DUPLICATE: 3}


def test_labels_may_be_words_of_one_pair(tmp_path):
    bureau, bank = files(tmp_path)
    numbers = read(bureau, bank)
    bank.write_text(bank.read_text().replace(",1\n", ",违约\n").replace(",0\n", ",正常\n"))
    words = read(bureau, bank)
    assert words.labels.tolist() == numbers.labels.tolist() and "违约" in words.warnings[0][0]


def test_the_label_is_no_feature_of_either_side(tmp_path):
    bureau, bank = files(tmp_path)
    bureau.write_text(
        "\n".join(f"{line},{'y' if n == 0 else n % 2}" for n, line in enumerate(bureau.read_text().split()))
    )
    joined = read(bureau, bank)
    assert joined.bureau.columns == ("a", "b") and joined.bank.columns == ("c",)
    assert len(joined.warnings) == 1


def test_columns_can_be_restricted(tmp_path):
    assert read(*files(tmp_path), bureau_columns=("b",)).bureau.columns == ("b",)


@pytest.mark.parametrize(
    ("change", "more", "says"),
    [
        (lambda bureau, bank: bureau.write_text("id,a,b\nz1,1,2\nz2,2,3\n"), {}, "none is"),
        (lambda bureau, bank: None, {"label": "nothing"}, "nothing"),
        (lambda bureau, bank: None, {"id_column": "nobody"}, "nobody"),
        (lambda bureau, bank: None, {"bank_columns": ("zz",)}, "zz"),
        (lambda bureau, bank: None, {"bank_columns": ("y",)}, "at least one feature"),
        (lambda bureau, bank: bank.write_text(bank.read_text().replace(",1\n", ",0\n")), {}, "both label values"),
        (lambda bureau, bank: bank.write_text(bank.read_text().replace(",1\n", ",SECRET7\n")), {}, "25 rows"),
        (lambda bureau, bank: bank.write_text(""), {}, "empty"),
        (lambda bureau, bank: bank.write_text("c,id,y\n"), {}, "none is"),
        (lambda bureau, bank: None, {"id_kind": "uscc"}, "none is"),
    ],
)
def test_unusable_files_are_named_without_their_values(tmp_path, change, more, says):
    bureau, bank = files(tmp_path)
    change(bureau, bank)
    with pytest.raises(InvalidInput) as caught:
        read(bureau, bank, **more)
    assert says in caught.value.detail
    assert caught.value.next_step
    assert "SECRET7" not in str(caught.value) and "k1" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    bureau, bank = files(tmp_path)
    bank.unlink()
    with pytest.raises(NotFound):
        read(bureau, bank)

"""How a trial says that it read the columns."""

from __future__ import annotations

from pathlib import Path

from lab.simulation.trial.columns import TrialColumns
from lab.simulation.trial.dictionaries import TrialDictionaries
from lab.simulation.trial.joined_files import JoinOptions, read_joined_files


def test_notes_name_rows_of_each_file(tmp_path: Path) -> None:
    bureau, bank = tmp_path / "bureau.csv", tmp_path / "bank.csv"
    bureau.write_text("id,a\n" + ",1\n" + "".join(f"k{n},{n if n != 7 else 'x'}\n" for n in range(100)))
    bank.write_text("id,c,y\n" + "k0,1\n" + "".join(f"k{n},{n if n != 9 else 'x'},{n % 2}\n" for n in range(100)))
    joined = read_joined_files(bureau, bank, JoinOptions("id", "y", "opaque"))
    columns = TrialColumns.read(joined, TrialDictionaries({}, {}))
    for (summary,), line in ((columns.bureau, 7 + 3), (columns.bank, 9 + 3)):
        assert summary.as_dict()["notes"][0]["rows"] == (line,)

"""A finished scoring run, opened for portraits and overviews. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from lab.bank.runs.results import RowStatus, read_outcome
from lab.bank.runs.store import FinishedRun
from lab.bank.runs.superseded_registers import superseded_warning
from lab.terms.contract.document import parse_contract
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.identifiers import RejectionReason, normalise_identifiers
from lab.terms.ledger.receipt import ScoreReceipt
from lab.terms.names import IdKind
from models.shared.portfolio_scores import PortfolioScores
from models.shared.portrait import Portrait, PortraitProvenance, build_portrait
from models.shared.sheet import BankSheet


@dataclass(frozen=True)
class ScoredRun:
    """A finished scoring run: its sheet, its results, and the scored codes in the order of ``outcome``."""

    run: FinishedRun
    sheet: BankSheet
    outcome: PortfolioScores
    codes: tuple[str, ...]
    scores: pl.DataFrame

    @classmethod
    def open(cls, run: FinishedRun) -> ScoredRun:
        """Read a run's results; raises ``InvalidInput`` if its files do not fit each other."""
        sheet = BankSheet.from_json(run.sheet)
        outputs = run.outputs
        step = parse_contract(run.contract, kept=True).contract.ceilings.precision
        return cls(run, sheet, read_outcome(sheet, outputs, step=step), tuple(outputs["code"].to_list()), run.scores)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the job warned of (rows and cells that could not be read, batches that were refused), and whether a
        record that counted was put right since."""
        said = tuple(str(warning) for warning in self.run.manifest.get("warnings", ()))
        since = superseded_warning(self.run.folder.parent.parent, self.run.folder.name, self.run.manifest)
        return (since, *said) if since else said

    def resolve_code(self, code: str | None) -> str:
        """The normalised code (None: the first scored one).

        Raises ``InvalidInput`` for what is no code, ``NotFound`` for a run that scored nobody.
        """
        if not self.codes:
            raise NotFound("This run scored no enterprise.", next_step="see `lab bank runs`")
        if code is None:
            return self.codes[0]
        found = normalise_identifiers([code], parse_contract(self.run.contract, kept=True).contract.id_kind)
        written, reason = found.codes[0], found.reasons[0]
        if written is None:
            words = RejectionReason(reason or RejectionReason.EMPTY)
            raise InvalidInput(
                f"Expected an enterprise's code. The text that was given: {words.en}.", next_step="check the code"
            )
        return written

    def portrait(self, code: str | None = None) -> Portrait:
        """The portrait of one enterprise; raises ``NotFound``, with the reason, if it was not scored."""
        written = self.resolve_code(code)
        if written not in self.codes:
            counted = (pl.col("code") == written) & (pl.col("status") != RowStatus.SET_ASIDE.value)
            rows = self.scores.filter(counted)["status"].to_list()
            ended = {
                RowStatus.NOT_MATCHED.value: "it is not among the enterprises the contract allows",
                RowStatus.SKIPPED.value: "it was to be skipped",
                RowStatus.NOT_RESCORED.value: "it could not be scored again",
            }
            why = ended.get(rows[0], "it was not scored") if rows else "it is not in the portfolio"
            raise NotFound(
                f"Expected a scored enterprise of run {self.run.folder.name}; {why}.", next_step="check the code"
            )
        return self.portrait_at(self.codes.index(written))

    def portrait_at(self, row: int) -> Portrait:
        """The portrait of the enterprise ``codes[row]``."""
        provenance = self.provenance(self._receipt(row))
        return build_portrait(self.sheet, self.outcome, row, enterprise=self.codes[row], provenance=provenance)

    def rows_of(self, codes: Iterable[str]) -> tuple[list[int], int]:
        """Positions of normalised ``codes`` in ``self.codes``, in their order, and how many of them were not scored."""
        places = {code: place for place, code in enumerate(self.codes)}
        wanted = list(dict.fromkeys(codes))
        found = [places[code] for code in wanted if code in places]
        return found, len(wanted) - len(found)

    @property
    def id_kind(self) -> IdKind:
        """The kind of the run's codes."""
        return parse_contract(self.run.contract, kept=True).contract.id_kind

    def provenance(self, receipt: str = "") -> PortraitProvenance:
        """Where the run's portraits come from, to be shown on them."""
        facts = self.run.manifest
        return PortraitProvenance(
            contract=str(facts.get("contract", "")),
            contract_sha256=str(facts.get("contract_sha256", "")),
            bureau=str(facts.get("bureau", "")),
            bank=str(facts.get("bank", "")),
            register=str(facts.get("register", "")),
            register_days=tuple(sorted(facts.get("register_days", {}).items())),
            receipt=receipt,
            computed_at=str(facts.get("finished", ""))[:19],
        )

    def _receipt(self, row: int) -> str:
        """The ledger entry of the reply to the enterprise's batch: its number and leaf hash."""
        start = 0
        for found in self.run.manifest.get("receipts", []):
            receipt = ScoreReceipt.read(found)
            start += receipt.scored
            if row < start:
                return f"#{receipt.entry_number} · {receipt.leaf_hash}"
        return ""

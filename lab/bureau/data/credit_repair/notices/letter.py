"""What a notice of credit repair says: class, until when the record counts, from when and how it can be repaired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from lab.bureau.data.credit_repair.rules.definition import (
    CaseKind,
    Citation,
    OnCorrection,
    RepairCondition,
    RepairRules,
)
from lab.bureau.data.credit_repair.standing import RecordStanding
from lab.terms.text.bilingual import BilingualText
from lab.terms.text.escaping import escape_hidden
from lab.terms.text.styled_page import render_styled_page

_UNKNOWN = ("未载明", "not stated")
_TITLE = ("信用修复告知书", "Notice of credit repair")


@dataclass(frozen=True, slots=True)
class NoticeLetter:
    """One letter. ``facts``: labels and values of the record and its terms; the others in both languages."""

    facts: Sequence[tuple[BilingualText, str]]
    paragraphs: Sequence[BilingualText]
    sources: Sequence[BilingualText]
    bureau: str
    written_on: date

    def as_html(self) -> str:
        """The letter as one page that loads nothing and runs nothing."""
        return render_styled_page(
            __package__,
            "notice.html.j2",
            "notice.css",
            facts=self.facts,
            paragraphs=self.paragraphs,
            sources=self.sources,
            bureau=self.bureau,
            written_on=self.written_on.isoformat(),
        )

    def as_text(self) -> str:
        """The letter as plain text, Chinese first."""
        lines = [f"{_TITLE[0]} {_TITLE[1]}", ""]
        lines += [f"{label[0]} {label[1]}: {escape_hidden(value)}" for label, value in self.facts]
        for language, heading in ((0, "依据"), (1, "Sources")):
            lines += ["", *(paragraph[language] for paragraph in self.paragraphs), f"{heading}:"]
            lines += [f"- {source[language]}" for source in self.sources]
        return "\n".join([*lines, "", f"{escape_hidden(self.bureau)} · {self.written_on.isoformat()}", ""])


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """The record that a letter is about: the enterprise's code, and values by the words of its items."""

    enterprise: str
    values: Mapping[BilingualText, str]


def write_letter(
    record: NoticeRecord, standing: RecordStanding, rules: RepairRules, *, bureau: str, written_on: date
) -> NoticeLetter:
    """The letter about one record, by its standing on the day it is written."""
    group = standing.adverse_class
    facts: list[tuple[BilingualText, str]] = [(("统一社会信用代码", "unified social credit code"), record.enterprise)]
    facts += list(record.values.items())
    facts += [
        (("失信信息类别", "class of adverse information"), " ".join(group.title)),
        (("公示期起算日", "terms count from"), _day(standing.started)),
        (("最短公示期至", "least term until"), _day(standing.least_until)),
        (("可申请修复之日起", "repair may be asked for from"), _day(standing.repairable_from)),
        (("最长公示期至", "greatest term until"), _day(standing.greatest_until)),
    ]
    cited = (*group.citations, *(rules.legal_days[kind].citation for kind in CaseKind))
    sources = list(dict.fromkeys(_cite(one) for one in cited))
    return NoticeLetter(facts, _paragraphs(standing, rules), sources, bureau, written_on)


def _paragraphs(standing: RecordStanding, rules: RepairRules) -> list[BilingualText]:
    group = standing.adverse_class
    conditions = [_condition(one) for one in group.conditions]
    days = {kind: rules.legal_days[kind].working_days for kind in CaseKind}
    first = _day(standing.repairable_from)
    found: list[BilingualText] = [
        (
            f"本告知书与决定书一并送达。该记录属{group.title[0]}失信信息。",
            f"This notice goes out with the decision itself. The record is {group.title[1]} adverse information.",
        ),
        (
            f"自{first}起可申请修复,条件:{';'.join(zh for zh, _ in conditions)}。"
            f"数据局在{days[CaseKind.REPAIR]}个工作日内决定。",
            f"Repair may be asked for from {first}, when {'; '.join(en for _, en in conditions)}. The decision takes "
            f"at most {days[CaseKind.REPAIR]} working days.",
        ),
    ]
    if group.on_correction is OnCorrection.ENDS:
        found.append(
            (
                "义务履行完毕、纠正登记之日起,该记录不再计入信用评价。",
                "From the day on which all duties are done and that is recorded, the record no longer counts.",
            )
        )
    found.append(
        (
            f"修复之日起,或最长公示期({_day(standing.greatest_until)})届满后,该记录不再计入信用评价。",
            "From the day of repair, or after the end of its greatest term "
            f"({_day(standing.greatest_until)}), the record no longer counts in scores.",
        )
    )
    found.append(
        (
            f"认为记录有误的,可提出异议:异议期间该记录不计入,{days[CaseKind.OBJECTION]}个工作日内答复并说明理由。",
            "Whoever holds the record to be wrong may object: meanwhile it does not count, and the answer with its "
            f"reasons comes within {days[CaseKind.OBJECTION]} working days.",
        )
    )
    return found


def _condition(condition: RepairCondition) -> BilingualText:
    return condition.zh, condition.en


def _cite(citation: Citation) -> BilingualText:
    if citation.verified:
        return citation.title
    return f"{citation.title[0]}(条文号未核对)", f"{citation.title[1]} (article not checked)"


def _day(day: date | None) -> str:
    return " ".join(_UNKNOWN) if day is None else day.isoformat()

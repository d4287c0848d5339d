"""The made-up files of ``examples/data``: ``python -m tests.support.example_data`` writes them anew.

They look as such files do in practice: Chinese headers, dates in two forms, units, blanks, a code with a wrong check
character, one enterprise twice. No code belongs to anybody (region 990100), and the outcomes are drawn.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from lab.simulation.synthetic.credit_codes import make_codes

FOLDER = Path(__file__).parents[2] / "examples" / "data"
ID, LABEL = "统一社会信用代码", "是否违约"
REGISTER_ROWS, PILOT_ROWS, PORTFOLIO_ROWS, ELSEWHERE = 900, 360, 160, 12
_SEED = 14
_RATINGS = ("A", "B", "M", "C", "D")
_INDUSTRIES = ("制造业", "批发和零售业", "建筑业", "软件和信息技术服务业", "交通运输业", "住宿和餐饮业")

REGISTER_WORDS = """\
# 登记表的数据项词典 The dictionary of the register: docs/formats/dictionary.md
[items."成立日期"]
code = "registration.established"
zh = "成立日期"
en = "date of establishment"
dimension = "existence"
domain = "business-registration"
grade = "public"

[items."所属行业"]
code = "registration.industry"
zh = "所属行业"
en = "industry"
dimension = "existence"
domain = "business-registration"
grade = "public"

[items."注册资本（万元）"]
code = "registration.capital"
zh = "注册资本（万元）"
en = "registered capital (10,000 yuan)"
dimension = "existence"
domain = "business-registration"
grade = "public"
unit = "万元"

[items."纳税信用等级"]
code = "tax.rating"
zh = "纳税信用等级"
en = "tax credit rating"
dimension = "tax"
domain = "tax"
grade = "public"

[items."近12个月欠税次数"]
code = "tax.arrears"
zh = "近12个月欠税次数"
en = "tax arrears, 12 months"
dimension = "tax"
domain = "tax"
grade = "internal"

[items."参保人数"]
code = "people.insured"
zh = "参保人数"
en = "insured employees"
dimension = "people"
domain = "social-insurance"
grade = "internal"
null = ["未填"]

[items."近3年被诉案件数"]
code = "courts.defendant"
zh = "近3年被诉案件数"
en = "lawsuits as defendant, 3 years"
dimension = "legal"
domain = "courts"
grade = "public"

[items."近12个月用电变化"]
code = "utilities.power"
zh = "近12个月用电变化"
en = "change of power use, 12 months"
dimension = "operations"
domain = "utilities"
grade = "internal"
"""

BANK_WORDS = """\
# 试点样本银行列的词典 The dictionary of the bank's columns in the pilot sample
[items."近12个月逾期天数"]
zh = "近12个月逾期天数"
en = "days overdue, 12 months"
dimension = "conduct"
domain = "bank"
grade = "sensitive"

[items."授信使用率"]
zh = "授信使用率"
en = "share of credit line drawn"
dimension = "conduct"
domain = "bank"
grade = "sensitive"

[items."账户流水同比"]
zh = "账户流水同比"
en = "growth of account turnover"
dimension = "operations"
domain = "bank"
grade = "sensitive"

[items."代发工资"]
zh = "代发工资"
en = "payroll through the bank"
dimension = "people"
domain = "bank"
grade = "sensitive"
"""


def example_files() -> dict[str, str]:
    """The content of each file, by name."""
    rng = np.random.default_rng(_SEED)
    codes = make_codes(REGISTER_ROWS + ELSEWHERE, seed=_SEED)
    strain = rng.normal(size=REGISTER_ROWS + ELSEWHERE)  # of an enterprise; both parties see signs of it
    outcome = (strain + 0.8 * rng.normal(size=len(codes)) > 1.1).astype(int)
    register = [_register_row(rng, codes[i], strain[i]) for i in range(REGISTER_ROWS)]
    register.append([*register[5][:-1], "1.0"])  # an enterprise twice: its first row counts
    register.append([codes[7][:-1] + ("0" if codes[7][-1] != "0" else "1"), *register[7][1:]])
    clients = [*rng.permutation(REGISTER_ROWS)[: PILOT_ROWS + PORTFOLIO_ROWS], *range(REGISTER_ROWS, len(codes))]
    bank = {int(i): _bank_row(rng, codes[i], strain[i]) for i in clients}
    pilot = [[*bank[int(i)], str(outcome[i])] for i in clients[:PILOT_ROWS]]
    portfolio = [bank[int(i)] for i in clients[PILOT_ROWS:]]
    skip = [[row[0]] for row in portfolio[:2]]
    bank_columns = [ID, "近12个月逾期天数", "授信使用率", "账户流水同比", "代发工资"]
    register_columns = [ID, "成立日期", "所属行业", "注册资本（万元）", "纳税信用等级", "近12个月欠税次数"]
    register_columns += ["参保人数", "近3年被诉案件数", "近12个月用电变化"]
    return {
        "register.csv": _csv(register_columns, register),
        "pilot.csv": _csv([*bank_columns, LABEL], pilot),
        "portfolio.csv": _csv(bank_columns, portfolio),
        "not-to-score.csv": _csv([ID], skip),
        "register-words.toml": REGISTER_WORDS,
        "bank-words.toml": BANK_WORDS,
    }


def _register_row(rng: np.random.Generator, code: str, strain: float) -> list[str]:
    year, month, day = int(rng.integers(1995, 2023)), int(rng.integers(1, 13)), int(rng.integers(1, 29))
    date = f"{year}-{month:02d}-{day:02d}" if rng.random() < 0.7 else f"{year}/{month:02d}/{day:02d}"
    rating = _RATINGS[int(np.clip(round(1.4 + 1.1 * strain + 0.7 * rng.normal()), 0, 4))]
    insured = "未填" if rng.random() < 0.05 else str(int(rng.lognormal(3 - 0.2 * strain, 0.9)) + 1)
    power = f"{np.clip(0.06 - 0.11 * strain + 0.15 * rng.normal(), -0.9, 2):.2f}"
    return [
        code,
        date,
        _INDUSTRIES[int(rng.integers(len(_INDUSTRIES)))],
        f"{round(float(rng.lognormal(5.5, 1.1)), -1):,.0f}",
        rating,
        str(int(rng.poisson(np.exp(-1.6 + 0.8 * strain)))),
        insured,
        str(int(rng.poisson(np.exp(-0.9 + 0.6 * strain)))),
        power,
    ]


def _bank_row(rng: np.random.Generator, code: str, strain: float) -> list[str]:
    overdue = int(max(0, 9 * strain + 9 * rng.normal()))
    drawn = f"{100 / (1 + np.exp(-(0.7 * strain + 0.6 * rng.normal()))):.0f}%"
    turnover = "" if rng.random() < 0.06 else f"{0.05 - 0.12 * strain + 0.2 * rng.normal():.2f}"
    return [code, str(overdue), drawn, turnover, "是" if rng.random() < 0.55 - 0.12 * strain else "否"]


def _csv(header: list[str], rows: list[list[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in example_files().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
        print(f"written: {FOLDER / name}")


if __name__ == "__main__":
    main()

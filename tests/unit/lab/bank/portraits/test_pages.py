"""Pages: self-contained, escaped, in the languages asked for, and drawn by a real browser."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from lab.bank.home import BankHome
from lab.bank.portraits.pages.overview_page import overview_page
from lab.bank.portraits.pages.portrait_page import Language, format_percent, grade_ranges, portrait_page
from lab.bank.portraits.pages.svg_charts import points_bar
from lab.bank.portraits.pages.terminal_portrait import draw_portrait_panel
from lab.bank.portraits.scored_run import ScoredRun
from lab.terms.contract.document import ResultDetail
from models.shared.item_sources import ItemSource
from models.shared.portrait import Portrait
from models.shared.reasons import ScoreReason
from tests.support.finished_run import HOSTILE, make_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HAN = re.compile("[\u4e00-\u9fff]")


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._styled = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._styled = tag == "style"
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if not self._styled and data.strip():
            self.words.append(data.strip())
        self._styled = False

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(params=list(ResultDetail))
def gallery(request: pytest.FixtureRequest, home: BankHome, trained) -> ScoredRun:
    return ScoredRun.open(make_run(home, trained, request.param))


@pytest.fixture
def full(home: BankHome, trained) -> ScoredRun:
    return ScoredRun.open(make_run(home, trained, ResultDetail.FULL))


def pages(gallery: ScoredRun) -> list[str]:
    portrait = gallery.portrait("firm-007")
    drawn = [portrait_page(portrait, gallery.sheet, lang=lang) for lang in ("zh", "en", "both")]
    return [*drawn, *(overview_page(gallery, lang=lang) for lang in ("zh", "en", "both"))]


@pytest.mark.property(
    "Inert pages",
    claim="The HTML page of a portrait runs no script and loads nothing.",
    topic="what leaves a party",
    code=["lab.bank.portraits.pages"],
)
def test_pages_load_and_run_nothing(gallery: ScoredRun) -> None:
    for page in pages(gallery):
        elements = Elements(page)
        tags = {tag for tag, _ in elements.found}
        assert not tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "a", "image", "use"}
        for _, attributes in elements.found:
            assert not {name for name in attributes if name.startswith("on") or name in ("src", "href", "style")}
        assert "url(" not in page and "@import" not in page and "http" not in page.replace("http-equiv", "")


def test_policy_allows_the_one_style_sheet_and_nothing_else(full: ScoredRun) -> None:
    for page in pages(full):
        style = page.split("<style>")[1].split("</style>")[0]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policies = [a["content"] for tag, a in Elements(page).found if a.get("http-equiv") == "Content-Security-Policy"]
        assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]


def test_hostile_words_are_shown_as_words(full: ScoredRun) -> None:
    page = portrait_page(full.portrait("firm-007"), full.sheet)
    assert HOSTILE in Elements(page).text
    assert HOSTILE not in page


def test_a_portrait_page_shows_what_the_portrait_says(full: ScoredRun) -> None:
    portrait = full.portrait("firm-007")
    text = Elements(portrait_page(portrait, full.sheet)).text
    wanted = [str(portrait.score), portrait.grade, format_percent(portrait.pd), "c-0001", "main-7", "credit@3", "TAX-1"]
    wanted += [portrait.provenance.contract_sha256, "#41 · ", "firm-007"]
    wanted += [reason.zh.split()[-2] for reason in portrait.reasons[:1]]
    wanted += [f"{part.value:.0f}" for part in portrait.dimensions if part.value is not None]
    for words in wanted:
        assert words in text
    assert "public records as of 2026-06-30" in text
    assert portrait.as_dict()["provenance"]["register_days"] == (("main-7", "2026-06-30"),)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(draw_portrait_panel(portrait))
    assert "Register main-7, public records as of 2026-06-30" in console.export_text()
    unknown = replace(portrait, provenance=replace(portrait.provenance, register_days=()))
    assert "not known (the register was imported" in Elements(portrait_page(unknown, full.sheet)).text
    two = replace(portrait.provenance, register="main-7, main-8", register_days=(("main-8", "2026-07-31"),))
    assert "main-8: 2026-07-31" in Elements(portrait_page(replace(portrait, provenance=two), full.sheet)).text


def test_reasons_of_public_records_are_shown_beside_a_lower_part(full: ScoredRun) -> None:
    portrait = full.portrait("firm-007")
    causes = (("纳税下降" + HOSTILE, "Less tax"),)
    adverse = ScoreReason("public", "public", "公共", "public", -90.0, -90, causes=causes)
    items = tuple(replace(item, reason_zh="纳税下降", reason_en="Less tax" + HOSTILE) for item in portrait.items)
    spoken = replace(portrait, reasons=(adverse, *portrait.reasons[1:]), items=items)
    page = portrait_page(spoken, full.sheet)
    text = Elements(page).text
    assert "What public records may say (not which of it): Less tax" in text
    assert "when adverse: Less tax" in text
    assert HOSTILE not in page
    assert "纳税下降" not in Elements(portrait_page(spoken, full.sheet, lang="en")).text
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(draw_portrait_panel(spoken))
    assert "Less tax" in console.export_text()


def test_each_part_names_its_items_departments_and_days(full: ScoredRun) -> None:
    portrait = full.portrait("firm-007")
    sources = (
        ItemSource("tax.sales", "销售额", "sales", "税务局" + HOSTILE, "tax office", "2026-10-05"),
        ItemSource("courts.role", "角色", "role", "法院", "court"),
    )
    items = tuple(replace(item, sources=sources) for item in portrait.items)
    page = portrait_page(replace(portrait, items=items), full.sheet)
    text = Elements(page).text
    assert "源自 销售额（税务局" in text and "2026-10-05" in text and "from sales (tax office, 2026-10-05)" in text
    assert "from role (court)" in text
    assert HOSTILE not in page
    english = Elements(portrait_page(replace(portrait, items=items), full.sheet, lang="en")).text
    assert "from sales" in english and "源自" not in english


def test_each_language_stands_alone(full: ScoredRun) -> None:
    portrait = full.portrait("firm-007")
    english = Elements(portrait_page(portrait, full.sheet, lang="en"))
    own_words = [w for w in english.words if HAN.search(w) and w not in ("某银行", "c-0001 · 某数据局")]
    assert own_words == ["企业信用画像 Enterprise credit portrait · firm-007"]  # the title in the window's frame
    chinese = Elements(portrait_page(portrait, full.sheet, lang="zh")).text
    assert "Six dimensions" not in chinese and "六个维度" in chinese
    both = Elements(portrait_page(portrait, full.sheet)).text
    assert "Six dimensions" in both and "六个维度" in both


def test_details_without_dimensions_have_no_radar_and_say_so(gallery: ScoredRun) -> None:
    page = portrait_page(gallery.portrait("firm-007"), gallery.sheet)
    has_dimensions = gallery.sheet.detail in (ResultDetail.DIMENSIONS, ResultDetail.FULL)
    assert ('<svg class="radar"' in page) is has_dimensions
    assert ("不画雷达图" in page) is not has_dimensions


def test_overview_counts_every_row(full: ScoredRun) -> None:
    text = Elements(overview_page(full)).text
    assert "没有填写代码" in text and "与前面某行代码相同" in text
    grades = full.scores["grade"].drop_nulls().value_counts()
    for count in grades["count"].to_list():
        assert str(count) in text


def test_a_run_without_scores_has_an_overview(home: BankHome, trained) -> None:
    gallery = ScoredRun.open(make_run(home, trained, ResultDetail.FULL, scored=0))
    assert "没有企业被评分" in overview_page(gallery)


def test_terminal_portrait_fits_its_width(gallery: ScoredRun) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    portrait = gallery.portrait("firm-007")
    console.print(draw_portrait_panel(portrait))
    text = console.export_text()
    assert str(portrait.score) in text and portrait.grade in text and "…" not in text.replace("[", "")


def test_a_cut_list_keeps_the_largest_reasons_and_says_what_the_others_add_up_to(full: ScoredRun) -> None:
    points = [-9, -9, -8, -7, -6, -5, -4, -3, -2, -2, -1, 10]
    reasons = tuple(ScoreReason("feature", str(n), f"项{n}", f"item {n}", one, one) for n, one in enumerate(points))
    portrait = replace(full.portrait("firm-007"), reasons=reasons, points=-46.2, pd=0.00001)
    text = drawn(portrait)
    assert re.search(r"\+10 +项11", text) and "item 11" in text
    assert "项8" not in text and "项10" not in text
    assert "其余 4 项合计 the other 4 add up to -8" in text  # -3, -2, -2 and -1
    assert re.search(r"-46 +合计，与本次清单平均水平相比 in total", text)
    assert "< 0.01%" in text and "0.00%" not in text
    page = Elements(portrait_page(portrait, full.sheet)).text
    assert "项11" in page and "其余 2 项合计 -3 分" in page and "The other 2 add up to -3" in page
    assert "合计 -46 分" in page and "In total -46" in page


def test_what_is_not_known_is_not_shown_as_nothing(full: ScoredRun) -> None:
    portrait = full.portrait("firm-007")
    unknown = replace(portrait.dimensions[0], value=None, band=None, points=None, whole_points=None, zh="某维度")
    line = next(
        line
        for line in drawn(replace(portrait, dimensions=(unknown,), reasons=(), points=None)).splitlines()
        if "某维度" in line
    )
    assert "—" in line and not re.search(r"\d", line)


def drawn(portrait: Portrait) -> str:
    """The portrait as a terminal of 100 columns shows it."""
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(draw_portrait_panel(portrait))
    return console.export_text()


def test_within_the_error_of_a_cut_off_pages_pick_no_side(full: ScoredRun) -> None:
    portrait = full.portrait("firm-007")
    near = replace(portrait, possible_grades=("A", "BBB"))
    told: tuple[tuple[Language, str, str], ...] = (
        ("zh", "误差范围之内：A、BBB 均有可能", "cut-off"),
        ("en", "Within the error of a cut-off: A and BBB are possible, and none is chosen", "误差"),
    )
    for lang, wanted, absent in told:
        text = Elements(portrait_page(near, full.sheet, lang=lang)).text
        assert wanted in text and absent not in text and "A / BBB" in text
        assert wanted not in Elements(portrait_page(portrait, full.sheet, lang=lang)).text
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(draw_portrait_panel(near))
    text = console.export_text()
    assert "A / BBB" in text and "误差范围之内" in text and "within the error of the cut-off" in text
    wide = replace(full, outcome=replace(full.outcome, worst_grade=full.outcome.worst_grade * 0 + 8))
    counted = int(wide.outcome.near_cutoff.sum())
    assert f"{counted} 户在等级界线的误差范围之内" in Elements(overview_page(wide)).text


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.0, "< 0.01%"), (0.00123, "0.12%"), (0.0999, "9.99%"), (0.14, "14.0%"), (1.0, "> 99.99%")],
)
def test_percent_is_never_a_false_zero(probability: float, text: str) -> None:
    assert format_percent(probability) == text


def test_grade_ranges_cover_everything_once() -> None:
    assert grade_ranges((0.005, 0.01, 0.4)) == ["≤ 0.5%", "0.5–1%", "1–40%", "> 40%"]


def test_bars_point_to_the_side_of_their_sign() -> None:
    def left_edge(svg: str) -> float:
        return float(re.search(r'<rect x="([\d.]+)"', svg)[1])  # type: ignore[index]

    assert left_edge(points_bar(-10, 20)) < 130 == left_edge(points_bar(10, 20))
    assert left_edge(points_bar(-40, 20)) == left_edge(points_bar(-20, 20))  # cut at the largest
    points_bar(0.0, 0.0)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium fonts-noto-cjk)")
def test_a_browser_draws_the_portrait_without_complaint(full: ScoredRun, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="needs Pillow to look at the picture")
    page, picture = tmp_path / "portrait.html", tmp_path / "portrait.png"
    page.write_text(portrait_page(full.portrait("firm-007"), full.sheet), encoding="utf-8")
    done = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            "--window-size=1000,1400",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr  # a refused style or font would be told here
    colours = image.open(picture).convert("RGB").getcolors(maxcolors=2**24)
    assert colours is not None and len(colours) > 200  # a blank or unstyled page has few
    assert {(236, 239, 242), (255, 255, 255), (29, 78, 107)} <= {colour for _, colour in colours}

"""What the site shows beside docs/: the papers at the root and beside the code, under links that work there.

A paper links to files of the repository by relative paths. On the site a link to another paper leads to its page, and a
link to source code becomes its text alone. A link to nothing is left as it is, so that a strict build fails.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
START = "README.md"
OUTSIDE = ("*.md", "protocols/**/*.md", "tests/benchmarks/*.md", "notebooks/**/*.ipynb", "LICENSE")
"""Files outside docs/ that the site shows or offers for download."""
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
_BLOCK = re.compile(r"(^ *```.*?^ *```)", re.DOTALL | re.MULTILINE)


def on_config(config: Any) -> Any:
    """List the pages of docs/security below SECURITY.md."""
    for section in config.nav:
        for pages in section.values():
            if "SECURITY.md" in pages:
                pages += [f"security/{path.name}" for path in sorted((ROOT / "docs" / "security").glob("*.md"))]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the papers from outside docs/, the README as the start page."""
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            if not any(part.startswith(".") or part == "build" for part in path.relative_to(ROOT).parts):
                uri = page_of(path.relative_to(ROOT).as_posix())
                files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn the links of a paper, which are those of the repository, into links of the site."""
    here = paper_of(page.file.src_uri)
    pieces = _BLOCK.split(markdown)
    pieces[::2] = [_LINK.sub(lambda found: _link(found, here, files), piece) for piece in pieces[::2]]
    return "".join(pieces).replace('src="docs/', 'src="')


def page_of(paper: str) -> str:
    """Where the site has a file of the repository: ``docs/x.md`` is ``x.md``, the README the start page."""
    if paper == START:
        return "index.md"
    return paper.removeprefix("docs/")


def paper_of(page: str) -> str:
    """The file of the repository that a page shows."""
    if page == "index.md":
        return START
    return f"docs/{page}" if (ROOT / "docs" / page).is_file() else page


def _link(found: re.Match[str], here: str, files: Any) -> str:
    text, target, anchor = found[1], found[2], found[3] or ""
    if ":" in target:
        return found[0]
    paper = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
    page = page_of(paper)
    if files.get_file_from_path(page) is not None:
        return f"[{text}]({posixpath.relpath(page, posixpath.dirname(page_of(here)) or '.')}{anchor})"
    return text if (ROOT / paper).exists() else found[0]

"""Every mark of docs/origins.md leads to the tests that show it, and every mark that is cited is explained there."""

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MARK = re.compile(r"\b[A-EKM][1-9][0-9]?\b")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (PROJECT / "docs" / "origins.md").read_text().splitlines()
    if line.startswith("| ") and MARK.match(line, 2)
]
SHOWN = [(mark, re.findall(r"`(tests/[\w/]+\.py)`", row[-1])) for row in ROWS for mark in MARK.findall(row[0])]


@pytest.mark.parametrize(("mark", "files"), SHOWN, ids=[mark for mark, _ in SHOWN])
def test_a_mark_is_shown_where_its_row_says(mark: str, files: list[str]) -> None:
    """A row names tests at its end; each is there, and a test in it cites the mark."""
    assert files, f"{mark} names no test"
    assert [name for name in files if mark not in cited_in(PROJECT / name)] == []


def test_a_mark_stands_in_one_row() -> None:
    """Each is told once."""
    marks = [mark for mark, _ in SHOWN]
    assert sorted(set(marks)) == sorted(marks)


def test_a_mark_that_is_cited_is_explained() -> None:
    """Who meets one in a docstring finds it in docs/origins.md."""
    sources = [path for room in ("app", "migrations", "tests") for path in sorted((PROJECT / room).rglob("*.py"))]
    cited = {mark: str(path.relative_to(PROJECT)) for path in sources for mark in cited_in(path)}
    assert {mark: where for mark, where in cited.items() if mark not in dict(SHOWN)} == {}


def cited_in(path: Path) -> set[str]:
    """The marks in a file's docstrings."""
    described = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, described)]
    return {mark for node in nodes for mark in MARK.findall(ast.get_docstring(node) or "")}

"""Reruns: a chapter with other parameters becomes a page, beside the book and in its look."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from dlmo import cli, paths
from dlmo.book import reruns
from test_book import chromium, notebook, visit  # noqa: F401  (fixtures)

CELLS = (
    "print('size is', size)",
    """import altair as alt, pandas as pd
from dlmo.report import charts
charts.enable()
alt.Chart(pd.DataFrame({"x": [size, 2]})).mark_point().encode(x="x").properties(
    height=60, description="Two points")""",
)
DECLARED = (
    'size = 3  # how many\nname = "a"  # who\nnames = ["NQ"]  # which\ndataset = "digits"  # of'
)


@pytest.fixture
def chapter(tmp_path: Path) -> Path:
    return notebook(tmp_path / "saying.ipynb", *CELLS, declared=DECLARED)


class Said:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def error(self) -> str:
        """The one line of an error, after the list of parameters."""
        lines = self.err.splitlines()
        assert self.code == 2 and lines[-1].startswith("dlmo: error: "), self.err
        assert "Traceback" not in self.err
        return lines[-1]


@pytest.fixture
def dlmo(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> Said:
        capsys.readouterr()
        code = cli.run_command(list(map(str, arguments)))
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def pageless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pages, which take seconds, where a test is about something else."""
    monkeypatch.setattr(reruns, "build", reruns.pages)


# Pages ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two reruns of one chapter, one of them with a hostile value."""
    folder = tmp_path_factory.mktemp("reruns")
    made = notebook(folder / "saying.ipynb", *CELLS, declared=DECLARED)
    out = folder / "out"
    for given in (["-p", "size=7"], ["-p", "name=<b>`x`|$y$"]):
        assert cli.run_command(["run", str(made), *given, "-o", str(out)]) == 0
    return out


def by_value(site: Path, word: str) -> str:
    found = [file for file in (site / "html").glob("saying-*.html") if word in file.read_text()]
    assert len(found) == 1
    return found[0].name


@pytest.mark.browser
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_rerun_is_a_page_that_says_what_differs(visit: Any, site: Path, size: str) -> None:  # noqa: F811
    tab = visit(size, "light", (site / "html").as_uri())
    page = tab.open(by_value(site, "size is 7"))
    head = page.inner_text(".dlmo-rerun")
    assert re.search(r"size\s+7\s+3", head) and "name" not in head.split("Run it again")[0]
    assert "dlmo run saying -p size=7" in head
    assert page.query_selector(".dlmo-chart svg")
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    hostile = tab.open(by_value(site, "size is 3"))
    assert "<b>`x`|$y$" in hostile.inner_text(".dlmo-rerun")
    index = tab.open("index.html")
    links = index.query_selector_all(".bd-article a[href*='saying-']")
    assert [link.inner_text() for link in links] == ["A chapter", "A chapter"]
    links[0].click()
    assert index.title().startswith("A chapter")
    assert (tab.foreign, tab.errors) == ([], [])


def test_a_notebook_of_somebody_else_is_left_alone(site: Path) -> None:
    before = len(reruns.every(site))
    (site / "other.ipynb").write_text("{", "utf-8")
    notebook(site / "another.ipynb", "1")
    assert len(reruns.every(site)) == before == 2


def test_the_repository_stays_as_it_is(site: Path) -> None:
    assert {file.name for file in site.parent.iterdir()} == {"saying.ipynb", "out"}


@pytest.mark.usefixtures("pageless")
def test_the_same_parameters_make_the_same_page(dlmo: Any, chapter: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert dlmo("run", chapter, "-p", "size=7", "-o", tmp_path / "out").code == 0
    assert len(list((tmp_path / "out").glob("*.ipynb"))) == 1


def test_papermill_alone_runs_a_chapter_of_the_book(tmp_path: Path) -> None:
    source = paths.ROOT / "chapters/quantization_and_pruning.ipynb"
    given = ["-y", "{live: false, measure: never, techniques: [NQ, FIQ]}"]
    line = [sys.executable, "-m", "papermill", str(source), str(tmp_path / "out.ipynb"), *given]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert any("<dl class='dlmo-head'>" in json.dumps(cell.get("outputs", "")) for cell in cells)


# Parameters -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("pageless")
def test_parameter_files_are_papermills_and_the_line_overrules_them(
    dlmo: Any, chapter: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.yml", tmp_path / "b.yml"
    first.write_text("size: 5\nname: 2022-01-02\nnames: [FIQ, PRN]\n", "utf-8")
    second.write_text("{size: 6}", "utf-8")
    target = tmp_path / "out/x.ipynb"
    line = ("run", chapter, "-y", first, "-y", second, "-p", "names=PRQ", "--yes", "-o", target)
    assert dlmo(*line).code == 0
    given = nbformat.read(target, as_version=4).metadata.papermill.parameters
    assert given == {"size": 6, "name": "2022-01-02", "names": ["PRQ"]}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sise: 3", "unknown parameter of saying 'sise'; did you mean 'size'"),
        ("size: many", "parameter size of saying is 'many'; it must be of type int"),
        ("size: true", "must be of type int"),
        (
            "size: !!python/object/apply:os.system ['touch pwned']",
            "could not determine a construct",
        ),
        ("size: !!python/name:os.system ''", "could not determine a constructor"),
        ("names: [[NQ], 3]", "parameter names of saying is [['NQ'], 3]; it must be of type list"),
        ("names: [NQ, 3]", "must be of type list"),
        ("a: &x [1]\nsize: *x", ":2: aliases (*) are not read"),
        ("- size", "must be a mapping"),
        ("size: [1, 2", ":1: "),
        ("size: 3\n\tname: x", ": "),
        ("? {a: b}\n: c", ":1: "),
        ("", "must be a mapping"),
        ("\0", ": "),
        ("size: " + "[" * 5000, ": "),
    ],
)
def test_a_bad_parameter_file_is_one_line_and_nothing_is_written(
    dlmo: Any, chapter: Path, tmp_path: Path, text: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "bad.yml"
    file.write_text(text, "utf-8")
    error = dlmo("run", chapter, "-y", file, "-o", tmp_path / "out").error
    assert why in error and len(error) < 400
    assert {one.name for one in tmp_path.iterdir()} == {"saying.ipynb", "bad.yml"}


def test_a_parameter_file_that_is_no_text_or_not_there(
    dlmo: Any, chapter: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.yml").write_bytes(b"size: \xff\xfe")
    assert "is not text in UTF-8" in dlmo("run", chapter, "-y", tmp_path / "a.yml").error
    assert "cannot be read" in dlmo("run", chapter, "-y", tmp_path / "none.yml").error
    assert "cannot be read" in dlmo("run", chapter, "-y", tmp_path).error
    with (tmp_path / "a.yml").open("wb") as stream:
        stream.truncate(2_000_000)
    assert "is larger than" in dlmo("run", chapter, "-y", tmp_path / "a.yml").error


@pytest.mark.usefixtures("pageless")
def test_a_path_holds_whatever_folder_the_chapter_runs_in(
    dlmo: Any, chapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my images").mkdir()
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "out/x.ipynb"
    assert dlmo("run", chapter, "-p", "dataset=my images[size=64]", "-o", target).code == 0
    given = nbformat.read(target, as_version=4).metadata.papermill.parameters
    assert given["dataset"] == f"{tmp_path}/my images[size=64]"


# Trouble ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("pageless")
def test_two_runs_at_once_on_one_output_are_refused(
    dlmo: Any, chapter: Path, tmp_path: Path
) -> None:
    slow = notebook(tmp_path / "slow.ipynb", "import time; time.sleep(size)", declared=DECLARED)
    target = tmp_path / "out/x.ipynb"
    program = "import sys; from dlmo import cli; sys.exit(cli.run_command(sys.argv[1:]))"
    line = [sys.executable, "-c", program, "run", str(slow), "-p", "size=300", "-o", str(target)]
    other = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (tmp_path / "out/.site/x.lock").exists():
            assert other.poll() is None
        error = dlmo("run", chapter, "-o", target).error
        assert "another run is writing" in error and str(target) in error
        # Another output is free.
        assert dlmo("run", chapter, "-o", tmp_path / "out/y.ipynb").code == 0
    finally:
        other.kill()
        other.wait()
    # Whoever was killed holds nothing.
    assert dlmo("run", chapter, "-o", target).code == 0


def test_a_failing_chapter_is_one_line_and_the_earlier_page_stays(
    dlmo: Any, chapter: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert dlmo("run", chapter, "-o", out).code == 0
    before = (out / "html/index.html").read_bytes()
    bad = notebook(tmp_path / "bad.ipynb", "raise ValueError('no')", declared=DECLARED)
    error = dlmo("run", bad, "-o", out).error
    assert "chapter bad, cell 3 (raise ValueError('no')): ValueError: no" in error
    assert (out / "html/index.html").read_bytes() == before
    assert len(reruns.every(out)) == 1


def test_an_output_that_is_a_file_is_one_line(dlmo: Any, chapter: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    error = dlmo("run", chapter, "-o", tmp_path / "out").error
    assert "cannot write" in error and (tmp_path / "out").read_text() == ""

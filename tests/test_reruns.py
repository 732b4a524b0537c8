"""Reruns: a chapter with other parameters becomes a page, beside the book and in its look."""

import json
import re
import shlex
import signal
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import nbformat
import pytest

from dlmo import cli, paths
from dlmo.book import execute, reruns
from dlmo.cli import options
from dlmo.cli import run as command
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

HOSTILE = """<b>`x`|$y$ "it's"  [0..1] -- {z}"""
CITING = "As {cite:t}`lee2022method` say, see [](quantization), [the claims](claims.ipynb)."


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
    written = nbformat.read(made, as_version=4)
    written.cells[1].source += f"\n\n{CITING}"
    nbformat.write(written, made)
    out = folder / "out"
    for given in (["-p", "size=7"], ["-p", f"name={HOSTILE}"]):
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
    shown = " ".join(hostile.inner_text(".dlmo-rerun").split())
    assert " ".join(HOSTILE.split()) in shown.split("Run it again")[0]
    index = tab.open("index.html")
    links = index.query_selector_all(".bd-article a[href*='saying-']")
    assert [link.inner_text() for link in links] == ["A chapter", "A chapter"]
    links[0].click()
    assert index.title().startswith("A chapter")
    assert (tab.foreign, tab.errors) == ([], [])


def test_the_line_on_the_page_can_be_pasted(site: Path) -> None:
    text = (site / "html" / by_value(site, "size is 3")).read_text("utf-8")
    head = text[text.index("dlmo-rerun") :]
    shown = unescape(re.sub("<[^>]*>", "", head[head.index("<pre>") : head.index("</pre>")]))
    assert shlex.split(shown) == ["dlmo", "run", "saying", "-p", f"name={HOSTILE}"]


def test_a_rerun_cites_and_leads_to_other_chapters_as_the_book_does(site: Path) -> None:
    text = (site / "html" / by_value(site, "size is 7")).read_text("utf-8")
    paragraph = text[text.index("<p>As ") :].partition("</p>")[0]
    assert 'href="bibliography.html#' in paragraph
    said = unescape(re.sub("<[^>]*>", "", paragraph))
    assert re.fullmatch(r"As Lee et al\. \[2022\] say, see Quantization, the claims\.", said), said
    works = (site / "html/bibliography.html").read_text("utf-8")
    assert "A Method of Deep Learning Model Optimization" in works


def test_a_notebook_of_somebody_else_is_left_alone(site: Path) -> None:
    before = len(reruns.every(site))
    (site / "other.ipynb").write_text("{", "utf-8")
    notebook(site / "another.ipynb", "1")
    assert len(reruns.every(site)) == before == 2


def test_the_repository_stays_as_it_is(site: Path) -> None:
    assert {file.name for file in site.parent.iterdir()} == {"saying.ipynb", "out"}
    assert {file.name for file in site.iterdir() if file.suffix != ".ipynb"} == {"html", ".site"}


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


@pytest.mark.parametrize(
    "given",
    [
        {"name": 'two  words, "it\'s" [x]', "size": 5},
        {"names": ["NQ", "F16"]},
        {"names": ["a,b", "it's"], "name": ""},
        {"names": ["7", "true"]},
        {"names": []},
    ],
)
def test_the_line_that_runs_it_again_says_the_same(chapter: Path, given: dict[str, Any]) -> None:
    declared = execute.parameters(chapter)
    changed = {name: (value, declared[name].default) for name, value in given.items()}
    one = reruns.Rerun(chapter, "A chapter", "saying", changed, "", 0)
    words = shlex.split(one.command)
    assert words[:3] == ["dlmo", "run", "saying"] and set(words[3::2]) == {"-p"}
    assert command._values(chapter, declared, {}, options.pairs(words[4::2])) == given


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


def test_a_run_says_how_far_it_is_and_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    cell = """import sys, time
for line in ("noise", "[1/2] half of it", "dlmo: the rest"):
    print(line, file=sys.stderr, flush=True)
time.sleep(size)"""
    slow = notebook(tmp_path / "slow.ipynb", cell, declared=DECLARED)
    # A suite that runs in the background hands on that interrupts are ignored.
    program = """import signal, sys; from dlmo import cli
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(cli.run_command(sys.argv[1:]))"""
    line = [sys.executable, "-c", program, "run", str(slow), "-p", "size=300", "-o", "out"]
    with subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        said = [process.stderr.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert said == ["[1/2] half of it\n", "dlmo: the rest\n"]
    assert rest == "dlmo: stopped; what was finished is kept, the same command goes on\n"
    assert process.returncode == 130
    assert {file.name for file in (tmp_path / "out").iterdir()} == {".site"}


def test_an_interrupt_while_pages_are_built_is_one(
    dlmo: Any, chapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("jupyter_book.sphinx.Sphinx", interrupted)
    ended = dlmo("run", chapter, "-o", tmp_path / "out")
    assert ended.code == 130
    assert "stopped; what was finished is kept" in ended.err


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

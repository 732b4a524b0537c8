"""Sweeps: a grid said in a file, each trial measured once, one page about all of them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import make_records
from dlmo import cli, laboratory
from dlmo.book import reruns
from dlmo.chapter import sweeps
from dlmo.errors import UserError

GRID = """\
dataset: cifar10
network: [vggnet, wrn]
profile: reference
technique: [NQ, PRN]
sparsity: [0.5, 0.8]
seed: 0
"""


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    file = tmp_path / "grid.yml"
    file.write_text(GRID, "utf-8")
    return file


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("results", "store", "models"):
        monkeypatch.setenv(f"DLMO_{name.upper()}", str(tmp_path / name))


def test_a_grid_is_all_combinations_and_each_trial_once(grid: Path) -> None:
    found = sweeps.read(grid)
    assert found.axes == ("technique", "network", "sparsity")
    # Sparsity does nothing to NQ, and 0.8 is what the recipe says anyway.
    said = [(t.network, t.technique, t.overrides) for t in found.trials]
    assert sorted(said) == [
        ("vggnet", "NQ", ()),
        ("vggnet", "PRN", ()),
        ("vggnet", "PRN", (("sparsity", 0.5),)),
        ("wrn", "NQ", ()),
        ("wrn", "PRN", ()),
        ("wrn", "PRN", (("sparsity", 0.5),)),
    ]
    plain = {p.trial.technique: p.values["sparsity"] for p in found.points if not p.trial.overrides}
    assert plain == {"NQ": None, "PRN": 0.8}


def test_rows_say_what_is_measured_and_what_is_not(grid: Path) -> None:
    found = sweeps.read(grid)
    make_records.written(found.trials[0])
    rows = sweeps.rows(found)
    assert len(rows) == 6 and rows["accuracy"].notna().tolist().count(True) == 1
    assert sweeps.overview(found) == "Six points, 1 measured."
    html = sweeps.table(found).to_html()
    assert html.count("not yet measured") == 5 and "75.0" in html
    assert sweeps.chart(found) is not None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("dataset: digits", "say which network"),
        (
            "datset: digits\nnetwork: vggnet",
            "unknown key of a sweep 'datset'; did you mean 'dataset'",
        ),
        ("dataset: digits\nnetwork: []", "network must be a number, a word, or a list"),
        ("dataset: digits\nnetwork: {a: b}", "network must be a number, a word, or a list"),
        ("dataset: digits\nnetwork: vggnet\ntechnique: FIX", "unknown technique 'FIX'"),
        ("dataset: digits\nnetwork: vggnet\nprofile: smok", "unknown profile 'smok'"),
        ("dataset: digits\nnetwork: vggnet\nseed: -1", "seed"),
        ("dataset: digits\nnetwork: vggnet\nepochs: many", "epochs makes no sense"),
        (f"dataset: digits\nnetwork: vggnet\nseed: {list(range(3000))}", "3,000 points; at most"),
        ("dataset: &a digits\nnetwork: *a", "aliases"),
        ("x: !!python/object/new:os.system [ls]", "could not determine a constructor"),
    ],
)
def test_a_bad_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, why: str
) -> None:
    (tmp_path / "bad.yml").write_text(text, "utf-8")
    before = set(tmp_path.iterdir())
    assert cli.run_command(["sweep", str(tmp_path / "bad.yml"), "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert why in error and error.count("\n") == 1 and set(tmp_path.iterdir()) == before


def test_the_command_measures_what_lacks_and_makes_one_page(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def measure(trials: Any, **_: Any) -> None:
        asked.extend(trials)
        for trial in trials:
            make_records.written(trial)

    grid.write_text(
        "dataset: digits\nnetwork: vggnet\ntechnique: [NQ, PRN]\nsparsity: [0.5, 0.7]\n"
    )
    monkeypatch.setattr(laboratory, "measure", measure)
    out = tmp_path / "out"
    line = ["sweep", str(grid), "--no-cost", "--yes", "-o", str(out)]
    assert cli.run_command(line) == 0
    assert len(asked) == 3
    page = (out / "html/sweep-grid.html").read_text("utf-8")
    assert "Three points, 3 measured." in page and "This is a sweep" in page
    assert f"dlmo sweep {grid}" in page and 'class="dlmo-chart"' in page
    assert [one.label for one in reruns.every(out)] == ["A sweep (grid.yml)"]


def test_papermill_reads_the_chapter_of_sweeps_too(grid: Path, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "papermill", str(reruns.SWEEP), str(tmp_path / "x.ipynb")]
    done = subprocess.run([*line, "-p", "file", str(grid)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_output_that_is_a_file_is_one_line(
    grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("")
    assert cli.run_command(["sweep", str(grid), "-o", str(tmp_path / "out")]) == 2
    assert "is a file; name a folder" in capsys.readouterr().err


def test_the_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        sweeps.read(tmp_path / "none.yml")

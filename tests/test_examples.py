"""The worked examples of the page for rerunners: each line of it is executed as it stands there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import make_models
from dlmo import cli, datasets, paths
from dlmo.book import reruns

PAGE = (paths.ROOT / "chapters/for_rerunners.md").read_text("utf-8")
LINES = re.findall(r"^\$ dlmo (.+)$", PAGE, re.MULTILINE)
RUNS = [line for line in LINES if line.startswith("run ")]
OTHERS = [line for line in LINES if not line.startswith("run ")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Return the folder of a user, with the files that the page speaks of."""
    folder = tmp_path_factory.mktemp("user")
    data = datasets.load("digits")
    for name, label in (("null", 0), ("eins – uno", 1), ("二", 2)):
        (folder / "photos" / name).mkdir(parents=True)
        chosen = np.flatnonzero(data.train.labels == label)[:100]
        for number, image in enumerate(data.train.images[chosen]):
            Image.fromarray(image).save(folder / "photos" / name / f"{number}.png")
    source = make_models.folder(request.config.cache) / "keras3.keras"
    (folder / "my.keras").write_bytes(source.read_bytes())
    (folder / "mine.yml").write_text(
        "dataset: digits\nprofile: smoke\nlatency: false\nlive: false\n", "utf-8"
    )
    grid = re.search(r"```yaml\n(.+?)```", PAGE, re.DOTALL)
    assert grid
    (folder / "grid.yml").write_text(grid[1], "utf-8")
    return folder


@pytest.fixture
def user(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


def own_folders(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("results", "store", "models"):
        monkeypatch.setenv(f"DLMO_{name.upper()}", str(place / "kept" / name))


@pytest.mark.parametrize("line", RUNS, ids=range(len(RUNS)))
def test_a_worked_example_becomes_a_page(
    user: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_folders(user, monkeypatch)
    assert cli.run_command([*shlex.split(line), "-o", "out"]) == 0
    latest = reruns.every(Path("out"))[0]
    html = (user / f"out/html/{latest.notebook.stem}.html").read_text("utf-8")
    assert "This is a rerun" in html and "not yet measured" not in html.split("Latency and")[0]
    if "photos" in line:
        assert html.count("<figure><img") == 3 and "eins – uno" in html and "二" in html
    if "my.keras" in line:
        assert "my.keras on digits" in html


@pytest.mark.parametrize("line", OTHERS)
def test_every_other_line_of_the_page_works(
    user: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if line.startswith(("sweep", "inspect")):
        own_folders(user, monkeypatch)
    words = shlex.split(line) + (["--no-cost"] if line.startswith("sweep") else [])
    assert cli.run_command(words) == 0


def test_the_page_shows_each_kind_of_example() -> None:
    assert len(RUNS) == 4
    assert {line.split()[0] for line in OTHERS} == {
        *("data", "inspect", "recommend", "export", "sweep"),
    }

"""The worked examples of the page for rerunners: each line of it is executed as it stands there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import make_models
from dlmo import cli, datasets, paths, records
from dlmo.book import execute, reruns

PAGE = (paths.ROOT / "chapters/for_rerunners.md").read_text("utf-8")
LINES = re.findall(r"^\$ dlmo (.+)$", PAGE, re.MULTILINE)
RUNS = [line for line in LINES if line.startswith("run ")]
OTHERS = [line for line in LINES if not line.startswith("run ")]

CHAPTERS = sorted(
    path.stem
    for path in (paths.ROOT / "chapters").glob("*.ipynb")
    if "dataset" in execute.parameters(path)
)
"""The chapters that are about one dataset."""


FURTHER = {"sweep": ["--no-cost"], "replay": ["--dry-run"]}
"""What a test adds: no costs are told, and no latency is measured beside other tests."""


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
    _write_board(folder)
    grid = re.search(r"```yaml\n(.+?)```", PAGE, re.DOTALL)
    assert grid
    (folder / "grid.yml").write_text(grid[1], "utf-8")
    return folder


def _write_board(folder: Path) -> None:
    """Write what a board said of a recorded file, and that record alone, for `dlmo import`."""
    record = next(
        one
        for one in records.every()
        if isinstance(one, records.Deployable) and str(one.trial) == "cifar10/vggnet/NQ/reference/0"
    )
    source = records.file(record)
    target = folder / "board" / source.relative_to(paths.results())
    target.parent.mkdir(parents=True)
    target.write_bytes(source.read_bytes())
    (folder / "pi.log").write_text(
        f"Num threads: [1]\nGraph: [NQ-reference-0.{record.key}.tflite]\n"
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
        "Inference timings in us: Init: 855, First inference: 490, Warmup (avg): 348, "
        "Inference (avg): 332.5\n"
    )


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


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_about_a_dataset_takes_own_images(
    user: Path, chapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_folders(user, monkeypatch)
    given = ["-p", "dataset=photos", "-p", "profile=smoke", "-p", "live=false"]
    assert cli.run_command(["run", chapter, *given, "-o", "every", "--yes"]) == 0
    latest = reruns.every(Path("every"))[0]
    html = (user / f"every/html/{latest.notebook.stem}.html").read_text("utf-8")
    assert "eins – uno" in html and "on photos" in html


@pytest.mark.parametrize("line", OTHERS)
def test_every_other_line_of_the_page_works(
    user: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if line.startswith(("sweep", "inspect")):
        own_folders(user, monkeypatch)
    if line.startswith("import"):
        monkeypatch.setenv("DLMO_RESULTS", str(user / "board"))
    words = shlex.split(line) + FURTHER.get(line.split()[0], [])
    assert cli.run_command(words) == 0
    if line.startswith("import"):
        (time,) = (one for one in records.every() if isinstance(one, records.Measurement))
        assert time.values["milliseconds"] == 0.3325


def test_the_page_shows_each_kind_of_example() -> None:
    assert len(RUNS) == 4
    assert {line.split()[0] for line in OTHERS} == {
        *("data", "inspect", "recommend", "export", "sweep", "robustness", "replay", "import"),
    }

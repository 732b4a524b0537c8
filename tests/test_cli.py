"""The command as people run it: in processes of its own, with folders of its own."""

import contextlib
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import make_records
from dlmo import cli, laboratory, paths
from dlmo.cli import costs, options
from dlmo.errors import UserError
from dlmo.laboratory import cost, outlook, store
from dlmo.trials import Trial

DLMO = Path(sys.executable).with_name("dlmo")
SMOKE = ("--dataset", "digits", "--network", "vggnet", "--profile", "smoke", "--no-latency")
STOPPED = "dlmo: stopped; what was finished is kept, the same command goes on"
CHAPTER = """\
{"cells": [
  {"cell_type": "code", "execution_count": null, "id": "a", "outputs": [],
   "metadata": {"tags": ["parameters"]},
   "source": ["word = \\"yes\\"  # what is said\\n", "times = 2  # how often\\n",
              "names = [\\"NQ\\"]  # of whom"]},
  {"cell_type": "code", "execution_count": null, "id": "b", "outputs": [], "metadata": {},
   "source": ["print(word * times, names)"]}],
 "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
              "language_info": {"name": "python"}},
 "nbformat": 4, "nbformat_minor": 5}
"""


class Done:
    """What a command said, and how it ended; TensorFlow's own lines about the machine left out."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out = code, out
        noise = re.compile(r"^(WARNING: All log messages|[IWE]\d{4} )")
        self.lines = [line for line in err.splitlines() if not noise.match(line)]

    @property
    def error(self) -> str:
        """The one line of an error."""
        assert self.code == 2 and len(self.lines) == 1, (self.code, self.lines)
        assert self.lines[0].startswith("dlmo: error: "), self.lines
        return self.lines[0].removeprefix("dlmo: error: ")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dlmo")


@pytest.fixture(scope="module")
def surroundings(folders: Path) -> dict[str, str]:
    names = ("results", "store", "models", "data")
    return {f"DLMO_{name.upper()}": str(folders / name) for name in names}


@pytest.fixture(scope="module")
def process(surroundings: dict[str, str]) -> Any:
    """Run the command in a process of its own."""

    def run(*arguments: str) -> Done:
        done = subprocess.run(
            [str(DLMO), *arguments],
            capture_output=True,
            text=True,
            timeout=500,
            env={**os.environ, **surroundings},
            stdin=subprocess.DEVNULL,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def dlmo(
    surroundings: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """Run the command in this process, which imports TensorFlow once."""

    def run(*arguments: str, **changed: str) -> Done:
        for name, value in {**surroundings, **changed}.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = cli.run_command(arguments)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


# Help


@pytest.mark.parametrize(
    "verb", [(), ("measure",), ("records",), ("data",), ("run",), ("recommend",)]
)
def test_help_is_short_and_has_examples(dlmo: Any, verb: tuple[str, ...]) -> None:
    done = dlmo(*verb, "--help")
    assert done.code == 0 and not done.lines
    assert "Examples:\n    dlmo " in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_help_comes_at_once(process: Any) -> None:
    began = time.monotonic()
    assert process("--help").out.startswith("Usage: dlmo")
    # A fifth of a second on a machine that does nothing else.
    assert time.monotonic() - began < 3


def test_help_imports_neither_tensorflow_nor_pandas() -> None:
    program = "import sys, dlmo.cli\n"
    program += "heavy = {'tensorflow', 'tf_keras', 'pandas', 'numpy', 'papermill', 'pydantic'}\n"
    program += "print(sorted(heavy & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.stdout.strip() == "[]"


def test_version_and_no_verb(dlmo: Any) -> None:
    assert re.fullmatch(r"dlmo \d+\.\d+\.\d+\n", dlmo("--version").out)
    done = dlmo()
    assert done.code == 0 and done.out.startswith("Usage: dlmo")


# Errors


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("mesure", "No such command 'mesure'"),
        ("--speed", "No such option"),
        ("measure", "say what to measure"),
        ("measure -d digits", "say what to measure"),
        ("measure -d digit -n vggnet", "unknown dataset 'digit'; did you mean 'digits'?"),
        ("measure -d digits[ -n vggnet", "'digits[' is not of the form"),
        ("measure -d digits, -n vggnet", "empty name"),
        ("measure -d digits -n vggnet -t NQ,FOO", "unknown technique 'FOO'"),
        ("measure -d digits -n vggnet --profile smok", "unknown profile 'smok'; did you mean"),
        ("measure -d digits -n vggnet --seed x", "'x' is no seed"),
        ("measure -d digits -n vggnet --seed 5-2", "'5-2' is no seed"),
        ("measure -d digits -n vggnet --seed 0-99999999", "is no seed"),
        ("measure -d digits -n vggnet -p epochs", "'epochs' is not of the form key=value"),
        ("measure -d digits -n vggnet -p =3", "is not of the form key=value"),
        ("measure -d digits -n vggnet -p epoch=3", "unknown recipe parameter 'epoch'"),
        ("measure -d digits -n vggnet -p epochs=[", "'[' is no value"),
        ("measure -d digits -n vggnet -p epochs=[1,2]", "epochs must be a number or a word"),
        ("measure -d digits -n vggnet -p epochs=1 -p epochs=2", "given twice"),
        ("measure --chapter nowhere", "unknown chapter 'nowhere'"),
        ("measure --chapter nowhere -n vggnet", "--chapter selects trials itself"),
        ("measure -d digits -n vggnet --workers 0", "--workers"),
        ("measure -d digits -n vggnet --format xml", "--format"),
        ("records --technique FOO", "unknown technique 'FOO'"),
        ("records --profile FOO", "unknown profile 'FOO'"),
        ("records --format yaml", "--format"),
        ("records show xyz", "'xyz' is no key"),
        ("records show *", "'*' is no key"),
        ("records show 0123456789abcdef", "there is no record 0123456789abcdef"),
        ("data fetch digit", "unknown dataset 'digit'"),
        ("data sheet cifar10", "fetch it first: dlmo data fetch cifar10"),
        ("data sheet digits[eleven]", "eleven"),
        ("run", "Missing argument 'chapter'"),
        ("run nowhere", "unknown chapter 'nowhere'"),
    ],
)
def test_an_error_is_one_line_and_the_code_2(dlmo: Any, line: str, why: str) -> None:
    done = dlmo(*line.split(" "))
    assert why in done.error and not done.out


def test_an_unknown_network_is_one_line(dlmo: Any) -> None:
    done = dlmo("measure", "-d", "digits", "-n", "vgnet", "--profile", "smoke", "--dry-run")
    assert "unknown network 'vgnet'; did you mean 'vggnet'?" in done.error


def test_a_recipe_that_makes_no_sense_is_one_line(dlmo: Any) -> None:
    done = dlmo("measure", *SMOKE, "--dry-run", "-p", "epochs=0")
    assert "the parameter epochs makes no sense" in done.error


def test_a_reader_that_goes_away_is_no_error(surroundings: dict[str, str]) -> None:
    line = f"{DLMO} records --format csv --all | head -c 1 > /dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env={**os.environ, **surroundings}
    )
    assert done.stderr == "" and done.stdout.strip() in ("0", "1")


# Measuring


@pytest.fixture(scope="module")
def measured(process: Any) -> Done:
    """Run the one training of these tests; everything below asks what came of it."""
    return process("measure", *SMOKE, "--technique", "NQ,BLQ", "--no-cost", "--workers", "1")


def test_measure_makes_what_is_missing_and_says_so_in_plain_lines(measured: Done) -> None:
    assert measured.code == 0, measured.lines
    text = "\n".join(measured.lines)
    assert "digits/vggnet/NQ/smoke/0 · train: done" in text and "[7/7]" in text
    assert "\x1b" not in text + measured.out
    rows = [line.split() for line in measured.out.splitlines()]
    assert [row[0] for row in rows[2:]] == ["digits/vggnet/NQ/smoke/0", "digits/vggnet/BLQ/smoke/0"]


def test_records_as_json_have_plain_numbers(dlmo: Any, measured: Done) -> None:
    done = dlmo("records", "--format", "json")
    rows = {row["technique"]: row for row in json.loads(done.out)}
    assert set(rows) == {"NQ", "BLQ"} and not done.lines
    for row in rows.values():
        assert (row["dataset"], row["network"], row["profile"]) == ("digits", "vggnet", "smoke")
        assert 0.5 < row["accuracy"] <= 1 and 0.5 < row["validation_accuracy"] <= 1
        assert type(row["seed"]) is int and type(row["bytes"]) is int
        assert row["latency_ratio"] is None and row["current"] is True
        # Table 5's network for ten classes.
        assert row["parameters"] == 13_962
        assert row["zipped_bytes"] < row["bytes"] and 0.9 < row["nonzero"] <= 1
    assert rows["BLQ"]["bytes"] < 0.4 * rows["NQ"]["bytes"]
    assert rows["NQ"]["weights_key"] == rows["BLQ"]["weights_key"]


def test_csv_and_json_say_the_same(dlmo: Any, measured: Done) -> None:
    rows = list(csv.DictReader(io.StringIO(dlmo("records", "--format", "csv").out)))
    said = json.loads(dlmo("records", "--format", "json").out)
    assert [list(row) for row in rows] == [list(row) for row in said]
    assert [float(row["accuracy"]) for row in rows] == [row["accuracy"] for row in said]


def test_the_table_has_a_line_a_trial(dlmo: Any, measured: Done) -> None:
    lines = dlmo("records").out.splitlines()
    assert len(lines) == 4 and lines[0].split()[:3] == ["dataset", "network", "technique"]


def test_records_are_filtered(dlmo: Any, measured: Done) -> None:
    rows = json.loads(dlmo("records", "--technique", "BLQ", "--format", "json").out)
    assert [row["technique"] for row in rows] == ["BLQ"]
    assert json.loads(dlmo("records", "--network", "wrn", "--format", "json").out) == []


def test_a_record_is_shown_by_its_first_digits(dlmo: Any, measured: Done) -> None:
    (row,) = json.loads(dlmo("records", "-t", "NQ", "--format", "json").out)
    shown = json.loads(dlmo("records", "show", row["accuracy_key"][:8]).out)
    assert shown["key"] == row["accuracy_key"]
    assert shown["values"]["test_accuracy"] == row["accuracy"]


def test_check_accepts_sound_records_and_names_a_bad_one(
    dlmo: Any, measured: Done, folders: Path, tmp_path: Path
) -> None:
    assert "7 records and 2 files of predictions" in dlmo("records", "check").out
    source = next((folders / "results").glob("*/*/*.deployable.json"))
    bad = tmp_path / "digits/vggnet" / source.name
    bad.parent.mkdir(parents=True)
    bad.write_text(re.sub(r'"bytes": \d+', '"bytes": 1', source.read_text("utf-8")))
    for arguments in (("records", "check"), ("records",), ("records", "--format", "json")):
        error = dlmo(*arguments, DLMO_RESULTS=str(tmp_path)).error
        assert str(bad) in error and "digest" in error


def test_what_is_measured_is_not_measured_again(dlmo: Any, measured: Done, folders: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in (folders / "results").rglob("*.json")}
    began = time.monotonic()
    done = dlmo("measure", *SMOKE, "--technique", "BLQ")
    assert done.code == 0 and not done.lines and time.monotonic() - began < 60
    after = {file: file.stat().st_mtime_ns for file in (folders / "results").rglob("*.json")}
    assert after == before


def test_a_dry_run_lists_the_trials_in_order_and_trains_nothing(
    dlmo: Any, measured: Done, folders: Path
) -> None:
    selection = ("-d", "digits", "-n", "vggnet,resnet8", "-t", "NQ,QAT", "--profile", "smoke")
    done = dlmo("measure", *selection, "--seed", "0-1", "--no-latency", "--no-cost", "--dry-run")
    trials = [line.split("  ")[0].strip() for line in done.out.splitlines()[:-1]]
    assert trials == [
        f"digits/{network}/{technique}/smoke/{seed}"
        for network in ("vggnet", "resnet8")
        for seed in (0, 1)
        for technique in ("NQ", "QAT")
    ]
    assert done.out.splitlines()[0].endswith("  measured")
    assert "missing: qat, convert (int8), accuracy, memory" in done.out.splitlines()[1]
    assert done.out.splitlines()[-1] == "in all: 7 trainings, cost unknown"
    assert len(list((folders / "results").rglob("*.weights.json"))) == 1


def test_a_dry_run_as_json_counts_the_cost_once(dlmo: Any, measured: Done) -> None:
    done = dlmo(
        *("measure", *SMOKE, "--technique", "NQ,QAT,QAT,PRN+QAT", "-p", "qat.epochs=2"),
        *("--dry-run", "--format", "json", "--no-cost"),
    )
    rows = json.loads(done.out)
    assert [row["technique"] for row in rows] == ["NQ", "QAT", "PRN+QAT"]
    assert [row["state"] for row in rows] == ["measured", "missing", "missing"]
    assert rows[1]["missing"] == ["qat", "convert (int8)", "accuracy", "memory"]
    assert rows[2]["missing"][:2] == ["prune", "qat"] and rows[2]["seconds"] is None
    assert rows[1]["overrides"] == [["qat.epochs", 2]]


def test_a_latency_needs_its_baseline(dlmo: Any, measured: Done) -> None:
    done = dlmo(
        *("measure", "-d", "digits", "-n", "vggnet", "-t", "F16", "--profile", "smoke"),
        *("--dry-run", "--format", "json", "--no-cost"),
    )
    rows = json.loads(done.out)
    assert [(row["technique"], row["missing"]) for row in rows] == [
        ("NQ", ["latency"]),
        ("F16", ["convert (f16)", "accuracy", "memory", "latency"]),
    ]


def test_an_interrupt_is_one_line_and_the_code_130(
    dlmo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(laboratory, "measure", interrupted)
    done = dlmo("measure", *SMOKE, "--no-cost", "--seed", "9", "-t", "NQ")
    assert (done.code, done.lines[-1]) == (130, STOPPED)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 3])
def test_workers_stop_at_an_interrupt_without_a_word(
    surroundings: dict[str, str], folders: Path, times: int
) -> None:
    # Another seed each time: what was begun before has its progress file already.
    line = [str(DLMO), "measure", *SMOKE, "--no-cost", "--yes", "--seed", str(70 + times)]
    line += ["-p", "epochs=5000"]
    # What a shell starts in the background ignores interrupts, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*line, "-t", "NQ"],
        env={**os.environ, **surroundings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    known = set((folders / "store").glob("progress/*.json"))
    until = time.monotonic() + 120
    while set((folders / "store").glob("progress/*.json")) == known and time.monotonic() < until:
        time.sleep(0.2)
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.3)
    out, err = process.communicate(timeout=60)
    done = Done(process.returncode, out, err)
    assert (done.code, done.lines[-1]) == (130, STOPPED)
    assert "Traceback" not in err


@pytest.mark.slow
def test_the_estimate_is_of_the_order_of_what_it_takes(dlmo: Any, process: Any) -> None:
    line = ("measure", *SMOKE, "--seed", "3", "-t", "NQ,QAT", "-p", "epochs=30")
    (nq, qat) = json.loads(dlmo(*line, "--dry-run", "--format", "json").out)
    assert process(*line, "--no-cost", "--yes").code == 0
    rows = json.loads(dlmo("records", "--all", "--format", "json").out)
    spent = {row["technique"]: row["train_seconds"] for row in rows if row["overrides"]}
    for estimate, took in (
        (nq["seconds"], spent["NQ"]),
        (nq["seconds"] + qat["seconds"], spent["QAT"]),
    ):
        assert took / 3 < estimate < took * 3


# Data


def test_data_says_what_is_here(dlmo: Any) -> None:
    lines = dlmo("data").out.splitlines()
    here = {line.split()[0]: line.split()[1] for line in lines[2:]}
    assert here["digits"] == "yes" and here["cifar10"] == "no"
    rows = json.loads(dlmo("data", "status", "--format", "json").out)
    assert {row["dataset"] for row in rows} == set(here)


def test_the_sheet_counts_every_image(dlmo: Any) -> None:
    rows = json.loads(dlmo("data", "sheet", "digits", "--format", "json").out)
    assert [row["class"] for row in rows][-1] == "total" and len(rows) == 11
    assert sum(rows[-1][split] for split in ("train", "validation", "test")) == 1797
    few = json.loads(dlmo("data", "sheet", "digits[0,1]", "--format", "json").out)
    assert [row["class"] for row in few] == ["0", "1", "total"]


def test_the_sheet_of_a_folder_says_sizes_and_what_was_left_out(dlmo: Any, tmp_path: Path) -> None:
    for number in range(10):
        file = tmp_path / ("cat", "dog")[number % 2] / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.new("RGB", (20 + number, 30), (number * 20, 0, 0)).save(file)
    (tmp_path / "cat/broken.png").write_bytes(b"no picture")
    said = dlmo("data", "sheet", str(tmp_path)).out
    assert "10 images of 2 classes, 20 to 29 pixels wide and 30 high, used at 32 × 32." in said
    assert "1 left out (" in said and "cat/broken.png" in said
    rows = dlmo("data", "sheet", str(tmp_path), "--format", "json")
    assert len(json.loads(rows.out)) == 3 and "broken.png" in rows.lines[-1]


def test_a_folder_of_something_else_is_one_short_line(dlmo: Any, tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"class-{number:03}").mkdir()
    error = dlmo("data", "sheet", str(tmp_path)).error
    assert "'class-004' has none and 195 more" in error and len(error) < 500


def test_fetching_what_is_here_says_where(dlmo: Any) -> None:
    done = dlmo("data", "fetch", "digits")
    assert done.code == 0 and done.out.startswith("digits is in ")


# Running chapters


@pytest.fixture
def chapter(tmp_path: Path) -> Path:
    file = tmp_path / "saying.ipynb"
    file.write_text(CHAPTER, "utf-8")
    return file


def test_a_chapter_runs_with_other_parameters(dlmo: Any, chapter: Path, tmp_path: Path) -> None:
    output = tmp_path / "out/again.ipynb"
    given = ("-p", "word=123", "-p", "times=3", "-p", "names=NQ,BLQ")
    done = dlmo("run", str(chapter), *given, "-o", str(output))
    page = output.parent / "html/again.html"
    assert done.code == 0 and done.out == f"executed: {output}\npage: {page}\n"
    cells = json.loads(output.read_text("utf-8"))["cells"]
    said = "".join("".join(part.get("text", [])) for cell in cells for part in cell["outputs"])
    assert said == "123123123 ['NQ', 'BLQ']\n"
    assert chapter.read_text("utf-8") == CHAPTER


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("wrd=x", "unknown parameter of saying 'wrd'; did you mean 'word'?"),
        ("times=many", "parameter times of saying is 'many'; it must be of type int"),
        ("times=2.5", "parameter times of saying is 2.5; it must be of type int"),
    ],
)
def test_a_wrong_parameter_lists_the_right_ones(
    dlmo: Any, chapter: Path, given: str, why: str
) -> None:
    done = dlmo("run", str(chapter), "-p", given)
    assert done.code == 2 and why in done.lines[-1]
    assert done.lines[:-1] == [
        "parameters of saying:",
        "  word: str = 'yes'  (what is said)",
        "  times: int = 2  (how often)",
        "  names: list = ['NQ']  (of whom)",
    ]


def test_a_chapter_is_never_written_over(dlmo: Any, chapter: Path, tmp_path: Path) -> None:
    assert "is the chapter itself" in dlmo("run", str(chapter), "-o", str(chapter)).error
    assert "is no notebook" in dlmo("run", str(chapter), "-o", str(tmp_path / "x.html")).error


def test_a_chapter_is_found_with_and_without_its_ending(dlmo: Any) -> None:
    name = next(iter(sorted((paths.ROOT / "chapters").glob("*.ipynb")))).stem
    said = {dlmo("run", one, "--parameters").out for one in (name, f"{name}.ipynb")}
    assert len(said) == 1 and said.pop().startswith(f"parameters of {name}:\n")
    assert f"did you mean '{name}'" in dlmo("run", f"{name}x").error


# The parts


@given(st.lists(st.integers(0, 300), min_size=1, max_size=5))
def test_seeds_are_read_as_they_are_written(numbers: list[int]) -> None:
    assert options.seeds([",".join(map(str, numbers))]) == list(dict.fromkeys(numbers))
    assert options.seeds(map(str, numbers)) == list(dict.fromkeys(numbers))
    first, last = min(numbers), max(numbers)
    assert options.seeds([f"{first}-{last}"]) == list(range(first, last + 1))


@given(st.text("0123456789-, x", max_size=8))
def test_any_seed_is_refused_or_read(text: str) -> None:
    with contextlib.suppress(UserError):
        assert options.seeds([text])


def test_commas_in_brackets_belong_to_a_name() -> None:
    given = ["cifar10[automobile,truck],digits", "digits", "wrn[depth=16,width=4]"]
    assert options.words(given) == [
        "cifar10[automobile,truck]",
        "digits",
        "wrn[depth=16,width=4]",
    ]


def test_a_network_is_finished_before_the_next_begins() -> None:
    def trial(network: str, seed: int) -> Trial:
        return Trial(dataset="digits", network=network, technique="NQ", seed=seed)

    mixed = [trial("a", 0), trial("b", 0), trial("a", 1), trial("b", 1)]
    assert [one.network for one in options.ordered(mixed)] == ["a", "a", "b", "b"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.6, "60 s"),
        (100, "2 min"),
        (1500, "25 min"),
        (7800, "2 h 10 min"),
        (7190, "2 h"),
    ],
)
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    assert costs.duration(seconds) == said


def test_all_shows_what_today_would_not_make(
    dlmo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLMO_RESULTS", str(tmp_path))
    changed = Trial(
        dataset="cifar10", network="vggnet", technique="PRN", overrides=(("sparsity", 0.5),)
    )
    make_records.written(changed)
    make_records.written(changed.model_copy(update={"overrides": ()}))
    counts = [
        len(json.loads(dlmo("records", "--format", "json", *more, DLMO_RESULTS=str(tmp_path)).out))
        for more in ((), ("--all",))
    ]
    assert counts == [1, 2]


def test_on_a_terminal_the_progress_is_drawn(surroundings: dict[str, str], measured: Done) -> None:
    from dlmo.cli import progress

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    made, node = plan_of_one()
    screen = Terminal()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**surroundings, "COLUMNS": "120", "TERM": "xterm"}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "stderr", screen)
        store.note_progress(node.key, {"epoch": 0, "epochs": 8, "share": 0.0})
        with progress.watching({node.key: 800.0}, 2) as watch:
            watch(made, {node.key: node}, set())
            store.note_progress(node.key, {"epoch": 2, "epochs": 8, "share": 0.5})
            watch(made, {node.key: node}, set())
    said = screen.getvalue()
    # Of eight epochs two and a half are done: 550 of 800 seconds remain.
    assert "epoch 3/8" in said and "9 min left" in said and "0/4" in said
    assert "digits/vggnet/NQ/smoke/5 · train" in said


def plan_of_one() -> tuple[laboratory.Plan, laboratory.Node]:
    trial = Trial(dataset="digits", network="vggnet", technique="NQ", profile="smoke", seed=5)
    made = laboratory.plan([trial])
    return made, made.missing[0]


def test_elsewhere_there_is_a_line_each_half_minute_and_for_each_finished_node(
    surroundings: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    made, node = plan_of_one()
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    watch = outlook.Lines(outlook.Outlook({node.key: 100.0}, cores=2))
    capsys.readouterr()
    for second in range(100):
        clock[0] = 1000.0 + second
        # Twice as slow as estimated: a hundredth every two seconds.
        done = second / 200
        epoch = int(done * 4)
        store.note_progress(node.key, {"epoch": epoch, "epochs": 4, "share": done * 4 - epoch})
        watch(made, {node.key: node}, set())
    watch(made, {}, {node.key})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(
        "[0/4] digits/vggnet/NQ/smoke/5 · train: epoch 1/4, about 3 min left"
    )
    assert lines[-1] == "[1/4] digits/vggnet/NQ/smoke/5 · train: done, 99 s"
    assert len(lines) == 7  # three times the node and the plan, and the end


@pytest.fixture
def clock(
    surroundings: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> list[float]:
    """Return the second that a clock shows, for a test to set; the store is empty."""
    for name, value in (surroundings | {"DLMO_STORE": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    shown = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: shown[0])
    return shown


def test_what_a_training_did_before_it_came_here_is_not_taken_for_its_pace(
    clock: list[float],
) -> None:
    _, node = plan_of_one()
    watch = outlook.Outlook({}, cores=2)
    # Nothing is known until its checkpoint is read: half of it is done.
    assert watch.see({node.key: node})[node.key].left is None
    for second in range(10, 40):
        clock[0] = 1000.0 + second
        store.note_progress(node.key, {"epoch": 2, "epochs": 4, "share": (second - 10) / 300})
        state = watch.see({node.key: node})[node.key]
    # A hundredth of an epoch takes three seconds.
    assert state.left == pytest.approx(300 * (4 - 2 - 29 / 300), rel=0.01)
    assert watch.spent(node.key) == pytest.approx(39)


def test_an_estimate_is_of_what_remains_and_an_earlier_word_is_undone(clock: list[float]) -> None:
    _, node = plan_of_one()
    watch = outlook.Outlook({node.key: 100.0}, cores=2)

    def left(seconds: float, epoch: int, share: float) -> float | None:
        clock[0] = 1000.0 + seconds
        store.note_progress(node.key, {"epoch": epoch, "epochs": 4, "share": share})
        return watch.see({node.key: node})[node.key].left

    # It was killed in the midst of its third epoch, and begins that again.
    assert left(0, 2, 0.8) == pytest.approx(100)
    assert left(1, 2, 0.0) == pytest.approx(100)
    assert left(2, 2, 0.1) == pytest.approx(95)
    # Twice as slow as estimated; so what comes after it will be.
    assert left(101, 3, 0.0) == pytest.approx(100)
    assert watch._pace() == pytest.approx(2)


# Long trainings


@pytest.fixture
def long(surroundings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a plan of one training that takes two hours, as the estimate says."""
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    made, node = plan_of_one()
    monkeypatch.setattr(cost, "estimate", lambda *_, **__: {node.key: 7200.0})
    return made, node


def test_without_a_terminal_a_long_training_needs_a_yes(
    long: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    made, node = long
    with pytest.raises(UserError, match=r"^about 2 h of training, and no terminal .* --yes"):
        costs.agreed(made, {node.key: 7200.0}, node.threads, False)
    assert costs.agreed(made, {node.key: 7200.0}, node.threads, True)
    assert costs.agreed(made, {node.key: 60.0}, node.threads, False)
    # What it takes is not known; but it sees few images.
    assert costs.agreed(made, {}, node.threads, False)
    monkeypatch.setattr(cost, "brief", lambda made: False)
    with pytest.raises(UserError, match="1 training, cost unknown, and no terminal"):
        costs.agreed(made, {}, node.threads, False)


def test_in_a_notebook_the_answer_no_is_one_line(
    long: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlmo.chapter import measuring

    monkeypatch.setattr(measuring, "_yes", lambda: False)
    with pytest.raises(UserError, match="nothing was measured") as error:
        measuring._agreed(long[0], 1)
    assert error.value._render_traceback_() == [f"error: {error.value}"]

"""The machine's description, and the lock that lets latencies be measured in peace."""

import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from pydantic import ValidationError

from dlmo import machine, paths
from dlmo.errors import UserError

HOLD = """
import sys, time
from dlmo import machine
print("asking", flush=True)
with getattr(machine, sys.argv[1])():
    print("holding", flush=True)
    time.sleep(float(sys.argv[2]))
print("done", flush=True)
"""

TRAIN = """
import sys, time
from dlmo import machine
print("asking", flush=True)
time.sleep(float(sys.argv[1]))
while True:
    with machine.training_turn():
        print("holding", flush=True)
        time.sleep(0.3)
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start scripts that share locks of their own with this process."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    running: list[subprocess.Popen[str]] = []

    def begin(script: str, *arguments: object, until: str = "holding") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        running.append(process)
        wait_for(process, until)
        return process

    yield begin
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout
    while (found := process.stdout.readline().strip()) != line:
        assert found, f"the process ended before it said {line!r}"


def taken(turn: Callable[[], object], within: float) -> bool:
    """Whether a thread of this process gets the turn within that many seconds, and ends it."""
    got = threading.Event()

    def take() -> None:
        with turn():  # type: ignore[attr-defined]
            got.set()

    threading.Thread(target=take, daemon=True).start()
    return got.wait(within)


def test_this_machine_is_described_without_its_names() -> None:
    found = machine.this()
    text = found.model_dump_json()
    assert found.processor
    assert found.python == platform.python_version()
    assert found.cores >= 1
    assert found.memory > 2**28
    for private in (socket.gethostname(), os.environ.get("HOME", "") or "/nowhere"):
        assert private not in text


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs /proc")
def test_the_instruction_sets_are_those_of_the_kernel() -> None:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next(line for line in lines if line.lower().startswith(("flags", "features")))
    known = set(flags.partition(":")[2].split())
    expected = [name for name in machine.INSTRUCTION_SETS if name in known]
    assert list(machine.this().instruction_sets) == expected


def test_a_machine_is_frozen() -> None:
    with pytest.raises(ValidationError):
        machine.this().cores = 3  # type: ignore[misc]


def test_the_tag_depends_on_what_computes_and_on_nothing_else() -> None:
    this = machine.this()
    same = this.model_copy(update={"cores": 99, "memory": 1, "python": "3.0"})
    other = this.model_copy(update={"instruction_sets": (*this.instruction_sets, "sve")})
    assert machine.tag(this) == machine.tag(same)
    assert machine.tag(this) != machine.tag(other)
    assert len(machine.tag(this)) == 8


def test_versions_are_the_installed_ones_and_import_nothing() -> None:
    script = "import sys; from dlmo import machine; machine.versions(); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "ai_edge_litert"} & set(out.stdout.split())
    assert machine.versions()["numpy"] == metadata.version("numpy")


def git(folder: Path, *arguments: str) -> str:
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", "-C", str(folder), *author, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_commit_tells_whether_the_code_is_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "ROOT", tmp_path.resolve())
    assert machine.commit() == ("unknown", False)
    git(tmp_path, "init", "-q")
    assert machine.commit() == ("unknown", False)
    (tmp_path / "code").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert machine.commit() == (head, True)
    (tmp_path / "data/results").mkdir(parents=True)
    (tmp_path / "data/results/record.json").write_text("{}")
    assert machine.commit() == (head, True)
    (tmp_path / "code").write_text("2")
    assert machine.commit() == (head, False)
    monkeypatch.setattr(paths, "ROOT", tmp_path.resolve() / "data")
    assert machine.commit() == ("unknown", False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.commit() == ("unknown", False)


def test_trainings_share_the_machine(start: Start) -> None:
    start(HOLD, "training_turn", 60)
    assert taken(machine.training_turn, within=5)
    assert not taken(machine.quiet, within=0.5)


def test_nobody_enters_a_quiet_machine(start: Start) -> None:
    start(HOLD, "quiet", 60)
    assert not taken(machine.training_turn, within=0.5)
    assert not taken(machine.quiet, within=0.5)


def test_trainings_wait_behind_a_waiting_measurement(start: Start) -> None:
    training = start(HOLD, "training_turn", 60)
    waiting = start(HOLD, "quiet", 0.2, until="asking")
    time.sleep(1)
    late = start(HOLD, "training_turn", 0, until="asking")
    time.sleep(1)
    assert waiting.poll() is None and late.poll() is None
    training.send_signal(signal.SIGKILL)
    wait_for(waiting, "done")
    wait_for(late, "done")


def test_a_row_of_overlapping_trainings_does_not_starve_a_measurement(start: Start) -> None:
    for delay in (0.0, 0.1, 0.2):
        start(TRAIN, delay)
    assert taken(machine.quiet, within=5)


@pytest.mark.parametrize("turn", ["training_turn", "quiet"])
def test_a_killed_process_loses_its_turn(start: Start, turn: str) -> None:
    start(HOLD, turn, 60).send_signal(signal.SIGKILL)
    assert taken(machine.quiet, within=5)


def test_a_measurement_killed_while_it_waits_lets_trainings_pass(start: Start) -> None:
    start(HOLD, "training_turn", 60)
    waiting = start(HOLD, "quiet", 0, until="asking")
    time.sleep(1)
    waiting.send_signal(signal.SIGKILL)
    assert taken(machine.training_turn, within=5)


def test_a_thread_never_waits_for_itself(start: Start) -> None:
    with machine.quiet(), machine.quiet(), machine.training_turn():
        pass
    refused = pytest.raises(RuntimeError, match="end the turn first")
    with machine.training_turn(), machine.training_turn(), refused, machine.quiet():
        pass
    assert taken(machine.quiet, within=5)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs user numbers")
def test_a_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 12345678)
    with pytest.raises(UserError, match="belongs to another user"), machine.quiet():
        pass

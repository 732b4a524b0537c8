"""The laboratory: each node once, resumable, safe against killed processes and full disks."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image
from tensorflow.lite.tools import flatbuffer_utils

from dlmo import cli, laboratory, machine, records, trials
from dlmo.errors import ImpossibleError, UserError
from dlmo.laboratory import cost, latency, nodes, processes, store
from dlmo.laboratory.keep import keep
from dlmo.training import compression, steps

RUN = Path(__file__).with_name("lab_run.py")
LONG = "digits/vggnet/NQ/smoke/0{train.epochs=20}"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_folders(tmp_path, monkeypatch)
    return tmp_path


def use_folders(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESULTS", "STORE", "MODELS"):
        monkeypatch.setenv(f"DLMO_{name}", str(root / name.lower()))


def run(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(RUN), *arguments]
    return subprocess.Popen(command, text=True, stderr=subprocess.PIPE, start_new_session=True)


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def predictions(trial: str) -> dict[str, np.ndarray]:
    wanted = trials.parse(trial)
    for record in records.every():
        if (
            isinstance(record, records.Measurement)
            and record.trial == wanted
            and record.predictions
        ):
            return records.predictions(record)
    raise AssertionError(f"{trial} has no predictions")


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    with pytest.MonkeyPatch.context() as patch:
        use_folders(tmp_path_factory.mktemp("undisturbed"), patch)
        laboratory.measure([trials.parse(LONG)], with_latency=False)
        return predictions(LONG)


def test_a_killed_run_goes_on_and_ends_bit_for_bit_the_same(
    folders: Path, undisturbed: dict[str, np.ndarray]
) -> None:
    key = laboratory.plan([trials.parse(LONG)]).missing[0].key
    running = run(LONG)
    wait_for(lambda: int(store.progress(key).get("epoch", 0)) >= 3)
    workers = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    running.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive, "a killed run left workers behind"
    assert (store.checkpoints(key) / "history.json").exists()
    laboratory.measure([trials.parse(LONG)], with_latency=False)
    assert same(predictions(LONG), undisturbed)
    weights = records.find(key)
    assert isinstance(weights, records.Weights)
    assert [entry["epoch"] for entry in weights.history] == list(range(1, 21))
    assert weights.earlier_machines == ()


def test_a_training_that_was_taken_to_another_machine_says_so(folders: Path) -> None:
    trial = trials.parse("digits/vggnet/NQ/smoke/0")
    elsewhere = machine.this().model_copy(update={"processor": "Another"})
    folder = store.checkpoints(laboratory.plan([trial]).missing[0].key)
    folder.mkdir(parents=True)
    (folder / "machines.json").write_text(json.dumps([elsewhere.model_dump()]))
    laboratory.measure([trial], with_latency=False)
    (weights,) = (one for one in records.every() if isinstance(one, records.Weights))
    assert weights.earlier_machines == (elsewhere,)
    assert weights.provenance.machine == machine.this()


def test_a_training_that_came_with_its_checkpoint_costs_what_remains(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = laboratory.plan([trials.parse(LONG)])
    key = made.missing[0].key
    speed = cost.Speed(start=0.0, step=1.0, between=0.0, images=100)
    monkeypatch.setattr(cost, "_speeds", lambda probes, *_: dict.fromkeys(probes, speed))
    whole = cost.estimate(made)[key]
    folder = store.checkpoints(key)
    folder.mkdir(parents=True)
    (folder / "history.json").write_text(json.dumps([{"epoch": n + 1} for n in range(15)]))
    assert cost.estimate(made)[key] == pytest.approx(whole * 5 / 20)
    (folder / "history.json").write_text("[{")
    assert cost.estimate(made)[key] == pytest.approx(whole)


def test_a_killed_worker_costs_an_epoch_and_not_the_run(
    folders: Path, undisturbed: dict[str, np.ndarray]
) -> None:
    key = laboratory.plan([trials.parse(LONG)]).missing[0].key
    running = run(LONG)
    wait_for(lambda: int(store.progress(key).get("epoch", 0)) >= 3)
    workers = [
        child
        for child in psutil.Process(running.pid).children(recursive=True)
        if child.memory_info().rss > 300e6
    ]
    assert workers
    for worker in workers:
        worker.kill()
    _, errors = running.communicate(timeout=300)
    assert running.returncode == 0, errors
    assert same(predictions(LONG), undisturbed)


def test_a_killed_dask_worker_costs_an_epoch_and_not_the_run(
    folders: Path, undisturbed: dict[str, np.ndarray]
) -> None:
    with dask_cluster() as (address, worker_pid):
        key = laboratory.plan([trials.parse(LONG)]).missing[0].key
        running = run(LONG, "--scheduler", address)
        wait_for(lambda: int(store.progress(key).get("epoch", 0)) >= 3)
        os.kill(worker_pid(), signal.SIGKILL)
        _, errors = running.communicate(timeout=300)
    assert running.returncode == 0, errors
    assert same(predictions(LONG), undisturbed)


@contextmanager
def dask_cluster() -> Iterator[tuple[str, Callable[[], int]]]:
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield cluster.scheduler_address, lambda: next(iter(client.run(os.getpid).values()))


def test_nothing_is_made_twice(folders: Path) -> None:
    names = ("NQ", "BLQ", "FIQ", "PRN", "PRQ")
    wanted = [f"digits/vggnet/{name}/smoke/0" for name in names]
    both = [run(*wanted), run(*wanted)]
    for one in both:
        _, errors = one.communicate(timeout=300)
        assert one.returncode == 0, errors
    found = records.every()
    made = [record for record in found if isinstance(record, records.Weights)]
    assert sorted(record.identity.step for record in made) == ["prune", "train"]
    assert len(records.table()) == len(names)
    stamps = {path: path.stat().st_mtime_ns for path in (folders / "results").rglob("*")}
    again = laboratory.measure([trials.parse(text) for text in wanted], with_latency=False)
    assert not again.missing
    assert stamps == {path: path.stat().st_mtime_ns for path in (folders / "results").rglob("*")}
    kept = keep([trials.parse(text) for text in wanted])
    listed = pd.read_csv(folders / "models" / "models.csv")
    assert len(kept) == len(listed) == len(names)
    for file in kept:
        row = listed[listed["file"] == file.relative_to(folders / "models").as_posix()].iloc[0]
        assert row["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert row["bytes"] == file.stat().st_size


def test_a_broken_checkpoint_is_set_aside_and_trained_again(folders: Path) -> None:
    trial = trials.parse("digits/vggnet/NQ/smoke/0")
    node = laboratory.plan([trial]).missing[0]
    folder = store.checkpoints(node.key) / "checkpoint"
    (folder / "chief").mkdir(parents=True)
    (folder / "chief" / "checkpoint").write_text(
        'model_checkpoint_path: "ckpt-1"\nall_model_checkpoint_paths: "ckpt-1"\n'
    )
    (folder / "chief" / "ckpt-1.index").write_bytes(b"not a checkpoint")
    (folder / "chief" / "ckpt-1.data-00000-of-00001").write_bytes(b"neither")
    laboratory.measure([trial], with_latency=False)
    assert len(records.table()) == 1
    assert list(store.checkpoints(node.key).parent.glob("*.corrupt-*"))


def test_lost_weights_are_made_again_only_if_a_child_needs_them(folders: Path) -> None:
    base = trials.parse("digits/vggnet/NQ/smoke/0")
    laboratory.measure([base], with_latency=False)
    key = laboratory.plan([base]).nodes
    weights = next(name for name, node in key.items() if hasattr(node.identity, "step"))
    lost = store.weights_file(weights)
    assert lost is not None
    before = records.find(weights)
    lost.unlink()
    assert not laboratory.plan([base]).missing
    child = base.sibling("F16")
    assert weights in {node.key for node in laboratory.plan([child]).missing}
    laboratory.measure([child], with_latency=False)
    assert records.find(weights) == before
    made = [r for r in records.every() if isinstance(r, records.Deployable) and r.trial == child]
    assert isinstance(before, records.Weights) and made[0].weights_sha256 == before.sha256


def test_without_weights_an_int8_file_is_made_of_the_float_file_and_is_the_same(
    folders: Path,
) -> None:
    base = trials.parse("digits/vggnet/NQ/smoke/0")
    family = [base, base.sibling("FIQ")]
    made = laboratory.measure(family, with_latency=False)
    file = store.deployable_file(made.deployables[family[1]])
    assert file is not None
    before, content = flatbuffer(file), file.read_bytes()
    file.unlink()
    weights = next(key for key, node in made.nodes.items() if hasattr(node.identity, "step"))
    lost = store.weights_file(weights)
    assert lost is not None
    lost.unlink()
    fewer = trials.parse("digits/vggnet/FIQ/smoke/0{conversion.calibration_samples=7}")
    assert not [n for n in laboratory.plan([fewer]).missing if n.key == weights]
    laboratory.measure([fewer], with_latency=False)
    assert store.weights_file(weights) is None, "it was trained again"
    late = laboratory.plan(family, files=[made.deployables[family[1]]])
    (node,) = late.missing
    nodes.run(node)
    again = flatbuffer(file)
    assert file.stat().st_size == len(content) and again == before
    assert laboratory.plan([base.sibling("BLQ")]).missing[0].key == weights


def flatbuffer(file: Path) -> list[Any]:
    """Return the operators and tensors of a file, their numbers included."""
    model = flatbuffer_utils.read_model(str(file))
    (graph,) = model.subgraphs
    found: list[Any] = [(one.opcodeIndex, *one.inputs, *one.outputs) for one in graph.operators]
    for one in graph.tensors:
        ranges = [] if one.quantization is None else vars(one.quantization).values()
        numbers = (one.shape, model.buffers[one.buffer].data, *ranges)
        found.append((one.name, one.type, [np.asarray(each).tolist() for each in numbers]))
    return found


def test_another_machine_measures_a_file_again_only_for_its_latency(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = trials.parse("digits/vggnet/NQ/smoke/0")
    made = laboratory.measure([trial], with_latency=False)
    monkeypatch.setattr(machine, "tag", lambda _: "0badcafe")
    assert not laboratory.plan([trial]).missing
    timed = latency.plan([trial])
    assert not timed.missing  # the file is here
    for find in (store.weights_file, store.deployable_file):
        for key in made.nodes:
            if lost := find(key):
                lost.unlink()
    assert not laboratory.plan([trial]).missing
    names = [node.label.rpartition(" · ")[2] for node in latency.plan([trial]).missing]
    assert names == ["train", "convert (float)"]


def test_a_file_whose_nq_is_lost_is_timed_beside_another_float_file(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folders))  # locks of its own
    family = [trials.parse(f"digits/vggnet/{name}/smoke/0") for name in ("NQ", "NQ+FT", "F16")]
    made = laboratory.measure(family, with_latency=False)
    lost, other, half = (made.deployables[trial] for trial in family)
    assert latency.baseline_of(made.deployables) == lost
    for find in (store.weights_file, store.deployable_file):
        for key in set(made.nodes) - {other, half}:
            if file := find(key):
                file.unlink()
    assert latency.baseline_of(made.deployables) == other
    assert not latency.plan(family).missing, "NQ would be trained again"
    laboratory.measure(family, latency_seconds=0.5)
    timed = {
        (one.identity.deployable, one.identity.settings["baseline"]): one.values["ratio"]
        for one in records.every()
        if isinstance(one, records.Measurement) and one.identity.instrument == "latency"
    }
    assert set(timed) == {(other, other), (half, other)} and timed[other, other] == 1
    assert not list(latency.untimed(latency.plan(family)))
    # Alone, NQ is what is asked for, and has to be made again.
    assert latency.plan(family[:1]).missing


@pytest.mark.parametrize("problem", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_takes_nothing_gives_one_line_and_keeps_what_was_done(
    folders: Path, monkeypatch: pytest.MonkeyPatch, problem: int
) -> None:
    def refuse(_: int) -> None:
        raise OSError(problem, os.strerror(problem))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(UserError) as caught:
        store.put_deployable("0" * 16, b"TFL3")
    assert "\n" not in str(caught.value) and os.strerror(problem) in str(caught.value)
    assert not list((folders / "store" / "deployables").iterdir())


def paint(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for image in range(10):
            Image.new("RGB", (8, 8), (100 * number, 10 * image, 0)).save(
                folder / name / f"{image}.png"
            )


def test_images_that_change_during_the_run_make_no_record(folders: Path) -> None:
    paint(folders / "images", "cats", "dogs")
    one = trials.Trial(
        dataset=str(folders / "images"),
        network="vggnet",
        technique="NQ",
        profile="smoke",
        overrides=(("batch_size", 8),),
    )
    (node, *_) = laboratory.plan([one]).missing
    (folders / "images" / "cats" / "3.png").unlink()
    with pytest.raises(UserError, match=r"have changed since the run began; .* again") as caught:
        nodes.run(node)
    assert "\n" not in str(caught.value) and records.every() == []


def test_a_file_whose_images_have_changed_is_not_exported_with_other_labels(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(folders / "images", "cats", "dogs")
    one = trials.parse(f"{folders / 'images'}/vggnet/NQ/untrained/0{{batch_size=8}}")
    plan = laboratory.plan([one])
    for node in plan.missing[:2]:
        nodes.run(node)
    key = plan.deployables[one]
    assert cli.run_command(["export", key, "--to", str(folders / "first")]) == 0
    assert (folders / "first/labels.txt").read_text() == "cats\ndogs\n"
    (folders / "images/cats/3.png").rename(folders / "images/dogs/33.png")
    assert cli.run_command(["export", key, "--to", str(folders / "second")]) == 2
    said = capsys.readouterr().err
    assert "labels are not known" in said and said.count("\n") == 1
    assert not (folders / "second").exists()


def test_a_scheduler_that_does_not_answer_is_one_line(folders: Path) -> None:
    with pytest.raises(UserError, match="no Dask scheduler"):
        laboratory.measure(
            [trials.parse("digits/vggnet/NQ/smoke/0")], scheduler="tcp://127.0.0.1:9"
        )


def test_a_batch_larger_than_the_data_is_refused_before_any_work(folders: Path) -> None:
    with pytest.raises(UserError, match="batch_size"):
        laboratory.measure(
            [trials.parse("digits/vggnet/NQ/smoke/0{batch_size=5000}")], with_latency=False
        )
    assert records.every() == []


def test_what_cannot_be_had_is_recorded_with_its_reason_and_stops_nothing_else(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal is made up: every layer of the report's own networks can be simulated."""
    wanted = [trials.parse(f"digits/vggnet/{name}/smoke/0") for name in ("QAT", "BLQ", "PRN+QAT")]

    def refuse(*_: object, **__: object) -> None:
        raise ImpossibleError("QAT cannot simulate the layer 'mystery'")

    monkeypatch.setattr(compression, "quantize", refuse)
    monkeypatch.setattr(steps, "configure", lambda _: True)  # stay in this process
    monkeypatch.setattr(processes, "ProcessPoolExecutor", lambda **_: ThreadPoolExecutor(1))
    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", lambda *_, **__: None)
    laboratory.measure(wanted, with_latency=False)
    rows = records.table().set_index("technique")
    for name in ("QAT", "PRN+QAT"):
        assert rows.loc[name, "reason"] == "QAT cannot simulate the layer 'mystery'"
    measured = rows["accuracy"].notna().to_dict()
    assert measured == {"BLQ": True, "QAT": False, "PRN+QAT": False}
    assert not laboratory.plan(wanted).missing


def test_untrained_weights_have_a_file_and_a_memory_but_no_accuracy(folders: Path) -> None:
    wanted = [trials.parse(f"digits/resnet8/{name}/untrained/3") for name in ("NQ", "FIQ")]
    laboratory.measure(wanted, with_latency=False)
    rows = records.table().set_index("technique")
    assert rows["accuracy"].isna().all() and rows["memory"].notna().all()
    assert rows.loc["FIQ", "bytes"] < rows.loc["NQ", "bytes"] / 2
    assert (rows["epochs"] == 0).all()
    kept = store.get_weights(rows.loc["NQ", "weights_key"], None)
    assert kept is not None
    fresh = steps.build("resnet8", 10, 1.0, 1.0, seed=3).get_weights()
    drawn = [
        other for one, other in zip(kept, fresh, strict=True) if not np.array_equal(one, other)
    ]
    assert drawn and not any(other.any() for other in drawn)
    with pytest.raises(UserError, match=r"prune\.epochs"):
        laboratory.plan([trials.parse("digits/resnet8/PRN/untrained/3")])

"""Records: keys, damage, atomic writing, the joined table, and how long it takes to read them."""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import make_records
from dlmo import files, machine, paths, recipes, records
from dlmo.errors import UserError
from dlmo.techniques import PAPER
from dlmo.trials import Trial

Edit = Callable[[dict[str, Any]], None]
TRIAL = Trial(dataset="cifar10", network="vggnet", technique="FIQ")


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLMO_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def trial(technique: str = "NQ", **changed: Any) -> Trial:
    return TRIAL.model_copy(update={"technique": technique, **changed})


def edited(file: Path, edit: Edit) -> None:
    content = json.loads(file.read_text("utf-8"))
    edit(content)
    file.write_text(json.dumps(content), "utf-8")


def refused(file: Path) -> str:
    with pytest.raises(UserError) as error:
        records.read(file)
    message = str(error.value)
    assert "\n" not in message and message.startswith(str(file))
    return message


# Keys


def test_a_key_depends_on_the_identity_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [one.key for one in make_records.written(TRIAL)]
    monkeypatch.setattr(time, "time", lambda: 0.0)
    later = make_records.provenance(started="2031-05-05T05:05:05+00:00", seconds=1.0, threads=1)
    other = make_records.MACHINE.model_copy(update={"processor": "another", "cores": 64})
    elsewhere = later.model_copy(update={"machine": other, "versions": {"numpy": "3.0"}})
    monkeypatch.setattr(make_records, "provenance", lambda **changed: elsewhere)
    assert [one.key for one in make_records.written(TRIAL)] == before


def test_a_key_is_the_same_in_another_process_and_with_another_order_of_fields() -> None:
    mine = make_records.weights(TRIAL)[0].identity
    turned = dict(reversed(list(mine.model_dump(mode="json").items())))
    program = "import json, sys; from dlmo import records; "
    program += "print(records.WeightsIdentity(**json.load(sys.stdin)).key)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(turned),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    )
    assert done.stdout.strip() == mine.key


def test_this_key_never_changes() -> None:
    # If this fails, every committed record has lost its key: raise a revision instead.
    identity = records.DeployableIdentity(
        weights="0" * 16, conversion="dynamic", revision=1, recipe={}
    )
    text = '{"conversion":"dynamic","kind":"deployable","recipe":{},"revision":1,'
    text += '"weights":"0000000000000000"}'
    assert identity.key == files.sha256(text.encode())[:16] == "5f4534eaa9de0cd9"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dataset", "cifar100"),
        ("checksum", "d" * 64),
        ("network", "wrn"),
        ("build", {"width": 0.5, "depth": 1.0}),
        ("architecture", "b" * 16),
        ("step", "finetune"),
        ("revision", 2),
        ("recipe", {"threads": 1}),
        ("seed", 1),
        ("parent", "1" * 16),
        ("teacher", "1" * 16),
    ],
)
def test_everything_that_weights_are_made_of_changes_their_key(field: str, value: Any) -> None:
    identity = make_records.weights(TRIAL)[0].identity
    assert identity.model_copy(update={field: value}).key != identity.key


# Damage


def test_what_is_written_is_read_again() -> None:
    for record in make_records.written(TRIAL):
        assert records.read(records.file(record)) == record
        assert records.find(record.key) == record
    assert records.find("0" * 16) is None


EDITS: list[tuple[str, Edit, str]] = [
    ("accuracy", lambda c: c["values"].update(test_accuracy=0.99), "digest"),
    ("accuracy", lambda c: c["provenance"].update(seconds=1.0), "digest"),
    ("accuracy", lambda c: c["trial"].update(seed=1), "digest"),
    ("accuracy", lambda c: c["identity"].update(deployable="0" * 16), "key does not fit"),
    ("accuracy", lambda c: c["identity"].update(settings={}), "key does not fit"),
    ("accuracy", lambda c: c.update(digest="0" * 64), "digest"),
    ("accuracy", lambda c: c.update(key="0" * 16), "key does not fit"),
    ("accuracy", lambda c: c.update(predictions=None), "digest"),
    ("accuracy", lambda c: c.update(remark="hello"), "remark"),
    ("accuracy", lambda c: c.pop("values"), "values"),
    ("accuracy", lambda c: c.update(record_schema=2), "record_schema"),
    ("accuracy", lambda c: c.update(key="xyz"), "key"),
    ("accuracy", lambda c: c["trial"].update(technique="FOO"), "unknown technique 'FOO'"),
    ("accuracy", lambda c: c["trial"].update(overrides=5), "overrides"),
    ("accuracy", lambda c: c["identity"].update(kind="weights"), "kind"),
    ("deployable", lambda c: c.update(bytes=1), "digest"),
    ("deployable", lambda c: c.update(bytes="many"), "bytes"),
    ("deployable", lambda c: c.update(nonzero=1.5), "nonzero"),
    ("deployable", lambda c: c["identity"].update(conversion="int4"), "conversion"),
    ("weights", lambda c: c["history"].pop(), "digest"),
    ("weights", lambda c: c["identity"]["recipe"].update(epochs=1), "key does not fit"),
    ("weights", lambda c: c["identity"].update(step="guess"), "step"),
]


@pytest.mark.parametrize(("kind", "edit", "why"), EDITS)
def test_an_edited_record_is_refused(kind: str, edit: Edit, why: str) -> None:
    kinds = {"weights": records.Weights, "deployable": records.Deployable}
    wanted = kinds.get(kind, records.Measurement)
    record = next(one for one in reversed(make_records.written(TRIAL)) if isinstance(one, wanted))
    edited(records.file(record), edit)
    assert why in refused(records.file(record))
    with pytest.raises(UserError):
        records.table()


@pytest.mark.parametrize(
    ("changed", "ignored"),
    [
        ({}, False),
        ({"dataset": "cifar10[automobile,truck]"}, False),
        ({"dataset": "/home/me/my photos"}, True),
        ({"network": "/home/me/mine.keras[preprocessing=0..1]"}, True),
        ({"dataset": "/home/me/" + 200 * "far/"}, True),
    ],
)
def test_git_ignores_records_of_what_is_the_users_own(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], ignored: bool
) -> None:
    if not (paths.ROOT / ".git").exists():
        pytest.skip("this is no repository")
    monkeypatch.delenv("DLMO_RESULTS")
    # Not planned, since there is no such folder: a record's place follows from its trial alone.
    record = make_records.weights(trial())[-1].model_copy(update={"trial": trial(**changed)})
    command = ["git", "-C", str(paths.ROOT), "check-ignore", "-q", str(records.file(record))]
    assert subprocess.run(command, check=False).returncode == (0 if ignored else 1)


def test_a_renamed_record_is_refused() -> None:
    record = make_records.written(TRIAL)[-1]
    file = records.file(record)
    other = file.with_name(f"{'0' * 16}.measurement.json")
    file.rename(other)
    assert "key does not fit" in refused(other)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("notes.json", b"{}", "not a record"),
        ("0000000000000000.json", b"{}", "not a record"),
        ("0000000000000000.secret.json", b"{}", "not a record"),
        ("0000000000000000.weights.json", b"", "JSON"),
        ("0000000000000000.weights.json", b"[]", "object"),
        ("0000000000000000.weights.json", b"\xff\xfe", "JSON"),
        ("0000000000000000.weights.json", b"[" * 100_000, "JSON"),
        ("0000000000000000.weights.json", b"{}", "required"),
    ],
)
def test_what_is_no_record_is_refused(results: Path, name: str, content: bytes, why: str) -> None:
    file = results / "cifar10/vggnet" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert why in refused(file)


@pytest.fixture
def record() -> records.Record:
    return make_records.written(TRIAL)[-1]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_changed_byte_is_found(record: records.Record, place: float, bit: int) -> None:
    file = records.write(record)
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    file.write_bytes(bytes(content))
    try:
        # White space may change; what is said may not.
        assert records.read(file) == record
    except UserError as error:
        assert "\n" not in str(error)


def test_predictions_come_back_as_they_were() -> None:
    judged = make_records.written(TRIAL, seed=3)[-1]
    assert isinstance(judged, records.Measurement)
    found, kept = records.predictions(judged), make_records.arrays(3)
    assert found.keys() == kept.keys()
    for name, array in kept.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_one_flipped_bit_in_the_predictions_is_found() -> None:
    judged = make_records.written(TRIAL)[-1]
    assert isinstance(judged, records.Measurement)
    file = records.file(judged, "npz")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"npz is not what its record names; measure cifar10"):
        records.predictions(judged)
    file.unlink()
    with pytest.raises(UserError, match=r"npz is missing; measure cifar10"):
        records.predictions(judged)


def test_the_same_predictions_are_the_same_bytes_at_any_time() -> None:
    first = records.pack(make_records.arrays())
    time.sleep(2.1)  # the clock of a zip ticks every two seconds
    assert records.pack(make_records.arrays()) == first


# Writing


def everything(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_writing_leaves_nothing_but_the_files(results: Path) -> None:
    made = make_records.written(TRIAL)
    assert everything(results) == {records.file(one).name for one in made} | {
        records.file(made[-1], "npz").name
    }


@pytest.mark.parametrize("broken", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_record_or_none(
    results: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    old = make_records.written(TRIAL)
    before = everything(results)
    new = make_records.weights(trial(seed=1))[0]

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if broken == "write":
        monkeypatch.setattr(os, "fdopen", lambda handle, mode: Full(handle))
    elif broken == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    for record in (new, old[0]):
        with pytest.raises(UserError, match=r"cannot write .*No space left on device") as error:
            records.write(record)
        assert "\n" not in str(error.value)
    monkeypatch.undo()
    monkeypatch.setenv("DLMO_RESULTS", str(results))
    assert everything(results) == before
    assert records.read(records.file(old[0])) == old[0]


class Full:
    """A stream on a disk without space."""

    def __init__(self, handle: int) -> None:
        self._stream = open(handle, "wb")  # noqa: SIM115

    def __enter__(self) -> "Full":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_interrupt_while_writing_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(stream: IO[bytes]) -> None:
        stream.write(b"half of it")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(tmp_path / "x.json", interrupted)
    assert everything(tmp_path) == set()


def test_a_folder_that_cannot_be_written_to_is_one_line(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results.mkdir()
    results.chmod(0o500)
    if os.access(results, os.W_OK):  # root writes anywhere

        def denied(*_: Any, **__: Any) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(UserError, match=r"cannot write .*Permission denied"):
        records.write(make_records.weights(TRIAL)[0])


def test_the_predictions_are_written_before_the_record_that_names_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[str] = []
    monkeypatch.setattr(records, "write_bytes", lambda file, _: written.append(file.suffix))
    judged = make_records.accuracy(
        make_records.deployable(TRIAL, make_records.weights(TRIAL)[-1]), predictions="0" * 64
    )
    records.write(judged, make_records.arrays())
    assert written == [".npz", ".json"]


# The table


def test_the_table_joins_what_a_trial_led_to() -> None:
    for technique in ("NQ", "PRQ"):
        make_records.written(trial(technique))
    frame = records.table().set_index("technique")
    assert list(frame.index) == ["NQ", "PRQ"] and frame["current"].all()
    row = frame.loc["PRQ"]
    assert (row["accuracy"], row["validation_accuracy"]) == (0.75, 0.7)
    assert (row["bytes"], row["zipped_bytes"], row["parameters"]) == (59_008, 53_227, 13_962)
    assert (row["latency_ratio"], row["latency_ratio_low"], row["latency_ratio_high"]) == (
        *(0.5, 0.4, 0.6),
    )
    assert (row["epochs"], row["train_seconds"], row["nonzero"]) == (48, 25.0, 0.5)
    assert frame.loc["NQ", "epochs"] == 24
    assert records.read(next(paths.results().glob(f"*/*/{row['deployable_key']}.*"))).trial == (
        trial("PRQ")
    )


def test_a_deployable_without_measurements_has_gaps_and_not_zeros() -> None:
    chain = make_records.weights(TRIAL)
    for record in (*chain, make_records.deployable(TRIAL, chain[-1])):
        records.write(record)
    row = records.table().iloc[0]
    assert all(np.isnan(row[name]) for name in ("accuracy", "latency_ratio"))
    assert row["bytes"] == 59_008


def test_the_latest_measurement_counts_and_unusual_settings_do_not() -> None:
    chain = make_records.weights(TRIAL)
    made = make_records.deployable(TRIAL, chain[-1])
    late, early = "2024-03-01T00:00:00+00:00", "2024-02-01T00:00:00+00:00"
    judged = [
        make_records.accuracy(made, 0.7, machine="1" * 8, started=late),
        make_records.accuracy(made, 0.6, machine="2" * 8, started=early),
        make_records.accuracy(made, 0.1, settings={"kernels": "builtin", "threads": 1}),
        make_records.latency(made, 0.3, started=early),
        make_records.latency(made, 0.8, settings={"kernels": "builtin"}),
        make_records.latency(made, 0.9, settings={"threads": 2}),
    ]
    for record in (*chain, made, *judged):
        records.write(record)
    (row,) = records.table().to_dict("records")
    assert row["accuracy"] == 0.7 and row["latency_ratio"] == 0.3
    assert row["latency_ratio_builtin"] == 0.8


def test_what_cannot_be_had_is_a_row_with_its_reason() -> None:
    chain = make_records.weights(trial("QAT"))
    record = records.make(
        records.Unavailable,
        make_records.deployable(trial("QAT"), chain[-1]).identity,
        trial=trial("QAT"),
        provenance=make_records.provenance(),
        reason="a layer can't be quantized",
    )
    records.write(chain[0])
    records.write(record)
    (row,) = records.table().to_dict("records")
    assert row["reason"] == "a layer can't be quantized" and row["technique"] == "QAT"
    assert row["current"] and np.isnan(row["accuracy"])


def test_an_empty_folder_is_an_empty_table_with_all_columns() -> None:
    assert list(records.table().columns) == list(records.COLUMNS) and records.table().empty
    assert records.select(network="vggnet").empty


def test_select_leaves_out_what_today_would_not_be_made() -> None:
    make_records.written(trial("NQ"))
    old = make_records.weights(trial("NQ", seed=1))[0]
    recipe = {**old.identity.recipe, "epochs": old.identity.recipe["epochs"] + 1}
    stale = remade(old, recipe=recipe)
    raised = remade(make_records.weights(trial("NQ", seed=2))[0], revision=99)
    for record in (stale, raised):
        records.write(record)
        records.write(make_records.deployable(record.trial, record))
    assert list(records.select()["seed"]) == [0]
    assert list(records.select(current=False)["seed"]) == [0, 1, 2]
    assert list(records.table()["current"]) == [True, False, False]


def remade(record: records.Weights, **changed: Any) -> records.Weights:
    fields = {name: getattr(record, name) for name in type(record).model_fields}
    identity = record.identity.model_copy(update=changed)
    kept = {key: fields[key] for key in fields if key not in ("key", "digest", "identity")}
    return records.make(records.Weights, identity, **kept)


def test_a_student_is_current_only_as_long_as_its_teacher_is() -> None:
    lesson = recipes.profile("reference").step("distil", "vggnet")
    network = lesson.model_dump()["teacher"]
    teacher = make_records.weights(trial("NQ", network=network))[0]
    old = remade(teacher, recipe={**teacher.identity.recipe, "epochs": 1})
    for seed, one in enumerate((teacher, old)):
        student = make_records.weights(trial("KD", seed=seed), teacher=one.key)[0]
        for record in (one, student, make_records.deployable(student.trial, student)):
            records.write(record)
    assert list(records.table()["current"]) == [True, False]


def test_overridden_rows_are_asked_for_by_name() -> None:
    changed = trial("PRN", overrides=recipes.parse_overrides({"sparsity": 0.5}))
    for one in (trial("PRN"), changed):
        make_records.written(one)
    assert list(records.select()["overrides"]) == [""]
    assert len(records.select(overrides=["", "sparsity=0.5"])) == 2
    (row,) = records.select(overrides="sparsity=0.5").to_dict("records")
    assert row["current"]


def test_an_override_that_changes_nothing_for_a_trial_hides_no_row() -> None:
    # NQ knows no sparsity: whoever asks for PRN at 50 % makes the very same NQ as everybody.
    make_records.written(trial("NQ", overrides=recipes.parse_overrides({"sparsity": 0.5})))
    assert list(records.select(technique="NQ")["overrides"]) == [""]


def test_select_takes_one_value_or_several_and_refuses_unknown_columns() -> None:
    for technique in PAPER:
        make_records.written(trial(technique))
    assert set(records.select(technique=["NQ", "FIQ"])["technique"]) == {"NQ", "FIQ"}
    assert len(records.select(technique="NQ", seed=0, network="vggnet")) == 1
    assert records.select(seed=5).empty
    with pytest.raises(UserError, match="unknown column 'netwrk'; did you mean 'network'"):
        records.select(netwrk="vggnet")


def test_a_new_record_is_seen_at_once() -> None:
    make_records.written(trial("NQ"))
    assert len(records.table()) == 1
    make_records.written(trial("BLQ"))
    assert len(records.table()) == 2


def test_two_thousand_records_are_read_and_checked_not_much_slower_than_their_json(
    monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # of writing, which is not timed here
    techniques = (*PAPER, "NQ+FT", "NQ+FT+FIQ")
    for network in ("vggnet", "wrn", "resnet50", "mobilenet_v1"):
        for dataset in ("cifar10", "cifar100"):
            for seed in range(8):
                for name in techniques:
                    one = trial(name, network=network, dataset=dataset, seed=seed)
                    make_records.written(one)
    written = list(paths.results().rglob("*.json"))
    # A busy machine slows both alike; the benchmark says seconds.
    bare, seconds = zip(*(_both_ways(written) for _ in range(3)), strict=True)
    ratio = min(seconds) / min(bare)
    record_property("ratio", ratio)
    assert len(records.every()) >= 1900 and len(records.table()) == 4 * 2 * 8 * len(techniques)
    assert ratio < 20, f"{len(written)} records took {ratio:.1f} times as long as their JSON alone"


def _both_ways(written: list[Path]) -> tuple[float, float]:
    """Return seconds to read records as bare JSON, and to read, check and join them."""
    records._every.cache_clear()
    began = time.process_time()
    for file in written:
        json.loads(file.read_bytes())
    between = time.process_time()
    records.every()
    records.table()
    return between - began, time.process_time() - between


def test_a_record_names_no_host_user_or_folder() -> None:
    import getpass
    import platform

    text = machine.this().model_dump_json()
    for word in (platform.node(), str(Path.home())):
        assert not word or word not in text
    assert "user" not in json.loads(text) and getpass.getuser() not in json.loads(text).values()

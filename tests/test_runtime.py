"""The replay: files cut into operators, several runtimes in turns, boards, and the chapter."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from typer.testing import CliRunner

import make_records
from dlmo import cli, deployable, paths, records
from dlmo.errors import UserError
from dlmo.instruments import (
    Turn,
    camera,
    chained,
    cutting,
    device,
    latencies,
    older,
    operators,
    refusals,
)
from dlmo.instruments.process import settings
from dlmo.report import cited
from dlmo.report.claims import comparing
from dlmo.report.runtime import charts, networks, read, sparse, tables, words
from dlmo.report.statistics import Interval
from dlmo.trials import Trial
from make_deployables import folder


@pytest.fixture(scope="session")
def files(pytestconfig: pytest.Config) -> Path:
    return folder(pytestconfig.cache)


@pytest.fixture
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def own_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("RESULTS", "STORE", "MODELS"):
        monkeypatch.setenv(f"DLMO_{variable}", str(tmp_path / variable.lower()))
    return tmp_path


# Cutting


@pytest.mark.parametrize("name", ["float", "dynamic", "f16", "int8", "int8_io", "softmax_int8"])
def test_every_part_makes_the_tensors_of_the_whole(files: Path, name: str) -> None:
    """Against LiteRT's own view of what lies between the operators."""
    found = deployable.read(files / f"{name}.tflite")
    whole = Interpreter(
        model_content=found.data,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    whole.allocate_tensors()
    source = whole.get_input_details()[0]
    noise = np.random.default_rng(0).uniform(-1, 1, source["shape"]) * 100
    whole.set_tensor(source["index"], noise.astype(source["dtype"]))
    whole.invoke()
    cut = cutting.parts(found)
    unpacking = [node for node in found.nodes if node.name == "DEQUANTIZE"] if name == "f16" else []
    assert len(cut) == len(found.nodes) - len(unpacking)
    for part in cut:
        assert deployable.read(part.data).nodes[-1].name == part.node.name
        one = Interpreter(
            model_content=part.data,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            num_threads=1,
        )
        one.allocate_tensors()
        for end, index in zip(one.get_input_details(), part.inputs, strict=True):
            one.set_tensor(end["index"], whole.get_tensor(index))
        one.invoke()
        for end, index in zip(one.get_output_details(), part.outputs, strict=True):
            assert np.array_equal(one.get_tensor(end["index"]), whole.get_tensor(index))


def test_the_parts_in_a_row_end_as_the_whole_does(files: Path) -> None:
    number, apart = chained(files / "int8.tflite")
    assert (number, apart) == (len(deployable.read(files / "int8.tflite").nodes), 0)


def test_constants_of_a_part_lie_where_kernels_expect_them(files: Path) -> None:
    for part in cutting.parts(deployable.read(files / "float.tflite")):
        for tensor in deployable.read(part.data).tensors:
            if tensor.content is not None and tensor.elements:
                assert part.data.index(bytes(tensor.content)) % 16 == 0


def test_operators_have_shares_of_the_whole(files: Path, own_locks: None) -> None:
    found = operators(files / "big.tflite", processes=1, rounds=7, seconds=4)
    work = {one.place: one.share for one in found.shares}
    largest = max(found.shares, key=lambda one: one.macs)
    assert all(0 < one.low <= one.share <= one.high for one in found.shares)
    assert work[largest.place] == pytest.approx(max(work.values()), rel=0.5)
    # Other tests run beside this one, and disturb the parts and the whole by turns.
    assert found.total.share == pytest.approx(sum(work.values()), rel=0.5)
    assert found.shares[-1].delegated and found.difference == 0
    with pytest.raises(UserError, match="must all be positive"):
        operators(files / "big.tflite", rounds=0)


# Turns


def test_runtimes_take_turns_and_each_has_its_result(files: Path, own_locks: None) -> None:
    paths_ = {name: files / f"{name}.tflite" for name in ("narrow", "wide")}
    ways = [settings("xnnpack", 1), settings("builtin", 2)]
    told: list[tuple[int, int]] = []
    found = latencies(
        [Turn(paths_, way) for way in ways],
        baseline="narrow",
        processes=2,
        rounds=3,
        seconds=2,
        told=lambda at, number: told.append((at, number)),
    )
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert [one.settings for one in found] == ways
    for one in found:
        assert one.timings["wide"].ratio > 1 == one.timings["narrow"].ratio
        assert len(one.p99s["wide"]) == 2
        assert min(one.p99s["wide"]) >= min(min(process) for process in one.medians["wide"])
    with pytest.raises(UserError, match="unknown baseline"):
        latencies([Turn(paths_, ways[0])], baseline="NQ")


def test_what_a_runtime_refuses_is_told_file_by_file(files: Path) -> None:
    from dlmo.laboratory import replay

    paths_ = {"good": files / "narrow.tflite", "dead": files / "dead_int8.tflite"}
    assert refusals(paths_, settings("builtin", 1)) == {}
    found = refusals(paths_, settings("reference", 1))
    assert list(found) == ["dead"] and "SIGABRT" in found["dead"]
    assert str(files) not in replay.without_folders(found["dead"], paths_["dead"])
    assert "dead_int8.tflite" in replay.without_folders(found["dead"], paths_["dead"])


def test_the_older_runtime_says_where_it_cannot_be_had(
    own_records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(older, "PYTHONS", ((2, 7),))
    with pytest.raises(UserError, match=r"tflite-runtime 2\.14\.0 needs Python 2\.7"):
        older.python()
    monkeypatch.setattr(older, "_interpreter", lambda: "/nowhere/python")
    with pytest.raises(UserError, match="can't be installed"):
        older.python()


# Camera


def test_the_way_from_a_picture_is_the_sum_of_its_stages(files: Path, own_locks: None) -> None:
    paths_ = {name: files / f"{name}.tflite" for name in ("narrow", "wide", "int8_io")}
    found = camera(paths_, baseline="narrow", processes=2, rounds=3, seconds=2)
    assert found.ways["narrow"].whole.ratio == 1
    for way in found.ways.values():
        assert sum(one.ratio for one in way.shares.values()) == pytest.approx(1, abs=0.1)
        assert way.milliseconds > 0
    slow, quick = (found.ways[name].shares["run"].ratio for name in ("wide", "narrow"))
    assert slow > quick
    with pytest.raises(UserError, match="unknown baseline"):
        camera(paths_, baseline="NQ")


# The laboratory, from the command line


def trial(technique: str, seed: int = 0) -> Trial:
    return Trial(
        dataset="cifar10", network="vggnet", technique=technique, profile="reference", seed=seed
    )


def made(technique: str, file: Path | None = None) -> records.Deployable:
    """Write the records of a trial up to its deployable, and its file."""
    chain = make_records.weights(trial(technique))
    found = make_records.deployable(trial(technique), chain[-1])
    for record in (*chain, found):
        records.write(record)
    if file is not None:
        target = paths.store() / "deployables" / f"{found.key}.tflite"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    return found


@pytest.fixture
def replayed(
    own_records: Path, own_locks: None, files: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, records.Deployable]:
    """A family on today's runtime: one file aborts the reference kernels."""
    from dlmo.laboratory import replay

    monkeypatch.setattr(older, "python", lambda: (_ for _ in ()).throw(UserError("no wheel")))
    few = tuple(way for way in replay.CONFIGURATIONS if way.threads == 1)
    monkeypatch.setattr(replay, "CONFIGURATIONS", few)
    monkeypatch.setattr(replay, "OPERATORS", ("FIQ",))
    names = {"NQ": "narrow", "BLQ": "wide", "FIQ": "dead_int8"}
    found = {name: made(name, files / f"{file}.tflite") for name, file in names.items()}
    done = CliRunner().invoke(cli.app, ["replay", "-n", "vggnet", "--seconds", "0.5"])
    assert done.exit_code == 0, done.output
    assert "no wheel" in done.output
    return found


def test_a_replay_is_recorded_read_back_and_not_measured_twice(
    replayed: dict[str, records.Deployable], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlmo.laboratory import replay

    before = records.every()
    rows = records.select()
    timed = read.latencies(rows)
    assert set(timed["where"].str.partition(", ")[2]) == {
        "XNNPACK",
        "built-in kernels",
        "reference kernels",
    }
    dead = timed[timed["technique"] == "FIQ"].set_index("kernels")
    assert "SIGABRT" in dead.loc["reference", "reason"]
    assert np.isnan(float(dead.loc["reference", "ratio"]))
    assert not any(str(paths.store()) in json.dumps(one.model_dump(mode="json")) for one in before)
    wide = timed[(timed["technique"] == "BLQ") & (timed["kernels"] == "builtin")].iloc[0]
    assert wide["low"] > 1 and wide["load"] > 0 and wide["tail"] >= 1
    # What the table of all records says is today's runtime alone.
    table = records.table().set_index("technique")
    assert table.loc["BLQ", "latency_ratio_builtin"] == pytest.approx(wide["ratio"])

    itself = read.across(rows).set_index(["technique", "kernels"])
    assert itself.loc[("BLQ", "xnnpack"), "ratio"] == 1
    cut = read.operators(rows, 0)
    assert set(cut["technique"]) == {"FIQ"}
    assert not cut[cut["kernels"] == "builtin"]["delegated"].any()
    assert "QUANTIZE" in set(cut[cut["technique"] == "FIQ"]["operator"])

    monkeypatch.setattr(replay.instruments, "latencies", None)
    monkeypatch.setattr(replay.instruments, "operators", None)
    monkeypatch.setattr(replay.instruments, "camera", None)
    again = CliRunner().invoke(cli.app, ["replay", "-n", "vggnet"])
    assert again.exit_code == 0, again.output
    assert len(records.every()) == len(before)


def test_a_replay_says_what_is_wrong(own_records: Path) -> None:
    made("NQ")
    for arguments, said in (
        (["-n", "vgnet"], "did you mean 'vggnet'"),
        (["-t", "XX"], "unknown technique"),
        (["--seed", "7"], "no recorded files"),
        (["--profile", "x"], "unknown profile"),
    ):
        with pytest.raises(UserError, match=said):
            CliRunner().invoke(cli.app, ["replay", *arguments], catch_exceptions=False)
    bare = CliRunner().invoke(cli.app, ["replay"])
    assert bare.exit_code == 0 and "0 records missing" in bare.output


# Reading


def timed_record(
    deployable_: records.Deployable,
    base: str,
    ratio: float,
    runtime: str,
    spread: float = 0.02,
    **changed: Any,
) -> records.Measurement:
    """Return a latency of five processes around a ratio."""
    chance = np.random.default_rng(int(ratio * 1000))
    ratios = (ratio * np.exp(chance.normal(0, spread, (5, 10)))).round(4)
    own = {} if runtime.startswith("ai-edge") else {"runtime": runtime}
    values = {
        "ratio": float(np.median(ratios)),
        "ratio_interval": [float(ratios.min()), float(ratios.max())],
        "ratios": ratios.tolist(),
        "milliseconds": ratio,
        "loads": [ratio * 2] * 5,
        "firsts": [ratio * 3] * 5,
        "medians": [ratio] * 5,
        "p99s": [ratio * 1.5] * 5,
        "runtime": runtime,
    }
    settings_ = {**make_records.PLAIN, **own, "baseline": base}
    return make_records.measurement(deployable_, "latency", values, settings=settings_, **changed)


@pytest.fixture
def turned(own_records: Path) -> dict[str, records.Deployable]:
    """A file that is faster than NQ today and slower then."""
    found = {name: made(name) for name in ("NQ", "FIQ")}
    base = found["NQ"].key
    for runtime, ratio in (("ai-edge-litert 2.3.0", 0.4), ("tflite-runtime 2.14.0", 2.5)):
        records.write(timed_record(found["NQ"], base, 1.0, runtime, 0))
        records.write(timed_record(found["FIQ"], base, ratio, runtime))
    return found


def test_the_runtime_decides(turned: dict[str, records.Deployable]) -> None:
    timed = read.latencies(records.select())
    said = words.replayed(timed)
    assert "On LiteRT 2.3.0 with XNNPACK, FIQ (0.40" in said and "faster than NQ" in said
    assert "On tflite-runtime 2.14.0 with XNNPACK, FIQ (2.5" in said and "slower than NQ" in said
    assert words.verdict(timed).startswith("FIQ is slower than NQ on one runtime and faster")
    assert len(cited.of(said)) == 4
    line = timed[timed["technique"] == "FIQ"].iloc[0]
    assert line["load"] == pytest.approx(0.4) and line["tail"] == pytest.approx(1.5)
    assert line["first_steady"] == pytest.approx(3)
    # The flat table, and with it the strategy, keep to today's runtime.
    assert records.table().set_index("technique").loc["FIQ", "latency_ratio"] < 1
    assert "FIQ" in words.strategy(timed, read.camera(records.select()))
    drawn = charts.ratios(timed).to_dict()
    assert "FIQ, tflite-runtime 2.14.0, XNNPACK" in drawn["description"]


def test_every_network_is_shown_on_each_of_its_machines(
    turned: dict[str, records.Deployable],
) -> None:
    # A second machine, on which the same file is slower today, too.
    elsewhere = {"machine": "f" * 8, "started": "2026-02-01T00:00:00+00:00"}
    for name, ratio in (("NQ", 1.0), ("FIQ", 1.5)):
        today = "ai-edge-litert 2.3.0"
        records.write(timed_record(turned[name], turned["NQ"].key, ratio, today, 0, **elsewhere))
    found = networks.everywhere(turned["NQ"].trial.dataset, turned["NQ"].trial.profile)
    shown = networks.table(found).data
    assert len(shown) == found["machine"].nunique() == 2
    assert shown["", "Technique"].to_list() == ["FIQ", "FIQ"]
    ratios = shown["LiteRT 2.3.0", "XNNPACK"].to_list()
    assert ratios[0].startswith("0.40 (") and ratios[1] == "1.50"
    assert shown["tflite-runtime 2.14.0", "XNNPACK"].to_list()[1] == "not yet measured"
    said = networks.sentence(found)
    assert "FIQ takes 0.40 to 1.50 times NQ's time and is slower in one of two cases" in said
    assert len(networks.chart(found).to_dict()["description"].split("; ")) == 3
    # The page's own tables keep to the machine that measured last.
    timed = read.latencies(records.select())
    assert timed[timed["technique"] == "FIQ"]["ratio"].to_list() == [pytest.approx(1.5)]


def test_nothing_measured_is_said_everywhere(own_records: Path) -> None:
    made("NQ")
    rows = records.select()
    timed, way, cut = read.latencies(rows), read.camera(rows), read.operators(rows, 0)
    said = [one(timed) for one in (words.replayed, words.verdict, words.reasons, words.threads)]
    said += [words.starting(timed), words.older(timed), words.camera(way)]
    said += [one(cut) for one in (words.conversion, words.parts, words.undelegated)]
    said.append(words.strategy(timed, way))
    nothing = networks.everywhere("cifar10", "reference")
    said.append(networks.sentence(nothing))
    assert all("not yet measured" in one for one in said)
    for shown in (
        networks.table(nothing),
        tables.ratios(timed, ["NQ"], 1),
        tables.starts(timed, ["NQ"]),
        tables.operators(cut),
        tables.camera(way),
        tables.devices(read.devices(rows)),
    ):
        assert "yet" in shown.to_html()
    assert "Not yet measured" in repr(charts.operators(cut, read.first(cut)))
    assert "Not yet measured" in repr(charts.across(read.across(rows)))
    assert "Not yet measured" in repr(networks.chart(nothing))


def test_the_geometric_mean_is_that_of_the_logarithms() -> None:
    found = read.geometric([0.5, 2.0])
    assert found.estimate == pytest.approx(1)
    assert found.low == pytest.approx(1 / found.high)


def cut_record(deployable_: records.Deployable, share: float) -> records.Measurement:
    values = {
        "places": [0, 1, 2],
        "operators": ["QUANTIZE", "CONV_2D", "DEQUANTIZE"],
        "outputs": ["int8 1"] * 3,
        "macs": [0, 10, 0],
        "delegated": [True] * 3,
        "shares": [share / 2, 1 - share, share / 2],
        "lows": [share / 2 - 0.001, 0.1, share / 2 - 0.001],
        "highs": [share / 2 + 0.001, 0.9, share / 2 + 0.001],
        "total": [1.0, 1.0, 1.0],
        "milliseconds": 1.0,
        "difference": 0.0,
        "runtime": "tflite-runtime 2.14.0",
    }
    settings_ = {**make_records.PLAIN, "runtime": "tflite-runtime 2.14.0"}
    return make_records.measurement(deployable_, "operators", values, settings=settings_)


def test_conversion_is_held_against_the_delay(turned: dict[str, records.Deployable]) -> None:
    """A quarter of the time of a file that takes 2.5 times NQ's is 25/60 of the delay."""
    record = cut_record(turned["FIQ"], 0.25)
    records.write(record)
    assert comparing.conversion(record) == pytest.approx((0.25, 0.248, 0.252))
    found = comparing._in_delay(Interval(2.5, 2.45, 2.55, 1), [record])
    assert found.interval.estimate == pytest.approx(0.25 / 0.6)
    assert found.interval.low < 0.25 / 0.6 < found.interval.high < 0.5
    said = words.conversion(read.operators(records.select(), 0))
    assert "25.0\u00a0%" in said and "tflite-runtime 2.14.0" in said


def test_what_the_sparse_kernels_ask_for_is_counted_in_the_file(files: Path) -> None:
    plain = sparse.need(deployable.read(files / "wide.tflite"))
    pruned = sparse.need(deployable.read(files / "sparse.tflite"))
    assert plain.stem and plain.pointwise == pruned.pointwise == 1
    assert (plain.sparse, pruned.sparse) == (0, 1)
    found = deployable.read(files / "sparse.tflite")
    (node,) = (
        node
        for node in found.nodes
        if node.name == "CONV_2D" and found.tensor(node.inputs[1]).shape[1:3] == (1, 1)
    )
    assert pruned.share == pytest.approx(node.macs / found.macs)


# Boards

LOG = """STARTING!
Log parameter values verbosely: [0]
Num threads: [{threads}]
Graph: [/data/local/tmp/NQ-reference-0.{key}.tflite]
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
Initialized session in 0.855ms.
count=15 first=49060 curr=33682 min=32825 max=49060 avg=34825.1 std=3930

count=50 first=32891 curr=33978 min=32641 max=34005 avg=33209.4 std=450

Inference timings in us: Init: 855, First inference: 49060, Warmup (avg): 34825.1, \
Inference (avg): 33209.4
"""
HEAD = "deployable,runtime,kernels,threads,milliseconds"
BOARD = device.Board("A board", ("neon", "asimd"))


def test_a_log_of_benchmark_model_becomes_a_record(own_records: Path) -> None:
    found = made("NQ")
    file = own_records / "pi.log"
    file.write_text(LOG.format(key=found.key, threads=4) + LOG.format(key=found.key, threads=1))
    arguments = ["import", str(file), "--board", "A board", "--instruction-set", "neon,asimd"]
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 0 and "2 new records" in done.output
    four, one = sorted(
        (one for one in records.every() if isinstance(one, records.Measurement)),
        key=lambda record: -record.identity.settings["threads"],
    )
    assert four.values["milliseconds"] == 33.2094
    assert four.values["first_milliseconds"] == 49.06 and four.values["runs"] == 50
    assert (four.identity.settings["threads"], one.identity.settings["threads"]) == (4, 1)
    assert four.provenance.machine.instruction_sets == ("neon", "asimd")
    again = CliRunner().invoke(cli.app, arguments)
    assert again.exit_code == 0 and "2 were there already" in again.output
    file.write_text(LOG.format(key=found.key, threads=4).replace("33209.4", "1.5"))
    with pytest.raises(UserError, match="with other numbers"):
        CliRunner().invoke(cli.app, arguments, catch_exceptions=False)


def test_a_board_stands_beside_us_with_ratios(own_records: Path) -> None:
    keys = {name: made(name).key for name in ("NQ", "FIQ")}
    file = own_records / "board.csv"
    file.write_text(
        f"{HEAD},deviation_milliseconds,runs\n"
        f"NQ-reference-0.{keys['NQ']}.tflite,LiteRT 2.1,xnnpack,1,10,1,100\n"
        f"{keys['FIQ']},LiteRT 2.1,xnnpack,1,4,0.2,25\n"
    )
    device.add(device.read(file, BOARD, ""))
    found = read.devices(records.select()).set_index("technique")
    line = found.loc["FIQ"]
    assert line["ratio"] == pytest.approx(0.4)
    error = np.hypot(0.1 / 10, 0.04 / 4)  # of the mean: 0.2 / sqrt(25) ms of 4 ms
    assert line["high"] / line["ratio"] == pytest.approx(np.exp(1.96 * error), rel=1e-3)
    assert "A board" in tables.devices(found.reset_index()).to_html()
    assert records.table()["latency_ratio"].isna().all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "absent: deployable"),
        ("a,b\n1,2\n", "absent: deployable"),
        (f"{HEAD}\n", "holds no measurement"),
        (f"{HEAD},colour\nK,r,xnnpack,1,2,red\n", "not colour"),
        (f"{HEAD},runs,runs\nK,r,xnnpack,1,2,1,1\n", "one of them twice"),
        (f"{HEAD}\nK,r,xnnpack,1\n", "line 2: has not 5 columns"),
        (f"{HEAD}\nK,r,xnnpack,1,2,3\n", "line 2: has not 5 columns"),
        (f"{HEAD}\nK,r,xnnpack,1,nan\n", "line 2: milliseconds is 'nan'"),
        (f"{HEAD}\nK,r,xnnpack,1,-1\n", "not a time"),
        (f"{HEAD}\nK,r,xnnpack,1,inf\n", "not a time"),
        (f"{HEAD}\nK,r,xnnpack,1,fast\n", "not a time"),
        (f"{HEAD}\nK,r,xnnpack,0,1\n", "threads is '0'"),
        (f"{HEAD}\nK,r,xnnpack,999,1\n", "threads must be a whole number"),
        (f"{HEAD}\nK,r,xnnpack,1e3,1\n", "threads is '1e3'"),
        (f"{HEAD}\nK,r,gpu,1,1\n", "unknown kernels 'gpu'"),
        (f"{HEAD}\nK,,xnnpack,1,1\n", "runtime must be a name"),
        (f"{HEAD}\nffffffffffffffff,r,xnnpack,1,1\n", "unknown deployable"),
        (f"{HEAD}\n../../etc/passwd,r,xnnpack,1,1\n", "unknown deployable"),
        (f"{HEAD}\nK,r,xnnpack,1,1\nK,r,xnnpack,1,1\n", "line 3: the same file"),
        (f'{HEAD}\n"K,r,xnnpack,1,1\n', "line"),
        (
            "STARTING!\nInference timings in us: Init: 1, First inference: 2, Warmup (avg): 3, "
            "Inference (avg): 4\n",
            "no line before it says Graph",
        ),
        (LOG.format(key="K", threads="many"), "threads is 'many'"),
        (LOG.format(key="K", threads=1).replace("33209.4\n", "oops\n"), "not a time"),
        ("STARTING!\nGraph: [x]\n", "holds no measurement"),
        ("\x00\x01\x02", "absent: deployable"),
    ],
)
def test_hostile_boards_are_refused_in_one_line(own_records: Path, text: str, said: str) -> None:
    found = made("NQ")
    file = own_records / "board.csv"
    file.write_text(text.replace("K,", f"{found.key},").replace(".K.", f".{found.key}."))
    before = len(records.every())
    with pytest.raises(UserError, match=said) as caught:
        device.add(device.read(file, BOARD, "r"))
    assert "\n" not in str(caught.value)
    assert len(records.every()) == before


def test_other_hostile_boards(own_records: Path) -> None:
    file = own_records / "x.csv"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is no text"):
        device.read(file, BOARD, "r")
    with pytest.raises(UserError, match="cannot be read"):
        device.read(own_records / "absent.csv", BOARD, "r")
    file.write_bytes(b"x" * 10_000_001)
    with pytest.raises(UserError, match="larger than 10 MB"):
        device.read(file, BOARD, "r")
    with pytest.raises(UserError, match="unknown instruction set"):
        device.board("b", ["noen"], "Linux")
    for name in ("", " ", "a\nb", "x" * 200):
        with pytest.raises(UserError, match="a board needs a name"):
            device.board(name, [], "Linux")
    assert cli.run_command(["import", str(file), "--board", "b"]) == 2

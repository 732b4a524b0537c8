"""Microcontrollers: RAM against examples counted by hand, and files under TFLite Micro itself."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from dlmo import cli, deployable, microcontroller, paths, records
from dlmo.chapter import fitting, live
from dlmo.deployable import Deployable, Operator, Options, Tensor
from dlmo.errors import UserError
from dlmo.instruments import Arena, arena, micro
from dlmo.microcontroller import overlap, patches, planner, windows
from dlmo.report import arenas, exporting, strategy
from dlmo.report.candidates import catalogue
from dlmo.report.micro import changes, files, fits, memory, runs
from dlmo.trials import Trial
from make_deployables import SHAPE, folder
from make_records import MACHINE, measurement, written

INSTALLED = pytest.mark.skipif(not micro.available(), reason="TFLite Micro has no build here")


@pytest.fixture(scope="session")
def made(pytestconfig: pytest.Config) -> Path:
    return folder(pytestconfig.cache)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (40, *SHAPE), dtype=np.uint8)


# Graphs made by hand ------------------------------------------------------------------------------


def tensor(index: int, shape: tuple[int, ...], dtype: str = "int8", content: Any = None) -> Tensor:
    none = np.zeros(0, np.float32), np.zeros(0, np.int64)
    return Tensor(0, index, f"t{index}", shape, dtype, *none, 0, content, None)


def conv(inputs: tuple[int, ...], output: int, macs: int = 0, stride: int = 1) -> Operator:
    options = Options(stride=(stride, stride), padded=True)
    return Operator(0, "CONV_2D", 1, inputs, (output,), macs, options)


def graph(tensors: list[Tensor], nodes: list[Operator], inputs: list[int], output: int) -> Any:
    return Deployable(
        b"",
        tuple(tensors),
        tuple(nodes),
        tuple(tensors[index] for index in inputs),
        (tensors[output],),
        (),
    )


def kernel(index: int, side: int, channels: int) -> Tensor:
    shape = (channels, side, side, channels)
    return tensor(index, shape, content=memoryview(bytes(int(np.prod(shape)))))


def two_convolutions() -> Deployable:
    """Return 8×8×2 → 8×8×2 → 8×8×2, both 3×3 with 2·9·2 multiplications a pixel."""
    macs = 64 * 2 * 18
    return graph(
        [
            tensor(0, (1, 8, 8, 2)),
            kernel(1, 3, 2),
            tensor(2, (1, 8, 8, 2)),
            tensor(3, (1, 8, 8, 2)),
        ],
        [conv((0, 1), 2, macs), conv((2, 1), 3, macs)],
        [0],
        3,
    )


def residual() -> Deployable:
    """Return a convolution whose input is added to its output: the input waits meanwhile."""
    tensors = [tensor(0, (1, 4, 4, 1)), kernel(1, 3, 1), tensor(2, (1, 4, 4, 1))]
    tensors += [tensor(3, (1, 4, 4, 1)), tensor(4, (1, 4, 4, 1))]
    nodes = [conv((0, 1), 2), conv((2, 1), 3), Operator(0, "ADD", 1, (0, 3), (4,), 0)]
    return graph(tensors, nodes, [0], 4)


def test_the_curve_counts_what_is_read_written_and_waits() -> None:
    steps = microcontroller.curve(residual())
    assert [(one.inputs, one.outputs, one.others) for one in steps] == [
        (16, 16, 0),
        (16, 16, 16),
        (32, 16, 0),
    ]
    assert [one.dying for one in steps] == [(), (2,), (0, 3)]
    assert microcontroller.need(residual()).peak == (1, "CONV_2D")


def test_in_place_by_hand() -> None:
    # 4×4, 3×3: when pixel (r, c) is computed, 4r + c are written, and (r - 1, c - 1) is still read.
    # So the output begins one row and one pixel before the input: 16 + 5 bytes instead of 32.
    found = residual()
    assert overlap.joint(found, found.nodes[1], 2) == 21
    # The first one's input is still needed; the second has 16 waiting; an addition writes over one.
    assert microcontroller.in_place(found) == [32, 21 + 16, 32]


def test_in_place_with_stride_and_growing_values() -> None:
    tensors = [tensor(0, (1, 4, 4, 1)), kernel(1, 2, 1), tensor(2, (1, 2, 2, 1))]
    halved = graph(tensors, [conv((0, 1), 2, stride=2)], [0], 2)
    # 2×2 windows that do not overlap: an output pixel never comes before the input it replaces.
    assert microcontroller.in_place(halved) == [16]
    wide = graph(
        [tensor(0, (1, 10)), tensor(1, (1, 10), "float32")],
        [Operator(0, "DEQUANTIZE", 1, (0,), (1,), 0)],
        [0],
        1,
    )
    # From the end of the buffer on, floats grow over the bytes that they come from.
    assert microcontroller.in_place(wide) == [40]
    dense = graph(
        [tensor(0, (1, 10)), kernel(1, 1, 1), tensor(2, (1, 3))],
        [Operator(0, "FULLY_CONNECTED", 1, (0, 1), (2,), 0)],
        [0],
        2,
    )
    # Every output needs every input: nothing may be written over.
    assert microcontroller.in_place(dense) == [13]


@given(
    some.integers(1, 9),
    some.integers(1, 9),
    some.integers(1, 3),
    some.integers(1, 2),
    some.booleans(),
    some.integers(1, 3),
    some.integers(1, 4),
)
def test_no_input_is_overwritten_that_is_still_read(
    height: int, width: int, side: int, stride: int, padded: bool, inside: int, outside: int
) -> None:
    """Carry a sliding window out, byte by byte, at the distance that was computed and one less."""
    if not padded and min(height, width) < side:
        return
    lengths = [-(-n // stride) if padded else (n - side) // stride + 1 for n in (height, width)]
    node = Operator(
        0,
        "MAX_POOL_2D",
        1,
        (0,),
        (1,),
        0,
        Options(stride=(stride, stride), padded=padded, window=(side, side)),
    )
    found = graph(
        [tensor(0, (1, height, width, inside)), tensor(1, (1, *lengths, outside))], [node], [0], 1
    )
    read, written = height * width * inside, int(np.prod(lengths)) * outside
    total = overlap.joint(found, node, 0)
    distance = total - read if total > max(read, written) else max(0, total - read)
    rows, columns = windows.axes(found, node) or ()

    def survives(distance: int) -> bool:
        memory = {distance + byte: byte for byte in range(read)}
        for place, (row, column) in enumerate(itertools.product(*map(range, lengths))):
            (top, below), (left, right) = (
                rows.needs((row, row + 1)),
                columns.needs((column, column + 1)),
            )
            for r, c, channel in itertools.product(
                range(top, below), range(left, right), range(inside)
            ):
                byte = (r * width + c) * inside + channel
                if memory.get(distance + byte) != byte:
                    return False
            for byte in range(place * outside, (place + 1) * outside):
                memory[byte] = -1
        return True

    assert max(read, written) <= total <= read + written
    assert survives(distance)
    if total > max(read, written):
        assert not survives(distance - 1)


def test_patches_by_hand() -> None:
    found = two_convolutions()
    cut = patches.patched(found, 2, 2)
    assert cut is not None
    # A 4×4 quarter of the output needs 5×5 of the map before it, at 2 bytes a pixel; whole input
    # and whole output stay: 128 + 128 + 50 bytes instead of 256, and 4·25 pixels for 64.
    assert cut.bytes == 128 + 128 + 50
    assert cut.macs == 64 * 36 + 100 * 36 and cut.plain_macs == 2 * 64 * 36
    assert cut.extra == pytest.approx(36 / 128)
    assert list(patches.stages(found)) == [1, 2]
    assert patches.patched(found, 2, 9) is None
    assert list(patches.stages(residual())) == [3]  # before the addition, the input is still needed


def test_the_planner_leaves_a_gap_where_equal_values_wait_for_additions() -> None:
    """Two residual blocks by hand: never more than three values are needed, and four are laid."""
    first = [(0, 5), (1, 2), (2, 3), (3, 4), (4, 5)]
    second = [(5, 10), (6, 7), (7, 8), (8, 9), (9, 10)]
    values = [planner.Value(16, *place) for place in (*first, *second, (10, 11))]
    # From the last: at 0, 16, 0, 16, 0; the second block's input over both, at 32; then again
    # 0, 16, 0, 16; and the first block's input over all three, since it meets the second's.
    assert planner.planned(values) == 64
    assert planner.planned([]) == 0
    # The larger one comes first, and each takes a multiple of sixteen bytes.
    assert planner.planned([planner.Value(1, 0, 1), planner.Value(17, 1, 2)]) == 48


def test_the_planned_head_is_that_of_every_measured_arena_to_the_byte() -> None:
    """Against TFLite Micro's own account in the records."""
    known = arenas.read()
    heads = {
        place.name: (microcontroller.need(deployable.read(place)).planned, measured.head)
        for place in sorted(paths.models().glob("*/*/*.tflite"))
        if (measured := known.of(place.stem.rpartition(".")[2])) and measured.head
    }
    assert len(heads) > 50
    assert {name: pair for name, pair in heads.items() if pair[0] != pair[1]} == {}
    # Without the gaps it would not be so.
    assert any(
        microcontroller.need(deployable.read(place)).activations < heads[place.name][1]
        for place in paths.models().glob("*/wrn/*.tflite")
        if place.name in heads
    )


def test_patches_pay_where_the_first_maps_are_the_largest() -> None:
    pool = Operator(
        0, "MAX_POOL_2D", 1, (2,), (3,), 0, Options(stride=(2, 2), padded=True, window=(2, 2))
    )
    tensors = [tensor(0, (1, 8, 8, 1)), kernel(1, 1, 1), tensor(2, (1, 8, 8, 8))]
    found = graph([*tensors, tensor(3, (1, 4, 4, 8))], [conv((0, 1), 2, 64 * 8), pool], [0], 3)
    assert microcontroller.need(found).activations == 64 * 8 + 16 * 8
    cut = microcontroller.best(found, [2, 4])
    # Sixteen patches: of the wide map only 2×2 pixels exist, and none twice.
    assert cut is not None and (cut.side, cut.stage) == (4, 2)
    assert cut.bytes == 64 + 128 + 2 * 2 * 8 and cut.extra == 0
    assert microcontroller.best(found, [1]) is None


def test_files_whose_first_operator_is_no_window_have_no_patches(made: Path) -> None:
    assert microcontroller.best(deployable.read(made / "f16.tflite"), [2]) is None


def test_padding_is_where_tflite_puts_it() -> None:
    node = conv((0, 1), 2, stride=2)
    found = graph(
        [tensor(0, (1, 8, 8, 1)), kernel(1, 3, 1), tensor(2, (1, 4, 4, 1))], [node], [0], 2
    )
    rows, _ = windows.axes(found, node) or ()
    # One element of padding in all; TFLite puts the odd one behind.
    assert rows.before == 0 and rows.needs((0, 1)) == (0, 3) and rows.needs((3, 4)) == (6, 8)


# Boards -------------------------------------------------------------------------------------------


def test_boards_are_sorted_and_have_sources() -> None:
    found = microcontroller.boards()
    sizes = [board.ram for board in found.boards]
    assert sizes == sorted(sizes) and len({board.name for board in found.boards}) == len(sizes)
    assert all(board.source.startswith("https://") for board in found.boards)
    assert found.boards[0].fits(found.boards[0].flash, found.boards[0].ram)
    assert not found.boards[0].fits(found.boards[0].flash, found.boards[0].ram + 1)


def raw() -> dict[str, Any]:
    return yaml.safe_load((paths.ROOT / "data/boards.yaml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data["boards"][0].update(ram=-1), "boards.0.ram"),
        (lambda data: data["boards"][0].pop("source"), "boards.0.source"),
        (lambda data: data["boards"][0].update(source="a friend"), "boards.0.source"),
        (lambda data: data.update(boards=[]), "boards"),
        (lambda data: data.update(more=1), "more"),
    ],
)
def test_a_wrong_board_is_one_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    data = raw()
    change(data)
    (tmp_path / "boards.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(UserError, match=said) as caught:
        microcontroller.boards(tmp_path / "boards.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: [", b"just text", b""])
def test_a_file_that_is_no_list_of_boards_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "boards.yaml").write_bytes(content)
    with pytest.raises(UserError) as caught:
        microcontroller.boards(tmp_path / "boards.yaml")
    assert "\n" not in str(caught.value)


# TFLite Micro -------------------------------------------------------------------------------------


@INSTALLED
@pytest.mark.parametrize("name", ["float", "int8", "int8_io", "free_batch"])
def test_an_arena_is_what_the_file_needs(made: Path, images: np.ndarray, name: str) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    found, said = arena(made / f"{name}.tflite", images)
    assert found.runs and found.reason is None and said is not None and len(said) == 40
    assert found.bytes == (found.head or 0) + (found.tail or 0)
    assert (found.head or 0) >= found.computed
    assert found.least is not None and found.least <= found.bytes + 4096
    # Against LiteRT's interpreter, used as directly as it can be.
    other = Interpreter(
        str(made / f"{name}.tflite"),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    other.allocate_tensors()
    source, target = other.get_input_details()[0], other.get_output_details()[0]
    same = 0
    for image, choice in zip(images, said, strict=True):
        value = image.astype(np.float64) / 127.5 - 1
        if source["dtype"] == np.int8:
            scale, zero = source["quantization"]
            value = np.clip(np.round(value / scale) + zero, -128, 127)
        other.set_tensor(source["index"], value[None].astype(source["dtype"]))
        other.invoke()
        same += int(other.get_tensor(target["index"]).argmax()) == choice
    assert same >= 38


@INSTALLED
def test_the_smallest_arena_is_the_smallest(made: Path) -> None:
    from tflite_micro.python.tflite_micro import runtime

    least = arena(made / "float.tflite", np.zeros((1, *SHAPE), np.uint8))[0].least
    assert least is not None
    data = (made / "float.tflite").read_bytes()
    runtime.Interpreter.from_bytes(data, arena_size=least)
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(data, arena_size=least - 16)


@INSTALLED
@pytest.mark.parametrize(
    ("name", "operator", "said"),
    [("dynamic", "FULLY_CONNECTED", "not supported"), ("f16", "DEQUANTIZE", "kTfLiteInt8")],
)
def test_the_operator_in_the_way_is_named(
    made: Path, images: np.ndarray, name: str, operator: str, said: str
) -> None:
    found, choices = arena(made / f"{name}.tflite", images[:1])
    assert not found.runs and not found.ended and choices is None
    assert found.reason is not None and said in found.reason and "\n" not in found.reason
    held = deployable.read(made / f"{name}.tflite")
    assert found.place is not None and held.nodes[found.place].name == found.operator
    assert operator == found.operator
    # What is judged from the file alone agrees.
    assert microcontroller.refusal(held) is not None


def test_an_abort_names_the_operator_by_bisection(
    made: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the child abort as soon as it comes to the third operator."""
    held = deployable.read(made / "float.tflite")
    tried = []

    def child(verb: str, job: dict[str, Any], *_: Any, **__: Any) -> Any:
        tried.append((verb, job.get("operators")))
        if verb == "first" and job["operators"] <= 2:
            return SimpleNamespace(numbers={}, arrays={}, runtime="")
        raise micro.ChildError("loading under TFLite Micro: ended", -6, "x.cc:7 too small\n")

    monkeypatch.setattr(micro, "run", child)
    monkeypatch.setattr(micro, "available", lambda: True)
    monkeypatch.setattr(micro, "_version", lambda: "tflite-micro 0")
    found, _ = arena(made / "float.tflite", images[:1])
    assert found.ended and found.place == 2 and found.operator == held.nodes[2].name
    assert found.reason == "the runtime ends its process: too small"
    assert len(tried) < 2 + len(held.nodes)


@INSTALLED
def test_a_real_abort_is_a_clear_reason_and_leaves_this_process_alone(
    made: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "child.py"
    program.write_text("import os, sys\nprint('no way', file=sys.stderr, flush=True)\nos.abort()\n")
    monkeypatch.setattr(micro, "_JOBS", program)
    found, _ = arena(made / "float.tflite", images[:1])
    assert found.ended and not found.runs and found.operator is None
    assert found.reason == "the runtime ends its process: no way"


@INSTALLED
def test_too_slow_is_an_error_and_says_nothing_about_the_file(
    made: Path, images: np.ndarray
) -> None:
    with pytest.raises(UserError, match="not done after"):
        arena(made / "float.tflite", images, seconds=0.01)


@INSTALLED
@pytest.mark.parametrize("place", [0, 4, 100, 1000])
def test_damaged_files_are_one_line(
    made: Path, images: np.ndarray, tmp_path: Path, place: int
) -> None:
    data = bytearray((made / "float.tflite").read_bytes())
    data[place : place + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "bad.tflite").write_bytes(data)
    try:
        found, _ = arena(tmp_path / "bad.tflite", images[:1])
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert found.runs or (found.reason and "\n" not in found.reason)


def test_without_tflite_micro_there_is_one_line(
    made: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro, "available", lambda: False)
    with pytest.raises(UserError, match="Linux on x86-64"):
        arena(made / "float.tflite", images)


# Records and pages --------------------------------------------------------------------------------


TECHNIQUES = ["NQ", "BLQ", "FIQ"]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Write records of three techniques, and return their deployables' keys."""
    for variable, name in paths.OWN.items():
        monkeypatch.setenv(variable, str(tmp_path / name))
    keys = {}
    for name in TECHNIQUES:
        trial = Trial(
            dataset="cifar10", network="vggnet", technique=name, profile="reference", seed=0
        )
        found = [one for one in written(trial) if isinstance(one, records.Deployable)]
        keys[name] = found[0].key
    return keys


def said(**changed: Any) -> dict[str, Any]:
    found = Arena(
        runs=True,
        bytes=47_504,
        head=45_056,
        tail=2_448,
        least=47_504,
        computed=45_056,
        runtime="tflite-micro 0",
    )
    extra = {"images": 1000, "accuracy": 0.7, "agreement": {"xnnpack": 0.98, "builtin": 1.0}}
    return {**found.model_dump(), **extra, **changed}


REFUSED = {
    "runs": False,
    "bytes": None,
    "head": None,
    "tail": None,
    "least": None,
    "accuracy": None,
    "agreement": {},
    "operator": "CONV_2D",
    "place": 2,
    "reason": "Hybrid models are not supported.",
}


def measure(key: str, values: dict[str, Any], started: str = "2025-01-01T00:00:00+00:00") -> str:
    made = records.find(key)
    assert isinstance(made, records.Deployable)
    record = measurement(
        made,
        "arena",
        values,
        settings={"images": values["images"]},
        started=started,
        machine=started[:8].replace("-", "a")[:8],
    )
    records.write(record)
    return record.key


def one_of(technique: str) -> files.One:
    rows = records.select(dataset="cifar10", network="vggnet", profile="reference")
    return next(one for one in files.of(rows, 0) if one.technique == technique)


def test_the_latest_measurement_counts_and_is_a_source(world: dict[str, str]) -> None:
    measure(world["NQ"], said(bytes=1))
    newest = measure(world["NQ"], said(), "2026-01-01T00:00:00+00:00")
    one = one_of("NQ")
    assert one.ram == 47_504 and not one.estimated and one.runs
    assert one.keys == (world["NQ"], newest)
    assert newest in runs.table([one]).sources  # type: ignore[union-attr]
    assert newest in memory.sentence([one]).sources  # type: ignore[attr-defined]


def test_pages_say_what_is_not_measured(world: dict[str, str]) -> None:
    found = [one_of(name) for name in TECHNIQUES]
    assert "not yet measured" in runs.sentence(found) and "not yet measured" in memory.sentence(
        found
    )
    assert "not yet measured" in fits.boards_table(found)._repr_html_()
    assert "not yet measured" in fits.published_table(found)._repr_html_()
    assert "not yet measured" in changes.sentence(catalogue(records.select()), "cifar10")
    assert memory.curve_chart(None)._repr_html_()  # type: ignore[union-attr]
    assert "is kept here" in memory.savings_sentence(found, [2])
    assert fits.every_table([])._repr_html_() and runs.table([])._repr_html_()


def test_pages_say_what_is_measured(world: dict[str, str]) -> None:
    measure(world["NQ"], said())
    measure(world["BLQ"], said(**REFUSED))
    found = [one_of(name) for name in TECHNIQUES]
    sentence = runs.sentence(found)
    assert "one of two files: NQ" in sentence and "BLQ is stopped by CONV_2D" in sentence
    assert "FIQ: not yet measured" in sentence
    assert "to the byte" in memory.sentence(found)
    html = runs.table(found)._repr_html_()
    assert "CONV_2D (3rd operator)" in html and "98.0" in html
    boards = microcontroller.boards().boards
    small = next(board for board in boards if board.ram < 47_504)
    large = next(board for board in boards if board.ram >= 47_504)
    assert found[0].verdict(small) == "no: RAM" and found[0].verdict(large) == "fits"
    assert found[1].verdict(large) == "does not run" and found[2].verdict(large) == "?"
    assert large.name in fits.boards_sentence(found)


def test_a_file_needs_flash_for_the_runtime_as_well(world: dict[str, str]) -> None:
    measure(world["NQ"], said())
    one, code = one_of("NQ"), microcontroller.boards().code.flash
    board = microcontroller.boards().boards[-1]
    exact = board.model_copy(update={"flash": one.flash + code})
    assert one.verdict(exact) == "fits"
    assert one.verdict(exact.model_copy(update={"flash": exact.flash - 1})) == "no: flash"
    none = exact.model_copy(update={"flash": 1, "ram": 1})
    assert one.verdict(none) == "no: flash and RAM"


def test_the_strategy_counts_a_measured_arena_and_says_so(world: dict[str, str]) -> None:
    limits = strategy.Limits(dataset="cifar10", ram=47_504, runtime="microcontroller")
    before = strategy.advise(catalogue(records.select()), limits)
    assert before.choice is None  # neither measured, nor is a file at hand
    measure(world["NQ"], said())
    measure(world["BLQ"], said(**REFUSED))
    found = catalogue(records.select())
    advice = strategy.advise(found, limits)
    assert advice.choice is not None and advice.choice.startswith("NQ ")
    assert "47.5\u00a0KB of RAM (measured arena)" in advice.sentence
    tight = limits.model_copy(update={"ram": 47_503})
    assert strategy.advise(found, tight).choice is None
    refused = next(one for one in found.candidates.values() if one.technique == "BLQ")
    assert refused.refusal == (
        "TFLite Micro does not run it: CONV_2D (Hybrid models are not supported)"
    )
    assert "one file that TFLite Micro was seen to refuse" in changes.sentence(found, "cifar10")
    # The file is not at hand: there is no estimate to compare with.
    assert changes.estimate(found, "cifar10") == ""
    assert "low-end" in changes.advice(found, "cifar10")


def test_an_estimate_is_called_one() -> None:
    found = catalogue(records.select(dataset="cifar10", network="vggnet", profile="plain"))
    unmeasured = [one for one in found.candidates.values() if not one.measured and one.arena]
    assert unmeasured and all(
        "(estimated)" in strategy.pieces(one)["microcontroller"] for one in unmeasured
    )


def test_a_model_card_says_the_measured_arena(world: dict[str, str], made: Path) -> None:
    held = deployable.read(made / "float.tflite")
    need = microcontroller.need(held)
    assert "estimated" in exporting._micro(world["NQ"], held, need)
    measure(world["NQ"], said())
    assert "47.5\u00a0KB, the measured arena" in exporting._micro(world["NQ"], held, need)


def test_the_curve_is_drawn_and_spoken(made: Path) -> None:
    held = deployable.read(made / "float.tflite")
    one = files.One("vggnet", "NQ", 0, "0" * 16, held.bytes, None, held)
    drawn = memory.curve_chart(one)
    spoken = drawn.to_dict()["description"]  # type: ignore[union-attr]
    assert all(node.name in spoken for node in held.nodes)
    bars = list(memory._bars(held))
    peak = max(
        sum(bar["size"] for bar in bars if bar["place"] == place)
        for place in {bar["place"] for bar in bars}
    )
    assert peak * 1000 == pytest.approx(one.computed)
    assert "The peak of NQ of VGGNet" in memory.peak_sentence(one)
    assert "would save" in memory.savings_sentence([one], [2])


def test_the_live_check_refuses_what_must_not_be() -> None:
    line = {"operator": "", "arena": 20, "computed": 10, "agreement": 1.0}
    lines = [{"technique": name, "runs": name != "BLQ", **line} for name in TECHNIQUES]
    good = pd.DataFrame(lines)
    fitting.check(good)
    for column, value in (("arena", 9), ("agreement", 0.5), ("runs", False)):
        bad = good.copy()
        bad.loc[2, column] = value
        with pytest.raises(live.LiveCheckError):
            fitting.check(bad)
    assert "no build" in runs.live_sentence(None, True)
    assert "left out" in runs.live_sentence(None, False)


@INSTALLED
def test_the_committed_records_can_be_measured_again() -> None:
    """Run a kept file again: the arena is the recorded one to the byte."""
    known = arenas.read()
    rows = records.select(dataset="cifar10", network="vggnet", profile="reference", seed=0)
    row = rows[rows["technique"] == "FIQ"].iloc[0]
    recorded = known.of(str(row["deployable_key"]))
    place = records.kept(str(row["deployable_key"]))
    assert recorded is not None and place is not None
    now, _ = arena(place, np.zeros((1, 32, 32, 3), np.uint8))
    assert (now.bytes, now.head, now.least) == (recorded.bytes, recorded.head, recorded.least)


def test_the_command_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["arena", "-d", "cifar10", "-n", "vggnet", "-t", "NQQ", "--dry-run"]
    assert cli.run_command(words) == 2
    assert "NQ" in capsys.readouterr().err
    assert cli.run_command(["arena"]) == 2


def test_a_record_of_an_arena_is_small() -> None:
    found = [
        one
        for one in records.every()
        if isinstance(one, records.Measurement) and one.identity.instrument == "arena"
    ]
    assert found and all(records.file(one).stat().st_size < 4000 for one in found)
    assert all(MACHINE.python != one.provenance.machine.python for one in found)
    assert all("runs" in json.loads(records.file(one).read_text())["values"] for one in found)

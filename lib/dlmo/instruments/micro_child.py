"""The jobs that run a file under TFLite Micro, done by `serving.py` in a process of its own.

They need NumPy and the package tflite-micro, nothing of `dlmo`. `stage.txt` says what they were
doing should the runtime abort the process. What TFLite Micro prints, its account of the arena
included, goes to standard error, which the parent keeps as `stderr.txt` in the same folder.
"""

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = "tflite-micro"
STEP = 16
"""Bytes to which the smallest arena is searched; an arena is aligned to as many."""

Answer = tuple[dict[str, Any], dict[str, np.ndarray]]


def run(folder: Path, job: dict[str, Any]) -> Answer:
    """Run every image of `images.npy`; return the arena's account and the outputs, [n, classes]."""
    interpreter = _load(folder, Path(job["path"]).read_bytes(), job["arena"])
    table, images = np.load(folder / "table.npy"), np.load(folder / "images.npy", mmap_mode="r")
    _say(folder, "running")
    outputs = []
    for image in images:
        value = table[image] if table.ndim == 1 else table[image, np.arange(table.shape[1])]
        interpreter.set_input(np.ascontiguousarray(value[None]), 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).reshape(-1).copy())
    interpreter.print_allocations()
    account = (folder / "stderr.txt").read_text(errors="replace")
    return {"account": account}, {"outputs": np.stack(outputs)}


def least(folder: Path, job: dict[str, Any]) -> Answer:
    """Return the smallest arena with which the file loads, to `STEP` bytes; 0 where none does.

    An arena that is too small may end the process. So each is named on standard error before it is
    tried, with the smallest that is known to do, for the parent to go on from there.
    """
    data = Path(job["path"]).read_bytes()
    low, high = job["low"] // STEP, -(-job["arena"] // STEP)
    if not _loads(folder, data, high * STEP):
        return {"least": 0}, {}
    while high - low > 1:
        middle = (low + high) // 2
        print(f"probe {middle * STEP} {high * STEP}", file=sys.stderr, flush=True)
        low, high = (low, middle) if _loads(folder, data, middle * STEP) else (middle, high)
    return {"least": high * STEP}, {}


def first(folder: Path, job: dict[str, Any]) -> Answer:
    """Run the first operators of a file alone, as many as `job["operators"]` says."""
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

    data = Path(job["path"]).read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
    graph = model.subgraphs[0]
    graph.operators = graph.operators[: job["operators"]]
    graph.outputs = graph.operators[-1].outputs
    # Signatures and metadata name tensors by what the whole graph was.
    model.signatureDefs = model.metadata = model.metadataBuffer = None
    interpreter = _load(folder, _packed(model), job["arena"])
    detail = interpreter.get_input_details(0)
    interpreter.set_input(np.zeros(detail["shape"], detail["dtype"]), 0)
    interpreter.invoke()
    return {}, {}


def _packed(model: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _loads(folder: Path, data: bytes, arena: int) -> bool:
    try:
        _load(folder, data, arena)
    except RuntimeError:
        return False
    return True


def _load(folder: Path, data: bytes, arena: int) -> Any:
    """Return an interpreter that is ready to run, with an arena of so many bytes."""
    from tflite_micro.python.tflite_micro import runtime

    _say(folder, "loading")
    return runtime.Interpreter.from_bytes(data, arena_size=arena)


def _say(folder: Path, stage: str) -> None:
    (folder / "stage.txt").write_text(stage)


def name() -> str:
    """Return the runtime's package and version."""
    return f"{PACKAGE} {metadata.version(PACKAGE)}"


VERBS = {"run": run, "least": least, "first": first}

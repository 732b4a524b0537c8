"""The jobs that load and run a file, done by `serving.py` in a process of its own.

They need only NumPy and a runtime (LiteRT, or the older tflite-runtime of another environment):
nothing of `dlmo`, so that the process under measurement stays small. `stage.txt` says what they
were doing should the runtime abort the process.
"""

import contextlib
import gc
import random
import time
from pathlib import Path
from typing import Any

import numpy as np

try:
    from ai_edge_litert import interpreter as runtime
except ImportError:
    from tflite_runtime import interpreter as runtime

RESOLVERS = {
    "xnnpack": "BUILTIN",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
CHUNK = 50
"""Images looked up at once: few enough for the values to stay in the processor's cache."""
Answer = tuple[dict[str, Any], dict[str, np.ndarray]]


def predict(folder: Path, job: dict[str, Any]) -> Answer:
    """Run every image of `images.npy` and return the raw outputs, [n, classes]."""
    interpreter = _load(folder, job, job["path"])
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    table = _quantized(np.load(folder / "table.npy"), source)
    images = np.load(folder / "images.npy", mmap_mode="r")
    batch = int(source["shape"][0])
    outputs = np.zeros((len(images), int(np.prod(target["shape"])) // batch), target["dtype"])
    _say(folder, f"running {job['path']}")
    for start in range(0, len(images), batch * (CHUNK // batch or 1)):
        stop = min(start + batch * (CHUNK // batch or 1), len(images))
        _run_chunk(interpreter, _looked_up(table, images[start:stop]), outputs[start:stop], batch)
    return {}, {"outputs": outputs}


def _looked_up(table: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return the value of each byte, of its channel where these differ."""
    if table.ndim == 1:
        return np.take(table, images)
    return table[images, np.arange(table.shape[1])]


def _run_chunk(interpreter: Any, inputs: np.ndarray, outputs: np.ndarray, batch: int) -> None:
    """Run inputs [n, ...] in groups of `batch`; a last, smaller group is filled up."""
    enter = interpreter.tensor(interpreter.get_input_details()[0]["index"])
    leave = interpreter.tensor(interpreter.get_output_details()[0]["index"])
    for start in range(0, len(inputs), batch):
        group = inputs[start : start + batch]
        enter()[: len(group)] = group
        interpreter.invoke()
        outputs[start : start + len(group)] = leave().reshape(batch, -1)[: len(group)]


def _quantized(table: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """Return the 256 input values in the input's own type, rounded half away from zero."""
    scale, zero_point = detail["quantization"]
    if np.issubdtype(detail["dtype"], np.floating):
        return table.astype(detail["dtype"])
    steps = table.astype(np.float64) / (scale or 1)
    rounded = np.trunc(steps + np.copysign(0.5, steps)) + zero_point
    limits = np.iinfo(detail["dtype"])
    return np.clip(rounded, limits.min, limits.max).astype(detail["dtype"])


def trace(folder: Path, job: dict[str, Any]) -> Answer:
    """Run the first image of `images.npy` and return every tensor that can be read, `tINDEX`."""
    interpreter = _load(folder, job, job["path"], keep=True)
    source = interpreter.get_input_details()[0]
    table = _quantized(np.load(folder / "table.npy"), source)
    _say(folder, f"running {job['path']}")
    interpreter.set_tensor(source["index"], table[np.load(folder / "images.npy")[:1]])
    interpreter.invoke()
    found = {}
    for detail in interpreter.get_tensor_details():
        # Not every tensor has data: scratch memory, and what an operator never wrote.
        with contextlib.suppress(ValueError):
            found[f"t{detail['index']}"] = interpreter.get_tensor(detail["index"])
    return {}, found


def clock(folder: Path, job: dict[str, Any]) -> Answer:
    """Time the files of `job["paths"]` in turns: load, first and steady inference, in ns."""
    began = time.monotonic()
    chance = random.Random(job["seed"])
    paths = job["paths"]
    _start(folder, job, paths[0], chance)  # the first file loaded pays for the library, too
    started = {path: _start(folder, job, path, chance) for path in _shuffled(paths, chance)}
    gc.disable()
    repeats = {path: _repeats(started[path][0], job["block_ns"]) for path in paths}
    times: dict[str, list[list[int]]] = {path: [] for path in paths}
    for done in range(job["rounds"]):
        if done and time.monotonic() - began > job["seconds"]:
            break
        for path in _shuffled(paths, chance):
            _say(folder, f"running {path}")
            times[path].append(_block(started[path][0], repeats[path]))
    medians = [[float(np.median(block)) for block in times[path]] for path in paths]
    arrays = {f"times{at}": np.concatenate(times[path]) for at, path in enumerate(paths)}
    arrays["medians"] = np.array(medians).T
    arrays["load"] = np.array([started[path][1] for path in paths])
    arrays["first"] = np.array([started[path][2] for path in paths])
    return {}, arrays


def camera(folder: Path, job: dict[str, Any]) -> Answer:
    """Time the way from `picture.npy` to the first choice, in ns: [rounds, files, stages].

    The stages: resizing, converting to the input's type, handing over, running, reading.
    """
    began = time.monotonic()
    chance = random.Random(job["seed"])
    picture, table = np.load(folder / "picture.npy"), np.load(folder / "table.npy")
    paths = job["paths"]
    loaded = {path: _load(folder, job, path) for path in paths}
    tables = {path: _quantized(table, one.get_input_details()[0]) for path, one in loaded.items()}
    for path in paths:
        _say(folder, f"running {path}")
        _seen(loaded[path], tables[path], picture)
    gc.disable()
    rounds = []
    for done in range(job["rounds"]):
        if done and time.monotonic() - began > job["seconds"]:
            break
        taken = {
            path: np.median([_seen(loaded[path], tables[path], picture) for _ in range(5)], axis=0)
            for path in _shuffled(paths, chance)
        }
        rounds.append([taken[path] for path in paths])
    return {}, {"stages": np.array(rounds)}


def _seen(interpreter: Any, table: np.ndarray, picture: np.ndarray) -> list[int]:
    """Classify a picture [h, w, 3] and return how long each stage took, in ns."""
    from PIL import Image

    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    _, height, width, _ = source["shape"]
    now = time.perf_counter_ns
    marks = [now()]
    small = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
    image = np.asarray(small)
    marks.append(now())
    converted = _looked_up(table, image)[None]
    marks.append(now())
    interpreter.set_tensor(source["index"], converted)
    marks.append(now())
    interpreter.invoke()
    marks.append(now())
    interpreter.get_tensor(target["index"]).argmax()
    marks.append(now())
    return np.diff(marks).tolist()


def chain(folder: Path, job: dict[str, Any]) -> Answer:
    """Run a file, and its operators one after the other; return by how much the ends differ."""
    whole = _load(folder, job, job["path"])
    _fill(whole, job["seed"])
    _say(folder, f"running {job['path']}")
    have = {end["index"]: whole.get_tensor(end["index"]) for end in whole.get_input_details()}
    whole.invoke()
    for part in job["parts"]:
        one = _load(folder, job, part["path"])
        for end, index in zip(one.get_input_details(), part["inputs"], strict=True):
            one.set_tensor(end["index"], have[index])
        one.invoke()
        for end, index in zip(one.get_output_details(), part["outputs"], strict=True):
            have[index] = one.get_tensor(end["index"])
    apart = [
        float(np.abs(have[end["index"]] - whole.get_tensor(end["index"]).astype(float)).max())
        for end in whole.get_output_details()
    ]
    return {"difference": max(apart)}, {}


def _start(
    folder: Path, job: dict[str, Any], path: str, chance: random.Random
) -> tuple[Any, int, int]:
    """Return a file's interpreter, and how long loading and the first inference took, in ns."""
    began = time.perf_counter_ns()
    interpreter = _load(folder, job, path)
    loaded = time.perf_counter_ns()
    _fill(interpreter, chance.randrange(2**32))
    _say(folder, f"running {path} for the first time")
    ready = time.perf_counter_ns()
    interpreter.invoke()
    return interpreter, loaded - began, time.perf_counter_ns() - ready


def _repeats(interpreter: Any, block_ns: int) -> int:
    """Return how many inferences last about `block_ns`, at least three."""
    single = float(np.median(_block(interpreter, 5)))
    return max(3, int(np.ceil(block_ns / max(single, 1.0))))


def _block(interpreter: Any, repeats: int) -> list[int]:
    """Return the durations of `repeats` inferences in ns."""
    now, invoke = time.perf_counter_ns, interpreter.invoke
    marks = [now()]
    for _ in range(repeats):
        invoke()
        marks.append(now())
    return np.diff(marks).tolist()


def _shuffled(items: list[str], chance: random.Random) -> list[str]:
    return chance.sample(items, len(items))


def _fill(interpreter: Any, seed: int) -> None:
    """Give every input noise over its whole range: -1 … 1 for floats."""
    chance = np.random.default_rng(seed)
    for detail in interpreter.get_input_details():
        shape, dtype = tuple(detail["shape"]), detail["dtype"]
        if np.issubdtype(dtype, np.integer):
            limits = np.iinfo(dtype)
            noise = chance.integers(limits.min, limits.max, shape, dtype, endpoint=True)
        else:
            noise = chance.uniform(-1, 1, shape).astype(dtype)
        interpreter.set_tensor(detail["index"], noise)


def weigh(folder: Path, job: dict[str, Any]) -> Answer:
    """Return how far the peak of this process's memory grew, in bytes."""
    np.random.default_rng(0)  # its first use imports megabytes
    gc.collect()
    _forget_peak()
    before = _peak()
    interpreter = _load(folder, job, job["path"])
    loaded = _peak()
    _fill(interpreter, 0)
    _say(folder, f"running {job['path']}")
    for _ in range(3):
        interpreter.invoke()
    return {"before": before, "loaded": loaded, "peak": _peak()}, {}


def partition(folder: Path, job: dict[str, Any]) -> Answer:
    """Return the tensors that go into and come out of each part that a delegate computes."""
    interpreter = _load(folder, job, job["path"])
    parts = [
        {key: [int(index) for index in node[key]] for key in ("inputs", "outputs")}
        for node in interpreter._get_ops_details()
        if node["op_name"] == "DELEGATE"
    ]
    return {"delegates": parts}, {}


def _forget_peak() -> None:
    """Let the kernel count the peak from here on: imports have needed memory and returned it."""
    with contextlib.suppress(OSError):  # not everywhere allowed, and then only less exact
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """Return VmHWM, the peak of the resident set, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmHWM")


def _load(folder: Path, job: dict[str, Any], path: str, *, keep: bool = False) -> Any:
    """Return an interpreter that is ready to run, from a mapped file as on a device.

    With `keep`, what lies between the operators is kept for reading, which needs memory.
    """
    _say(folder, f"loading {path}")
    interpreter = runtime.Interpreter(
        model_path=path,
        num_threads=job["threads"],
        experimental_op_resolver_type=runtime.OpResolverType[RESOLVERS[job["kernels"]]],
        **({"experimental_preserve_all_tensors": True} if keep else {}),
    )
    interpreter.allocate_tensors()
    return interpreter


def _say(folder: Path, stage: str) -> None:
    (folder / "stage.txt").write_text(stage)


def name() -> str:
    """Return the runtime's package and version."""
    from importlib import metadata

    for package in ("ai-edge-litert", "tflite-runtime"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return f"{package} {metadata.version(package)}"
    return "unknown"


VERBS = {
    "predict": predict,
    "trace": trace,
    "clock": clock,
    "camera": camera,
    "chain": chain,
    "weigh": weigh,
    "partition": partition,
}

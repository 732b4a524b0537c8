"""Records: the small JSON files that say how weights, deployables and measurements came about.

Each is immutable. Its key follows from its identity: from what it was made of, never from the
clock or the machine (but a measurement is one of a machine). Its digest covers everything else, so
that a changed bit is found.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from dlmo import deployable, paths, recipes, rich, sources, spec
from dlmo.deployable import Preprocessing
from dlmo.errors import UserError, unknown
from dlmo.files import sha256, write_bytes
from dlmo.machine import Machine
from dlmo.techniques import CONVERSION_REVISIONS, STEP_REVISIONS, ConversionName, StepName
from dlmo.trials import Trial

Key = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Provenance(_Frozen):
    """Where, when and with what something was made."""

    machine: Machine
    versions: dict[str, str]
    threads: int
    commit: str
    clean: bool
    started: str = Field(description="UTC, ISO 8601")
    seconds: float


class Identity(_Frozen):
    """What a key is made of."""

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits."""
        return sha256(_canonical(self.model_dump(mode="json")))[:16]


class WeightsIdentity(Identity):
    """Weights: one training step on top of its parents."""

    kind: Literal["weights"] = "weights"
    dataset: str
    checksum: str
    network: str
    build: dict[str, float]
    architecture: str
    step: StepName
    revision: int
    recipe: dict[str, Any]
    seed: int
    parent: Key | None = None
    teacher: Key | None = None


class DeployableIdentity(Identity):
    """A deployable: weights through one conversion."""

    kind: Literal["deployable"] = "deployable"
    weights: Key
    conversion: ConversionName
    revision: int
    recipe: dict[str, Any] = Field(description="empty where the conversion needs no images")


class MeasurementIdentity(Identity):
    """A measurement: a deployable, an instrument with its settings, a machine."""

    kind: Literal["measurement"] = "measurement"
    deployable: Key
    instrument: str
    revision: int
    settings: dict[str, Any]
    machine: str = Field(description="tag of the processor and its instruction sets")


class _Record(_Frozen):
    record_schema: Literal[1] = 1
    key: Key
    digest: Digest
    trial: Trial
    provenance: Provenance

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        values = self.model_dump(mode="json", exclude={"key", "trial", "record_schema"})
        return rich.facts(f"{type(self).__name__} {self.key} of {self.trial}", values)


class Weights(_Record):
    """What a training step made; the numbers themselves lie in the store."""

    identity: WeightsIdentity
    parameters: int
    macs: int
    sha256: Digest
    history: list[dict[str, float]]
    earlier_machines: tuple[Machine, ...] = Field(
        (), description="others that trained the first epochs, where a training was taken elsewhere"
    )

    @property
    def seconds(self) -> float:
        """Seconds of wall time.

        The provenance of a training that was interrupted knows the last process alone; the history
        knows all epochs, but not what lies between them.
        """
        return max(self.provenance.seconds, sum(epoch["seconds"] for epoch in self.history))


class Deployable(_Record):
    """A `.tflite` file: what it holds, counted in the file itself."""

    identity: DeployableIdentity
    weights_sha256: Digest = Field(description="the weights that it was really made from")
    bytes: int
    sha256: Digest
    zipped_bytes: int
    nonzero: float = Field(ge=0, le=1, description="share of its weights that is not zero")
    pruned_nonzero: float = Field(ge=0, le=1, description="the same of what tfmot prunes")
    operators: dict[str, int]
    float_operators: list[str]
    input_type: str
    output_type: str
    preprocessing: Preprocessing
    output: Literal["logits", "probabilities"] = "logits"


class Measurement(_Record):
    """What an instrument said of a deployable."""

    identity: MeasurementIdentity
    values: dict[str, Any]
    predictions: Digest | None = Field(None, description="SHA-256 of the .npz beside the record")


class Unavailable(_Record):
    """A trial that cannot be had, and why."""

    identity: DeployableIdentity | WeightsIdentity
    reason: str


Record = Weights | Deployable | Measurement | Unavailable
_READERS: dict[str, TypeAdapter[Any]] = {
    kind: TypeAdapter(model)
    for kind, model in (
        ("weights", Weights),
        ("deployable", Deployable),
        ("measurement", Measurement),
        ("unavailable", Unavailable),
    )
}


def make(model: type[Any], identity: Identity, **fields: Any) -> Any:
    """Return a record with its key and its digest."""
    draft = model.model_construct(
        key=identity.key, digest="0" * 64, identity=identity, **fields
    ).model_dump(mode="json")
    return model.model_validate({**draft, "digest": _digest(draft)})


def contents(found: deployable.Deployable) -> dict[str, Any]:
    """Return the fields of a deployable's record that are counted in the file itself."""
    pruned = [layer for layer in found.layers if layer.operator != "DEPTHWISE_CONV_2D"]
    weights = sum(layer.weights for layer in pruned)
    return {
        "bytes": found.bytes,
        "sha256": found.sha256,
        "zipped_bytes": found.zipped_bytes,
        "nonzero": found.nonzero,
        "pruned_nonzero": sum(layer.nonzero for layer in pruned) / max(1, weights),
        "operators": dict(found.operators),
        "float_operators": [operator.name for operator in deployable.float_operators(found)],
        "input_type": found.inputs[0].dtype,
        "output_type": found.outputs[0].dtype,
    }


def weights_digest(weights: list[np.ndarray]) -> str:
    """Return the SHA-256 of weights: their types, shapes and numbers, not the file's bytes."""
    digest = hashlib.sha256()
    for array in weights:  # one at a time: all of them may be most of the memory there is
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def file(record: Record, suffix: str = "json") -> Path:
    """Return where a record stands: `DATASET/NETWORK/KEY.KIND.json` in the results."""
    trial = record.trial
    folder = paths.results() / spec.slug(trial.dataset) / spec.slug(trial.network)
    return folder / f"{record.key}.{kind(record)}.{suffix}"


def write(record: Record, predictions: Mapping[str, np.ndarray] | None = None) -> Path:
    """Write a record, its predictions before it, both atomically.

    Raises:
        UserError: the results can't be written to.
    """
    if predictions is not None:
        write_bytes(file(record, "npz"), pack(predictions))
    target = file(record)
    write_bytes(target, _text(record.model_dump(mode="json")))
    return target


def pack(predictions: Mapping[str, np.ndarray]) -> bytes:
    """Return predictions as the bytes of an `.npz`; the same arrays always give the same bytes."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **predictions)  # type: ignore[arg-type]  # NumPy's stub
    return stream.getvalue()


def predictions(record: Measurement) -> dict[str, np.ndarray]:
    """Return the predictions kept beside a record of accuracy or of robustness.

    Of accuracy: `test_classes`, `validation_classes` (first choice), `…_probabilities` (float16)
    and `…_correct` (bool), each [n] in the order of the dataset's split. Of robustness: `places`
    among the test images and their `labels`, `clean_classes`, each [n], and `corrupted_classes`
    [kinds, severities, n].

    Raises:
        UserError: the file is missing or is not the one that the record names.
    """
    source = file(record, "npz")
    if not source.exists():
        raise UserError(f"{source} is missing; measure {record.trial} again")
    data = source.read_bytes()
    if sha256(data) != record.predictions:
        raise UserError(f"{source} is not what its record names; measure {record.trial} again")
    sources.note(record.key)
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def right(key: str, part: Literal["test", "validation"]) -> np.ndarray | None:
    """Return on which images a file is right, bool [n], by the key of its record of accuracy.

    Nothing where there is no such record, or no predictions are kept beside it.
    """
    record = find(key)
    if not isinstance(record, Measurement) or record.predictions is None:
        return None
    return predictions(record).get(f"{part}_correct")


def read(source: Path) -> Record:
    """Read and check one record.

    Raises:
        UserError: it is no record, doesn't fit the schema, its key or its digest.
    """
    named = source.name.split(".")[-2] if source.name.count(".") >= 2 else ""
    if named not in _READERS:
        raise UserError(f"{source}: not a record; records are named KEY.KIND.json")
    try:
        text = source.read_bytes()
        record: Record = _READERS[named].validate_json(text)
        draft = json.loads(text)
    except (ValidationError, ValueError, UserError) as error:
        raise UserError(f"{source}: {_first(error)}") from None
    except OSError as error:
        raise UserError(f"{source}: cannot be read ({error.strerror})") from None
    if record.identity.key != record.key or not source.name.startswith(record.key):
        raise UserError(f"{source}: its key does not fit its content; it was changed by hand")
    if _digest(draft) != record.digest:
        raise UserError(f"{source}: its digest does not fit its content; it was changed by hand")
    return record


def every() -> list[Record]:
    """Read all records.

    Raises:
        UserError: one of them is wrong.
    """
    return list(_every(tuple(sorted(_stamps(paths.results(), depth=2)))))


@lru_cache(maxsize=2)
def _every(found: tuple[tuple[str, int, int], ...]) -> tuple[Record, ...]:
    return tuple(read(Path(path)) for path, _, _ in found)


def _stamps(folder: Path | str, depth: int) -> Iterator[tuple[str, int, int]]:
    """Yield path, time of change and size of each record so many folders down."""
    # A page asks a hundred times what there is: this is ten times as fast as `Path.glob`.
    if not Path(folder).is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if depth:
                yield from _stamps(entry.path, depth - 1)
            elif entry.name.endswith(".json"):
                now = entry.stat()
                yield entry.path, now.st_mtime_ns, now.st_size


def find(key: str) -> Record | None:
    """Return the record of a key, or nothing."""
    for source in paths.results().glob(f"*/*/{key}.*.json"):
        sources.note(key)
        return read(source)
    return None


def of_any_machine(identity: MeasurementIdentity) -> Measurement | None:
    """Return a measurement of the same file in the same way: this machine's, or another's."""
    own = find(identity.key)
    if own is not None:
        assert isinstance(own, Measurement)
        return own
    other = _by_file(tuple(sorted(_stamps(paths.results(), depth=2)))).get(_anywhere(identity))
    if other is not None:
        sources.note(other.key)
    return other


@lru_cache(maxsize=2)
def _by_file(found: tuple[tuple[str, int, int], ...]) -> dict[str, Measurement]:
    measured = (record for record in _every(found) if isinstance(record, Measurement))
    return {_anywhere(record.identity): record for record in measured}


def _anywhere(identity: MeasurementIdentity) -> str:
    return identity.model_copy(update={"machine": ""}).key


def kept(key: str, kind: Literal["deployable", "weights"] = "deployable") -> Path | None:
    """Return where the file of a key lies, in the store or among the committed ones, if anywhere.

    Args:
        key: of a deployable (a `.tflite`) or of weights (an `.npz`).
        kind: which of the two.
    """
    folder, suffix = ("deployables", "tflite") if kind == "deployable" else ("weights", "npz")
    own = paths.store() / folder / f"{key}.{suffix}"
    if own.exists():
        return own
    return next(iter(sorted(paths.models().glob(f"*/*/*.{key}.{suffix}"))), None)


def unavailable(record: Record | None) -> str | None:
    """Return why a trial cannot be had, where that is what a record says.

    It could not be made, or today's runtime refuses its file, so that it has no accuracy.
    """
    if isinstance(record, Unavailable):
        return record.reason
    if isinstance(record, Measurement) and record.identity.instrument == "accuracy":
        reason = record.values.get("reason")
        return str(reason) if reason and "runtime" not in record.identity.settings else None
    return None


def table(records: Iterable[Record] | None = None) -> pd.DataFrame:
    """Return the one flat table: a row a trial, with what its latest measurements say.

    Columns: dataset, network, technique, profile, seed, overrides, current (its recipe and
    revisions are today's), accuracy and validation_accuracy (0 to 1), bytes, zipped_bytes,
    latency_ratio with low and high (to NQ, XNNPACK, one thread), latency_ratio_builtin, memory
    (bytes), parameters, macs, nonzero, pruned_nonzero, epochs, train_seconds, float_operators,
    reason (why it can't be had), clean_accuracy and corrupted_accuracy (of a part of the test
    images, as they are and corrupted), and the keys of the records.
    """
    found = list(every() if records is None else records)
    weights = {record.key: record for record in found if isinstance(record, Weights)}
    measured: dict[str, list[Measurement]] = {}
    for record in found:
        if isinstance(record, Measurement):
            measured.setdefault(record.identity.deployable, []).append(record)
    rows = [
        _row(record, weights, measured.get(record.key, []))
        for record in found
        if isinstance(record, Deployable | Unavailable) and record.identity.kind == "deployable"
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.sort_values(list(COLUMNS[:6]), ignore_index=True).astype(_TYPES)


def select(current: bool = True, **wanted: Any) -> pd.DataFrame:
    """Return the rows of the table whose columns have the wanted values (one, or one of several).

    Unless told otherwise, only rows made by today's recipes and revisions, without overrides.

    Raises:
        UserError: there is no such column, or a record is wrong.
    """
    frame = table()
    if current:
        wanted.setdefault("overrides", "")
        frame = frame[frame["current"]]
    for column, value in wanted.items():
        if column not in COLUMNS:
            raise unknown("column", column, COLUMNS)
        values = [value] if isinstance(value, str | int | float | bool) else list(value)
        frame = frame[frame[column].isin(values)]
    for column in COLUMNS:
        if column.endswith("_key"):
            sources.note(*frame[column].dropna())
    return frame.reset_index(drop=True)


COLUMNS = (
    *("dataset", "network", "technique", "profile", "seed", "overrides", "current"),
    *("accuracy", "validation_accuracy", "bytes", "zipped_bytes"),
    *("latency_ratio", "latency_ratio_low", "latency_ratio_high", "latency_ratio_builtin"),
    *("memory", "parameters", "macs", "nonzero", "pruned_nonzero", "epochs", "train_seconds"),
    *("float_operators", "reason", "reason_key", "weights_key", "deployable_key", "accuracy_key"),
    *("latency_key", "latency_builtin_key", "memory_key"),
    *("clean_accuracy", "corrupted_accuracy", "robustness_key"),
)
_COUNTS = ("bytes", "zipped_bytes", "memory", "parameters", "macs", "epochs")
_SHARES = (
    *("accuracy", "validation_accuracy", "latency_ratio", "latency_ratio_low"),
    *("latency_ratio_high", "latency_ratio_builtin", "nonzero", "pruned_nonzero"),
    *("clean_accuracy", "corrupted_accuracy"),
)
_TYPES: dict[str, Any] = {
    **dict.fromkeys(_COUNTS, "Int64"),
    **dict.fromkeys((*_SHARES, "train_seconds"), "float64"),
    "current": "bool",
}


def _row(
    record: Deployable | Unavailable, weights: Mapping[str, Weights], measured: list[Measurement]
) -> dict[str, Any]:
    trial = record.trial
    row: dict[str, Any] = trial.model_dump(include={*COLUMNS[:5]})
    chain = _chain(record, weights)
    # Overrides that change nothing here (those of PRN's sparsity, for NQ) make no other row.
    same = _current(record, chain, weights, ())
    changed = () if same else trial.overrides
    row["overrides"] = ",".join(f"{name}={value}" for name, value in changed)
    row["current"] = same or _current(record, chain, weights, trial.overrides)
    if chain:
        row |= {"parameters": chain[-1].parameters, "macs": chain[-1].macs}
        row |= {"epochs": sum(len(step.history) for step in chain), "weights_key": chain[-1].key}
        row["train_seconds"] = sum(step.seconds for step in chain)
    if isinstance(record, Unavailable):
        return row | {"reason": record.reason, "reason_key": record.key}
    names = ("bytes", "zipped_bytes", "nonzero", "pruned_nonzero")
    row |= {name: getattr(record, name) for name in names}
    row |= {"deployable_key": record.key, "float_operators": len(record.float_operators)}
    return row | _measured(measured)


def _measured(measured: list[Measurement]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for record in sorted(measured, key=lambda one: one.provenance.started):
        values, settings = record.values, record.identity.settings
        if "runtime" in settings:
            continue  # another runtime than today's
        if reason := unavailable(record):
            row |= {"reason": reason, "reason_key": record.key}
        if "reason" in values:
            continue  # no runtime that runs the file
        plain = settings.get("kernels") == "xnnpack" and settings.get("threads") == 1
        match record.identity.instrument:
            case "accuracy" if plain:
                row |= {"accuracy": values["test_accuracy"], "accuracy_key": record.key}
                row["validation_accuracy"] = values["validation_accuracy"]
            case "latency" if plain:
                row |= {"latency_ratio": values["ratio"], "latency_key": record.key}
                row["latency_ratio_low"], row["latency_ratio_high"] = values["ratio_interval"]
            case "latency" if settings.get("kernels") == "builtin" and settings["threads"] == 1:
                row |= {"latency_ratio_builtin": values["ratio"], "latency_builtin_key": record.key}
            case "memory" if plain:
                row |= {"memory": values["bytes"], "memory_key": record.key}
            case "robustness" if plain and values["images"] >= row.get("images", 0):
                shares = ("images", "clean_accuracy", "corrupted_accuracy")
                row |= {name: values[name] for name in shares} | {"robustness_key": record.key}
    return row


def _chain(record: Record, weights: Mapping[str, Weights]) -> list[Weights]:
    """Return the records of the training steps that led to a record, the first one first."""
    identity = record.identity
    key = identity.weights if isinstance(identity, DeployableIdentity) else None
    if isinstance(identity, WeightsIdentity):
        key = identity.parent
    chain: list[Weights] = []
    while key and key in weights:
        chain.insert(0, weights[key])
        key = weights[key].identity.parent
    return chain


def _current(
    record: Deployable | Unavailable,
    chain: list[Weights],
    weights: Mapping[str, Weights],
    overrides: recipes.Overrides,
) -> bool:
    """Say whether today's recipes and revisions, so overridden, would make the same keys again."""
    identity, network = record.identity, record.trial.network
    steps = [made.identity for made in chain]
    if isinstance(identity, WeightsIdentity):
        steps.append(identity)
    try:
        profile = recipes.profile(record.trial.profile)
        if not all(_same_step(made, profile, overrides, weights) for made in steps):
            return False
        wanted = profile.conversion(network, overrides).model_dump(mode="json")
    except UserError:
        return False
    if isinstance(identity, WeightsIdentity):
        return True
    same_recipe = identity.recipe in ({}, wanted)
    return same_recipe and identity.revision == CONVERSION_REVISIONS[identity.conversion]


def _same_step(
    made: WeightsIdentity,
    profile: recipes.Profile,
    overrides: recipes.Overrides,
    weights: Mapping[str, Weights],
) -> bool:
    today = profile.step(made.step, made.network, overrides).model_dump(mode="json")
    size = profile.build(made.network).model_dump()
    if (made.recipe, made.revision, made.build) != (today, STEP_REVISIONS[made.step], size):
        return False
    if made.teacher is None:
        return True
    # A student is no newer than its teacher, whose recipe is never overridden.
    teacher = weights.get(made.teacher)
    return teacher is not None and _same_step(teacher.identity, profile, (), weights)


def kind(record: Record) -> str:
    """Return `weights`, `deployable`, `measurement` or `unavailable`."""
    return "unavailable" if isinstance(record, Unavailable) else record.identity.kind


def _digest(draft: Mapping[str, Any]) -> str:
    return sha256(_canonical({name: draft[name] for name in draft if name != "digest"}))


def _canonical(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _text(draft: Mapping[str, Any]) -> bytes:
    """Return a record as JSON, a line a field, so that a difference shows and files stay short."""
    lines = (
        f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in draft.items()
    )
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)

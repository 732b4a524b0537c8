"""The nodes of a plan: what each is made of, and how it is made. Runs in a worker's process."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from dlmo import conversion, datasets, deployable, instruments, machine, networks, records
from dlmo.arithmetic import quantization
from dlmo.datasets import corruptions
from dlmo.errors import ImpossibleError, UserError
from dlmo.files import sha256
from dlmo.instruments.process import ChildError
from dlmo.keras_ import keras
from dlmo.laboratory import store
from dlmo.laboratory.processes import processes
from dlmo.networks import own
from dlmo.recipes import STEP_MODELS
from dlmo.techniques import CONVERSION_REVISIONS
from dlmo.training import loop, steps
from dlmo.training.batches import normalise
from dlmo.trials import Trial

Identity = records.WeightsIdentity | records.DeployableIdentity | records.MeasurementIdentity


@dataclass(frozen=True)
class Node:
    """Something to be made: weights, a deployable or a measurement.

    Attributes:
        identity: what it is made of; gives its key.
        trial: the trial for which it was first asked.
        ancestors: the weights that it stands on, the first step first (itself left out).
        parents: the keys of the nodes that must be done before.
        threads: how many it keeps busy.
    """

    identity: Identity
    trial: Trial
    ancestors: tuple[records.WeightsIdentity, ...] = ()
    parents: tuple[str, ...] = ()
    threads: int = 1

    @property
    def key(self) -> str:
        """The key of what it makes."""
        return self.identity.key

    @property
    def label(self) -> str:
        """What a person reads: the trial, and what of it is made."""
        match self.identity:
            case records.WeightsIdentity(step=step):
                return f"{self.trial} · {step}"
            case records.DeployableIdentity(conversion=name):
                return f"{self.trial} · convert ({name})"
            case _:
                return f"{self.trial} · {self.identity.instrument}"


def measurement(
    instrument: str, deployable: str, settings: Mapping[str, Any]
) -> records.MeasurementIdentity:
    """Return the identity of a measurement of a deployable (by its key) on this machine."""
    return records.MeasurementIdentity(
        deployable=deployable,
        instrument=instrument,
        revision=instruments.REVISIONS[instrument],
        settings=dict(settings),
        machine=machine.tag(machine.this()),
    )


def run(node: Node) -> str:
    """Make a node, unless somebody else has; return its key."""
    match node.identity:
        case records.MeasurementIdentity():
            return _once(node, _measure)
        case _ if steps.configure(node.threads):
            return _once(node, _MAKERS[type(node.identity)])
    # TensorFlow's threads are set once in a process; another number needs another process.
    with processes(1) as alone:
        return alone.submit(run, node).result()


def done(node: Node) -> bool:
    """Say whether a node's record stands, and what it made still lies where children look."""
    if records.find(node.key) is None:
        return False
    match node.identity:
        case records.WeightsIdentity():
            return store.weights_file(node.key) is not None
        case records.DeployableIdentity():
            return store.deployable_file(node.key) is not None
    return True


def float_file(node: Node) -> Path | None:
    """Return the float file from which an int8 file can be made where its weights are lost.

    Fake quantizers are in no float file, and a user's own model is there whenever it is asked for.
    """
    identity, chain = node.identity, node.ancestors
    if not isinstance(identity, records.DeployableIdentity) or identity.conversion != "int8":
        return None
    steps_taken = [one.step for one in chain]
    if "qat" in steps_taken or own.is_own(chain[-1].network) or store.weights_file(chain[-1].key):
        return None
    return store.deployable_file(float_identity(identity).key)


def float_identity(identity: records.DeployableIdentity) -> records.DeployableIdentity:
    """Return the identity of the float file of the same weights."""
    return records.DeployableIdentity(
        weights=identity.weights,
        conversion="float",
        revision=CONVERSION_REVISIONS["float"],
        recipe={},
    )


def _once(node: Node, make: Callable[[Node], None]) -> str:
    with store.lock(node.key):
        if not done(node):
            make(node)
    return node.key


class Stopwatch:
    """Notes when something began, and what it was made with."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._started, self._clock = datetime.now(UTC), time.perf_counter()

    def provenance(self) -> records.Provenance:
        """Return what has happened up to now."""
        commit, clean = machine.commit()
        return records.Provenance(
            machine=machine.this(),
            versions=machine.versions(),
            threads=self._threads,
            commit=commit,
            clean=clean,
            started=self._started.isoformat(timespec="seconds"),
            seconds=round(time.perf_counter() - self._clock, 2),
        )


def given(identity: Identity) -> bool:
    """Say whether weights come with a user's own model, and need no training."""
    if not isinstance(identity, records.WeightsIdentity) or identity.step != "train":
        return False
    return own.is_own(identity.network)


def _read(node: Node) -> None:
    """Take the weights of a user's own model; of a `.tflite`, the file itself."""
    identity = node.identity
    assert isinstance(identity, records.WeightsIdentity)
    watch = Stopwatch(node.threads)
    weights, parameters, macs = _brought(identity)
    record = records.make(
        records.Weights,
        identity,
        trial=node.trial,
        provenance=watch.provenance(),
        parameters=parameters,
        macs=macs,
        sha256=store.put_weights(node.key, weights),
        history=[],
    )
    if records.find(node.key) is None:
        records.write(record)


def _brought(identity: records.WeightsIdentity) -> tuple[list[np.ndarray], int, int]:
    """Return the weights of a user's own model, their number, and its multiplications.

    Raises:
        UserError: the file has changed since the plan was made.
    """
    _refuse_changed_model(identity)
    network = identity.network
    source = own.given(network)
    if source.is_tflite:
        found = deployable.read(source.path)
        return [np.frombuffer(found.data, np.uint8)], found.parameters, found.macs
    model = own.build(network)
    return model.get_weights(), networks.parameters(model), networks.macs(model)


def _data(identity: records.WeightsIdentity) -> datasets.Dataset:
    """Return a dataset as a network takes it: a user's own model may want another size."""
    data = _loaded(identity)
    if not own.is_own(identity.network):
        return data
    return datasets.resized(data, own.image_size(identity.network))


def _loaded(identity: records.WeightsIdentity) -> datasets.Dataset:
    """Return the dataset that a plan was made for.

    Raises:
        UserError: its images, or a user's own model, have changed since; what they made would bear
            the wrong key.
    """
    _refuse_changed_model(identity)
    data = datasets.load(identity.dataset)
    if data.checksum != identity.checksum:
        raise UserError(
            f"the images of {identity.dataset} have changed since the run began; what was finished "
            "is kept, run the command again to measure with those that are there now"
        )
    return data


def _refuse_changed_model(identity: records.WeightsIdentity) -> None:
    network = identity.network
    if own.is_own(network) and own.digest(network) != identity.architecture:
        raise UserError(
            f"the model {network} has changed since the run began; what was finished is kept, run "
            "the command again to measure the one that is there now"
        )


def _preprocessing(network: str) -> deployable.Preprocessing:
    return own.given(network).preprocessing if own.is_own(network) else deployable.Preprocessing()


def _train(node: Node) -> None:
    identity = node.identity
    assert isinstance(identity, records.WeightsIdentity)
    if given(identity):
        _read(node)
        return
    watch = Stopwatch(node.threads)
    try:
        data = _admitted(identity)
    except ImpossibleError as error:
        give_up(node, watch, str(error))
        return
    network = _plain(identity, len(data.classes), node.ancestors)
    teacher = _teacher(identity, len(data.classes))
    folder = store.checkpoints(node.key)
    try:
        trained, history = steps.run(
            identity.step,
            network,
            STEP_MODELS[identity.step].model_validate(identity.recipe),
            data,
            identity.seed,
            folder,
            _Progress(node.key),
            earlier=[ancestor.step for ancestor in node.ancestors],
            teacher=teacher,
            preprocessing=_preprocessing(identity.network),
        )
    except ImpossibleError as error:
        give_up(node, watch, str(error))
        return
    except _REFUSALS as error:
        if not own.is_own(identity.network):
            raise
        give_up(node, watch, f"its layers do not admit the step {identity.step}: {_line(error)}")
        return
    weights = trained.get_weights()
    _refuse_nan(node, weights)
    record = records.make(
        records.Weights,
        identity,
        trial=node.trial,
        provenance=watch.provenance(),
        parameters=networks.parameters(network),
        macs=networks.macs(network),
        sha256=store.put_weights(node.key, weights),
        history=history,
        earlier_machines=loop.earlier_machines(folder),
    )
    if records.find(node.key) is None:
        records.write(record)
    shutil.rmtree(folder, ignore_errors=True)


_REFUSALS = (ValueError, TypeError, RuntimeError, AttributeError, NotImplementedError, KeyError)
"""What tfmot and the converter raise where they can't do something with a model."""


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _admitted(identity: records.WeightsIdentity) -> datasets.Dataset:
    """Return the data of a training step.

    Raises:
        ImpossibleError: a user's own model does not admit it.
    """
    if not own.is_own(identity.network):
        return _loaded(identity)
    own.trainable(identity.network)
    data = _data(identity)
    plain = _loaded(identity)
    if identity.step == "distil" and data is not plain:
        raise ImpossibleError("its images have another size than those that the teacher has seen")
    return data


def _convert(node: Node) -> None:
    identity = node.identity
    assert isinstance(identity, records.DeployableIdentity)
    watch = Stopwatch(node.threads)
    try:
        content, weights_sha256 = _from_float(node) or _converted(node.ancestors, identity)
    except ImpossibleError as error:
        give_up(node, watch, str(error))
        return
    store.put_deployable(node.key, content)
    record = _described(node, content, weights_sha256, watch)
    if records.find(node.key) is None:
        records.write(record)


def _converted(
    chain: tuple[records.WeightsIdentity, ...], identity: records.DeployableIdentity
) -> tuple[bytes, str]:
    """Return a `.tflite` and the SHA-256 of the weights in it.

    Raises:
        ImpossibleError: a user's own model does not admit the conversion.
    """
    last = chain[-1]
    if _is_finished(last.network):
        return _finished(last, identity)
    data = _data(last)
    model, weights_sha256 = _rebuilt(chain, len(data.classes))
    images = _calibration(data, identity, last.network) if identity.conversion == "int8" else None
    try:
        return conversion.convert(model, identity.conversion, images), weights_sha256
    except Exception as error:  # the converter's own errors are of many kinds
        if not own.is_own(last.network):
            raise
        raise ImpossibleError(
            f"the converter refuses {identity.conversion}: {_line(error)}"
        ) from None


def _from_float(node: Node) -> tuple[bytes, str] | None:
    """Return what `_converted` would, of a float file; nothing where there is no need or none."""
    source = float_file(node)
    if source is None:
        return None
    identity, last = node.identity, node.ancestors[-1]
    assert isinstance(identity, records.DeployableIdentity)
    record = records.find(float_identity(identity).key)
    assert isinstance(record, records.Deployable)
    images = _calibration(_data(last), identity, last.network)
    return conversion.calibrated(source.read_bytes(), images), record.weights_sha256


def _calibration(
    data: datasets.Dataset, identity: records.DeployableIdentity, network: str
) -> np.ndarray:
    wanted = identity.recipe
    drawn = conversion.calibration_images(
        data.train.images, wanted["calibration_samples"], wanted["calibration_seed"]
    )
    return np.asarray(normalise(drawn, _preprocessing(network)))


def _finished(
    last: records.WeightsIdentity, identity: records.DeployableIdentity
) -> tuple[bytes, str]:
    if identity.conversion != "float" or last.step != "train":
        raise ImpossibleError(
            "it is a finished file: it is measured as it is, nothing is made of it"
        )
    (content,), weights_sha256 = _kept(last.key)
    return content.tobytes(), weights_sha256


def _described(node: Node, content: bytes, weights_sha256: str, watch: Stopwatch) -> Any:
    return records.make(
        records.Deployable,
        node.identity,
        trial=node.trial,
        provenance=watch.provenance(),
        weights_sha256=weights_sha256,
        preprocessing=_preprocessing(node.ancestors[-1].network),
        output=_output(node.ancestors),
        **records.contents(deployable.read(content)),
    )


def _output(chain: tuple[records.WeightsIdentity, ...]) -> str:
    network = chain[-1].network
    if not own.is_own(network) or len(chain) > 1 or own.given(network).is_tflite:
        return "logits"
    return "probabilities" if own.has_softmax(network) else "logits"


def _measure(node: Node) -> None:
    identity = node.identity
    assert isinstance(identity, records.MeasurementIdentity)
    watch = Stopwatch(node.threads)
    try:
        values, predictions = _INSTRUMENTS[identity.instrument](node, identity)
    except ChildError as error:
        if not error.refused or _is_finished(node.ancestors[-1].network):
            raise
        values, predictions = {"reason": _refusal(identity)}, None
    packed = records.pack(predictions) if predictions else None
    record = records.make(
        records.Measurement,
        identity,
        trial=node.trial,
        provenance=watch.provenance(),
        values=values,
        predictions=sha256(packed) if packed else None,
    )
    records.write(record, predictions)


def _is_finished(network: str) -> bool:
    return own.is_own(network) and own.given(network).is_tflite


_LARGEST_RESCALING = 256.0
"""XNNPACK takes less (its `fully-connected-nc.c` and `convolution-nhwc.c`)."""


def _refusal(identity: records.MeasurementIdentity) -> str:
    """Say why the runtime refuses a file that was made here, as far as the file tells."""
    said = f"LiteRT refuses the file with its {identity.settings.get('kernels', 'own')} kernels"
    operator, factor = quantization.rescaling(deployable.read(_file(identity.deployable)))
    if factor < _LARGEST_RESCALING:
        return said
    return (
        f"{said}: one {operator} rescales its sums by {factor:,.0f}, where they take less than "
        f"{_LARGEST_RESCALING:.0f}; what it returns was next to zero for all calibration images"
    )


def _accuracy(node: Node, identity: records.MeasurementIdentity) -> tuple[Any, Any]:
    last = node.ancestors[-1]
    data, preprocessing = _data(last), _preprocessing(last.network)
    source = _file(identity.deployable)
    values: dict[str, Any] = {}
    kept: dict[str, np.ndarray] = {}
    for name, split in (("test", data.test), ("validation", data.validation)):
        said = instruments.accuracy(source, split.images, preprocessing, **identity.settings)
        correct = said.correct(split.labels)
        values |= {f"{name}_accuracy": float(correct.mean()), f"{name}_images": len(correct)}
        values["runtime"] = said.runtime
        kept[f"{name}_classes"], kept[f"{name}_correct"] = said.classes, correct
        kept[f"{name}_probabilities"] = said.probabilities
        if name == "test":
            values["confusion"] = _confusion(split.labels, said.classes, len(data.classes))
    return values, kept


def _memory(node: Node, identity: records.MeasurementIdentity) -> tuple[Any, Any]:
    found = instruments.memory(_file(identity.deployable), **identity.settings)
    return found.model_dump(include={"bytes", "loaded_bytes", "runtime"}), None


def _arena(node: Node, identity: records.MeasurementIdentity) -> tuple[Any, Any]:
    """Run the first test images under TFLite Micro, and the same ones with LiteRT's kernels."""
    last = node.ancestors[-1]
    test, preprocessing = _data(last).test, _preprocessing(last.network)
    source = _file(identity.deployable)
    images = test.images[: identity.settings["images"]]
    found, said = instruments.arena(source, images, preprocessing)
    values = {**found.model_dump(), "images": len(images)}
    if said is not None:
        values["accuracy"] = float((said == test.labels[: len(images)]).mean())
        values["agreement"] = {}
        for kernels in ("xnnpack", "builtin"):
            try:
                other = instruments.accuracy(source, images, preprocessing, kernels=kernels)
            except ChildError as error:
                if not error.refused:
                    raise
                continue
            values["agreement"][kernels] = float((said == other.classes).mean())
            values["litert"] = other.runtime
    return values, None


def _robustness(node: Node, identity: records.MeasurementIdentity) -> tuple[Any, Any]:
    """Show a file a part of the test images, corrupted; see `instruments.robustness`."""
    last = node.ancestors[-1]
    settings = dict(identity.settings)
    test = _loaded(last).test
    places = corruptions.subset(test.labels, settings.pop("images"))
    said = instruments.robustness(
        _file(identity.deployable),
        test.images[places],
        _preprocessing(last.network),
        size=own.image_size(last.network) if own.is_own(last.network) else None,
        **settings,
    )
    labels = test.labels[places]
    each = said.accuracies(labels)
    values = {
        "images": len(places),
        "clean_accuracy": float((said.clean == labels).mean()),
        "corrupted_accuracy": float(each.mean()),
        "accuracies": dict(zip(corruptions.KINDS, each.round(6).tolist(), strict=True)),
        "runtime": said.runtime,
    }
    kept = {"places": places.astype(np.uint32), "labels": labels.astype(said.clean.dtype)}
    return values, kept | {"clean_classes": said.clean, "corrupted_classes": said.corrupted}


def _confusion(labels: np.ndarray, said: np.ndarray, classes: int) -> list[list[int]]:
    """Return counts [true class, predicted class]."""
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, said), 1)
    return counts.tolist()


def _plain(
    identity: records.WeightsIdentity,
    classes: int,
    ancestors: tuple[records.WeightsIdentity, ...],
) -> keras.Model:
    """Build the plain network, with the weights of its parent or the seed's random ones."""
    size = identity.build
    model = steps.build(identity.network, classes, size["width"], size["depth"], identity.seed)
    if ancestors:
        model.set_weights(_kept(ancestors[-1].key)[0])
    return model


def _rebuilt(chain: tuple[records.WeightsIdentity, ...], classes: int) -> tuple[keras.Model, str]:
    """Return the network that a chain of steps left, and the SHA-256 of its weights."""
    last = chain[-1]
    # A user's own model is converted as it is, with a softmax if it has one.
    model = own.build(last.network) if given(last) else _plain(last, classes, chain[:-1])
    if last.step == "qat":
        model = steps.fake_quantized(model)
    weights, found = _kept(last.key)
    model.set_weights(weights)
    return model, found


def _teacher(identity: records.WeightsIdentity, classes: int) -> steps.Teacher | None:
    if identity.teacher is None:
        return None
    record = records.find(identity.teacher)
    assert isinstance(record, records.Weights)
    made = record.identity
    size = made.build
    model = networks.build(made.network, classes, width=size["width"], depth=size["depth"])
    model.set_weights(_kept(record.key)[0])
    model.trainable = False
    return steps.Teacher(model, record.key)


def _kept(key: str) -> tuple[list[np.ndarray], str]:
    weights = store.get_weights(key, None)
    if weights is None:
        raise UserError(f"the weights {key} are not in the store or are broken; run it again")
    return weights, records.weights_digest(weights)


def _file(key: str) -> Any:
    found = store.deployable_file(key)
    if found is None:
        raise UserError(f"the deployable {key} is not in the store; run it again")
    return found


class _Progress:
    """Leaves word of a training's progress, at most once a second."""

    def __init__(self, key: str) -> None:
        self._key, self._said = key, 0.0

    def __call__(self, epoch: int, epochs: int, share: float) -> None:
        if time.monotonic() - self._said > 1 or share == 0:
            self._said = time.monotonic()
            store.note_progress(self._key, {"epoch": epoch, "epochs": epochs, "share": share})


def give_up(node: Node, watch: Stopwatch, reason: str) -> None:
    """Record that a trial cannot be had, and why."""
    made = records.make(
        records.Unavailable,
        node.identity,
        trial=node.trial,
        provenance=watch.provenance(),
        reason=reason,
    )
    records.write(made)


def _refuse_nan(node: Node, weights: list[np.ndarray]) -> None:
    if not all(np.isfinite(array).all() for array in weights):
        raise UserError(f"{node.label} diverged: its weights are not finite; lower learning_rate")


_MAKERS: dict[type, Callable[[Node], None]] = {
    records.WeightsIdentity: _train,
    records.DeployableIdentity: _convert,
}
_INSTRUMENTS: dict[str, Callable[[Node, records.MeasurementIdentity], tuple[Any, Any]]] = {
    "accuracy": _accuracy,
    "arena": _arena,
    "memory": _memory,
    "robustness": _robustness,
}

"""Synthetic records: everything that a trial leads to, without training anything."""

from typing import Any

import numpy as np

from dlmo import records
from dlmo.deployable import Preprocessing
from dlmo.machine import Machine
from dlmo.recipes import profile
from dlmo.techniques import CONVERSION_REVISIONS, STEP_REVISIONS
from dlmo.trials import Trial

MACHINE = Machine(
    processor="a processor",
    instruction_sets=("avx2",),
    cores=2,
    memory=8 * 10**9,
    system="Linux x86_64",
    python="3.11.0",
)
PLAIN = {"kernels": "xnnpack", "threads": 1}


def provenance(**changed: Any) -> records.Provenance:
    said = {
        "machine": MACHINE,
        "versions": {"numpy": "2.4.6"},
        "threads": 2,
        "commit": "unknown",
        "clean": True,
        "started": "2024-01-01T00:00:00+00:00",
        "seconds": 12.5,
    }
    return records.Provenance(**said | changed)


def weights(trial: Trial, epochs: int = 24, teacher: str | None = None) -> list[records.Weights]:
    """Return the record of each training step of a trial, parents first."""
    chain: list[records.Weights] = []
    recipes = profile(trial.profile)
    for step in trial.plan.steps:
        identity = records.WeightsIdentity(
            dataset=trial.dataset,
            checksum="c" * 64,
            network=trial.network,
            build=recipes.build(trial.network).model_dump(),
            architecture="a" * 16,
            step=step,
            revision=STEP_REVISIONS[step],
            recipe=recipes.step(step, trial.network, trial.overrides).model_dump(mode="json"),
            seed=trial.seed,
            parent=chain[-1].key if chain else None,
            teacher=teacher if step == "distil" else None,
        )
        row = {"loss": 0.123456789, "accuracy": 0.9, "validation_accuracy": 0.8, "seconds": 0.5}
        chain.append(
            records.make(
                records.Weights,
                identity,
                trial=trial,
                provenance=provenance(),
                parameters=13_962,
                macs=1_116_160,
                sha256="f" * 64,
                history=[{"epoch": epoch + 1, **row} for epoch in range(epochs)],
            )
        )
    return chain


def deployable(trial: Trial, last: records.Weights) -> records.Deployable:
    conversion = trial.plan.conversion
    recipe = profile(trial.profile).conversion(trial.network, trial.overrides)
    identity = records.DeployableIdentity(
        weights=last.key,
        conversion=conversion,
        revision=CONVERSION_REVISIONS[conversion],
        recipe=recipe.model_dump(mode="json") if conversion == "int8" else {},
    )
    return records.make(
        records.Deployable,
        identity,
        trial=trial,
        provenance=provenance(),
        weights_sha256=last.sha256,
        bytes=59_008,
        sha256="e" * 64,
        zipped_bytes=53_227,
        nonzero=0.5,
        pruned_nonzero=0.4,
        operators={"CONV_2D": 3, "FULLY_CONNECTED": 1},
        float_operators=["CONV_2D"],
        input_type="float32",
        output_type="float32",
        preprocessing=Preprocessing(),
    )


def measurement(
    made: records.Deployable, instrument: str, values: dict[str, Any], **changed: Any
) -> records.Measurement:
    identity = records.MeasurementIdentity(
        deployable=made.key,
        instrument=instrument,
        revision=1,
        settings=changed.pop("settings", PLAIN),
        machine=changed.pop("machine", "0" * 8),
    )
    predictions = changed.pop("predictions", None)
    return records.make(
        records.Measurement,
        identity,
        trial=made.trial,
        provenance=provenance(**changed),
        values=values,
        predictions=predictions,
    )


def accuracy(made: records.Deployable, share: float = 0.75, **changed: Any) -> records.Measurement:
    values = {"test_accuracy": share, "validation_accuracy": share - 0.05, "test_images": 100}
    values["confusion"] = [[9, 1] * 5] * 10
    return measurement(made, "accuracy", values, **changed)


def latency(made: records.Deployable, ratio: float, **changed: Any) -> records.Measurement:
    settings = {**PLAIN, "baseline": "0" * 16} | changed.pop("settings", {})
    values = {"ratio": ratio, "ratio_interval": [ratio - 0.1, ratio + 0.1]}
    return measurement(made, "latency", values, settings=settings, **changed)


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    dice = np.random.default_rng(seed)
    classes = dice.integers(0, 10, 100)
    return {
        "test_classes": classes,
        "test_correct": classes == dice.integers(0, 10, 100),
        "test_probabilities": dice.random(100).astype("f2"),
    }


def written(trial: Trial, seed: int = 0) -> list[records.Record]:
    """Write everything of a trial, predictions included, and return the records."""
    predictions = arrays(seed)
    digest = records.sha256(records.pack(predictions))
    chain = weights(trial)
    made = deployable(trial, chain[-1])
    judged = accuracy(made, predictions=digest)
    timed = latency(made, 0.5)
    for record in (*chain, made, timed):
        records.write(record)
    records.write(judged, predictions)
    return [*chain, made, timed, judged]

"""What the converter is given, and what any runtime can ask of the file."""

from typing import get_args

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from dlmo import conversion, networks
from dlmo.keras_ import keras
from dlmo.techniques import ConversionName
from dlmo.training import compression, steps

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 32, 32, 3)).astype("float32")


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return networks.build("resnet8", 10, width=0.25)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list:
    """What each conversion of a test has given the converter."""
    found: list = []
    take = conversion.tf.lite.TFLiteConverter.from_concrete_functions

    def watch(functions: list, root: object) -> object:
        found.append(root)
        return take(functions, root)

    monkeypatch.setattr(
        conversion.tf.lite.TFLiteConverter, "from_concrete_functions", staticmethod(watch)
    )
    return found


@pytest.mark.parametrize("how", get_args(ConversionName))
def test_a_file_has_a_signature_from_an_image_to_logits(model: keras.Model, how: str) -> None:
    """Without one, the converter has gone another way: it does so in silence."""
    interpreter = Interpreter(model_content=conversion.convert(model, how, IMAGES))
    signature = {"inputs": ["image"], "outputs": ["logits"]}
    assert interpreter.get_signature_list() == {"serving_default": signature}
    said = interpreter.get_signature_runner()(image=IMAGES[:1])["logits"]
    expected = model(IMAGES[:1]).numpy()
    assert np.abs(said - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("simulated", [False, True])
def test_the_converter_is_given_weights_and_no_layers(
    model: keras.Model, simulated: bool, served: list
) -> None:
    """Given layers it saves each: three to four times the time, a gigabyte for ResNet101."""
    given = compression.quantize(model) if simulated else model
    kept = {id(weight) for weight in given.weights}
    conversion.convert(given, "int8", IMAGES)
    (root,) = served
    assert root.submodules == ()
    found = {id(weight) for weight in root.variables}
    assert found and found <= kept


def test_a_pruned_network_is_converted_without_its_masks_to_the_same_file(
    model: keras.Model, served: list
) -> None:
    """They keep zeros while QAT trains; for ResNet101 they took the converter over a gigabyte."""
    pruned = keras.models.clone_model(model)
    pruned.set_weights([_without_the_smallest(values) for values in model.get_weights()])
    masked = compression.quantize(pruned, preserve_sparsity=True, images=IMAGES)
    finished = steps.fake_quantized(model)
    finished.set_weights(masked.get_weights())
    files = [conversion.convert(given, "int8", IMAGES) for given in (masked, finished)]
    assert files[0] == files[1]
    with_masks, without = (_beside_weights(root) for root in served)
    assert without == 0 < with_masks


def _beside_weights(root: object) -> int:
    """Return how many tensors a function computes with that are no variables of its own."""
    traced = root.logits.get_concrete_function()
    return len(traced.captured_inputs) - len(traced.variables)


def _without_the_smallest(values: np.ndarray) -> np.ndarray:
    if values.ndim < 2:
        return values
    return np.where(np.abs(values) < np.quantile(np.abs(values), 0.8), 0, values)

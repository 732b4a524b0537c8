"""What tfmot is taught: every network can be pruned, simulated in 8 bits, and both, to the file."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import tflite
from ai_edge_litert.interpreter import Interpreter
from sklearn.datasets import load_digits

from dlmo import networks
from dlmo.conversion import convert
from dlmo.errors import ImpossibleError
from dlmo.keras_ import keras, tf, tfmot
from dlmo.networks import parts
from dlmo.networks.activations import HardSigmoid, HardSwish
from dlmo.training import compression

layers = keras.layers

SHARE = 0.5
"""Of zeros. At 80 % a network of a quarter of its width is so weak that a rounding in its first
layer changes its decisions; full-width networks are pruned that far by the recipes."""

SLOW = pytest.mark.slow
EACH = [
    "patchwork",
    *(name if name == "vggnet" else pytest.param(name, marks=SLOW) for name in networks.names()),
]
OPERATORS = {
    code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)
}
BOUNDARY = ["QUANTIZE", "DEQUANTIZE"]
"""All that may touch float: one at the entrance, one at the exit."""


@dataclass(frozen=True)
class Chain:
    """One reduced network, pruned, then trained in simulated 8 bits with its zeros kept."""

    original: keras.Model
    pruned: keras.Model
    sparse: keras.Model
    quantized: keras.Model
    file: bytes


@cache
def chain(name: str) -> Chain:
    original = reduced(name)
    schedule = tfmot.sparsity.keras.ConstantSparsity(SHARE, 0, frequency=10)
    pruned = compression.prune(original, schedule)
    train(pruned, 6, 0.05, tfmot.sparsity.keras.UpdatePruningStep())
    sparse = compression.strip(pruned)
    quantized = compression.quantize(sparse, preserve_sparsity=True, images=images()[:200])
    train(quantized, 1, 0.005)
    return Chain(original, pruned, sparse, quantized, convert(quantized, "int8", images()[:64]))


def reduced(name: str) -> keras.Model:
    keras.utils.set_random_seed(1)
    if name == "patchwork":
        keras.backend.reset_uids()
        return patchwork()
    return networks.build(name, 10, width=0.25, depth=0.1)


def patchwork() -> keras.Model:
    """One of each layer that tfmot must be taught, in a network small enough for every run."""
    image = keras.Input((32, 32, 3))
    x = HardSwish()(parts.normalise(parts.conv(image, 8, 3, 2)))
    x = layers.ReLU(6.0)(parts.normalise(parts.depthwise(x)))
    x = layers.MaxPooling2D()(layers.ZeroPadding2D()(parts.conv(x, 16, bias=True)))
    weight = layers.Dense(16, activation="relu")(layers.GlobalAveragePooling2D()(x))
    weight = layers.Reshape((1, 1, 16))(HardSigmoid()(layers.Dense(16)(weight)))
    x = layers.Multiply()([x, weight])
    inside = parts.conv(layers.ReLU()(parts.normalise(x)), 16)
    x = layers.Add()([x, parts.conv(layers.ReLU()(parts.normalise(inside)), 16)])
    x = layers.Concatenate()([x, layers.AveragePooling2D(3, 1, padding="same")(x)])
    return keras.Model(image, parts.classifier(layers.ReLU()(parts.normalise(x)), 10))


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    enlarged = found.images.repeat(4, 1).repeat(4, 2)[..., np.newaxis].repeat(3, -1)
    return (enlarged / 8 - 1).astype("float32"), found.target


def images() -> np.ndarray:
    return digits()[0][:1200]


def test_images() -> np.ndarray:
    return digits()[0][1200:]


test_images.__test__ = False  # type: ignore[attr-defined]


def train(model: keras.Model, epochs: int, rate: float, *callbacks: object) -> None:
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(
        images(),
        digits()[1][:1200],
        batch_size=64,
        epochs=epochs,
        verbose=0,
        callbacks=list(callbacks),
    )


def classes(model: keras.Model) -> np.ndarray:
    return model.predict(test_images(), verbose=0).argmax(axis=1)


def file_classes(content: bytes) -> np.ndarray:
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    entrance = interpreter.get_input_details()[0]["index"]
    exit_ = interpreter.get_output_details()[0]["index"]
    found = []
    for image in test_images():
        interpreter.set_tensor(entrance, image[np.newaxis])
        interpreter.invoke()
        found.append(interpreter.get_tensor(exit_)[0].argmax())
    return np.array(found)


def operators(content: bytes) -> Iterator[tuple[str, list[tflite.Tensor]]]:
    """Each operator's name and its tensors: the inputs, then the outputs."""
    model = tflite.Model.GetRootAs(content)
    graph = model.Subgraphs(0)
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        indexes = [*operator.InputsAsNumpy(), *operator.OutputsAsNumpy()]
        yield OPERATORS[code], [graph.Tensors(index) for index in indexes if index >= 0]


def float_operators(content: bytes) -> list[str]:
    """The operators that read or write float values, in the order of execution."""
    return [
        name
        for name, tensors in operators(content)
        if any(tensor.Type() == tflite.TensorType.FLOAT32 for tensor in tensors)
    ]


def int8_weights(content: bytes) -> dict[str, np.ndarray]:
    """The weights of the convolutions and dense layers in the file, as a whole by operator."""
    buffers = tflite.Model.GetRootAs(content)
    found: dict[str, list[np.ndarray]] = {}
    for name, tensors in operators(content):
        if name in ("CONV_2D", "FULLY_CONNECTED"):
            weights = buffers.Buffers(tensors[1].Buffer()).DataAsNumpy().view(np.int8)
            found.setdefault(name, []).append(weights)
    return {name: np.concatenate(arrays) for name, arrays in found.items()}


def zeros(model: keras.Model) -> float:
    names = compression.prunable(model)
    weights = [weight.numpy() for weight in model.weights if weight.name in names]
    return float(np.mean(np.concatenate([weight.ravel() for weight in weights]) == 0))


@pytest.mark.parametrize("name", EACH)
def test_pruning_leaves_the_share_of_zeros_in_every_kernel(name: str) -> None:
    sparse = chain(name).sparse
    names = compression.prunable(sparse)
    for weight in (weight for weight in sparse.weights if weight.name in names):
        share = float(np.mean(weight.numpy() == 0))
        # The digits' three channels are equal, so weights that regrow after a mask tie in threes.
        assert share == pytest.approx(SHARE, abs=0.02), weight.name


@pytest.mark.parametrize("name", EACH)
def test_stripping_gives_the_plain_network_back(name: str) -> None:
    made, built = chain(name), reduced(name)
    for wrapped in (made.pruned, made.quantized):
        plain = compression.strip(wrapped)
        assert networks.architecture(plain) == networks.architecture(built)
        assert [weight.name for weight in plain.weights] == [w.name for w in built.weights]
        built.set_weights(plain.get_weights())
        np.testing.assert_array_equal(built(images()[:4]), plain(images()[:4]))
    np.testing.assert_allclose(
        made.sparse(images()[:4]), made.pruned(images()[:4]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", EACH)
def test_wrapping_leaves_the_given_model_alone(name: str) -> None:
    untouched, made = reduced(name), chain(name)
    for before, after in zip(untouched.get_weights(), made.original.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert networks.architecture(untouched) == networks.architecture(made.original)


@pytest.mark.parametrize("name", EACH)
def test_the_quantized_file_computes_nothing_in_float(name: str) -> None:
    assert float_operators(chain(name).file) == BOUNDARY


@pytest.mark.parametrize("name", EACH)
def test_the_file_decides_as_the_simulation_does(name: str) -> None:
    simulated, deployed = classes(chain(name).quantized), file_classes(chain(name).file)
    truth = digits()[1][1200:]
    assert np.mean(simulated == truth) > 0.4  # else agreement says nothing
    assert np.mean(simulated == deployed) > 0.95
    assert abs(np.mean(simulated == truth) - np.mean(deployed == truth)) < 0.02


@pytest.mark.parametrize("name", EACH)
def test_the_zeros_of_pruning_survive_to_the_file(name: str) -> None:
    made = chain(name)
    assert zeros(compression.strip(made.quantized)) == zeros(made.sparse)
    for operator, weights in int8_weights(made.file).items():
        assert np.mean(weights == 0) >= SHARE - 0.01, operator


@pytest.mark.parametrize("name", EACH)
def test_the_simulation_starts_where_the_float_model_is(name: str) -> None:
    sparse = chain(name).sparse
    ready = compression.quantize(sparse, images=images()[:200])
    assert np.mean(classes(ready) == classes(sparse)) > 0.93
    difference = np.abs(ready(images()[:200]) - sparse(images()[:200]))
    assert difference.mean() < 0.05 * np.abs(sparse(images()[:200])).max()


@SLOW
@pytest.mark.parametrize("name", networks.names())
def test_without_pruning_the_file_is_int8_and_decides_alike(name: str) -> None:
    model = reduced(name)
    train(model, 4, 0.05)
    quantized = compression.quantize(model, images=images()[:200])
    train(quantized, 1, 0.005)
    file = convert(quantized, "int8", images()[:64])
    assert float_operators(file) == BOUNDARY
    assert np.mean(classes(quantized) == file_classes(file)) > 0.95


def test_plain_quantization_aware_training_destroys_the_zeros() -> None:
    quantized = compression.quantize(chain("vggnet").sparse, images=images()[:200])
    train(quantized, 1, 0.05)
    assert zeros(compression.strip(quantized)) < 0.2 < zeros(chain("vggnet").sparse)


def test_depthwise_kernels_are_simulated_channel_by_channel() -> None:
    """Channels of very different sizes: one scale for all would round the small ones to nothing."""
    image = keras.Input((8, 8, 4))
    model = keras.Model(image, keras.layers.DepthwiseConv2D(3, use_bias=False)(image))
    sizes = np.array([1e-3, 1e-2, 1e-1, 1.0], "float32")
    model.set_weights([model.get_weights()[0] * sizes[:, np.newaxis]])
    kernel = model.get_weights()[0][..., 0]
    wrapper = compression.quantize(model).layers[-1]
    # An impulse in a channel reads the kernel out of the layer.
    rounded = np.stack([_impulse_response(wrapper, channel) for channel in range(4)], axis=-1)
    assert (np.abs(rounded - kernel).max(axis=(0, 1)) <= np.abs(kernel).max((0, 1)) / 253).all()


def _impulse_response(wrapper: keras.layers.Layer, channel: int) -> np.ndarray:
    weight, quantizer, limits = wrapper._weight_vars[0]
    return quantizer(weight, False, limits).numpy()[:, :, channel, 0]


def test_emptied_channels_and_dead_activations_convert() -> None:
    model = reduced("vggnet")
    kernel, bias = model.layers[1].get_weights()
    kernel[..., :3] = 0
    model.layers[1].set_weights([kernel, bias])
    dead = model.layers[3]
    dead.set_weights([np.zeros_like(weight) for weight in dead.get_weights()])
    quantized = compression.quantize(model, preserve_sparsity=True, images=images()[:64])
    file = convert(quantized, "int8", images()[:64])
    assert np.isfinite(quantized(images()[:4])).all()
    assert float_operators(file) == BOUNDARY
    assert len(set(file_classes(file))) == 1  # only the last bias is left


def test_the_bias_of_an_emptied_channel_survives_to_the_file() -> None:
    model = reduced("vggnet")
    kernel, bias = model.layers[1].get_weights()
    kernel[..., ::2], bias[::2] = 0, 0.5
    model.layers[1].set_weights([kernel, bias])

    def disagreement(settled: bool) -> float:
        quantized = compression.quantize(model, preserve_sparsity=True, images=images()[:200])
        if settled:
            compression.settle(quantized)
        said = file_classes(convert(quantized, "int8", images()[:64]))
        return float(np.mean(said != classes(quantized)))

    assert disagreement(settled=True) < 0.03 < disagreement(settled=False)


def test_what_is_prunable_is_what_tfmot_prunes() -> None:
    model = reduced("mobilenet_v1")
    schedule = tfmot.sparsity.keras.ConstantSparsity(SHARE, 0)
    whole = tfmot.sparsity.keras.prune_low_magnitude(reduced("mobilenet_v1"), schedule)
    stock = [
        weight for layer in whole.layers for weight, _, _ in getattr(layer, "pruning_vars", [])
    ]
    assert compression.prunable(model) == [weight.name for weight in stock]
    assert not any("depthwise" in name for name in compression.prunable(model))


def test_masks_follow_the_schedules_frequency() -> None:
    """A mask that begins at step 1,000 leaves twenty steps' weights dense."""
    schedule = tfmot.sparsity.keras.ConstantSparsity(SHARE, 1_000, frequency=100)
    pruned = compression.prune(reduced("vggnet"), schedule)
    train(pruned, 1, 0.01, tfmot.sparsity.keras.UpdatePruningStep())
    assert zeros(compression.strip(pruned)) < 0.01


def test_the_input_is_simulated_on_the_range_that_the_host_sends() -> None:
    quantized = compression.quantize(reduced("vggnet"))
    low, high = (quantized.layers[1].quantizer_vars[f"{end}_var"].numpy() for end in ("min", "max"))
    assert (low, high) == (-1.0, 1.0)


def test_quantization_in_training_mode_moves_the_batch_statistics() -> None:
    """Batch normalisation under simulation learns from the batch, as in float training."""
    quantized = compression.quantize(reduced("patchwork"), images=images()[:64])
    moving = next(w for w in quantized.weights if "moving_mean" in w.name)
    before = moving.numpy()
    quantized(images()[:64], training=False)
    np.testing.assert_array_equal(moving.numpy(), before)
    quantized(tf.constant(images()[:64]), training=True)
    assert not np.array_equal(moving.numpy(), before)


@pytest.mark.parametrize("inner", ["lambda", "model"])
def test_a_layer_without_a_simulation_is_told(inner: str) -> None:
    image = keras.Input((32, 32, 3))
    dense = keras.Sequential([layers.Dense(4)], name="inner_model")
    layer = layers.Lambda(lambda x: x * 2, name="inner_lambda") if inner == "lambda" else dense
    model = keras.Model(image, layers.Dense(10)(layers.Flatten()(layer(image))), name="mine")
    with pytest.raises(ImpossibleError, match=f"'inner_{inner}'.*'mine'"):
        compression.quantize(model)


def test_a_sequential_model_of_ones_own_is_pruned_and_quantized() -> None:
    model = keras.Sequential(
        [keras.Input((32, 32, 3)), layers.Conv2D(4, 3, 2), layers.Flatten(), layers.Dense(10)]
    )
    schedule = tfmot.sparsity.keras.ConstantSparsity(SHARE, 0, frequency=1)
    for wrapped in (compression.prune(model, schedule), compression.quantize(model)):
        plain = compression.strip(wrapped)
        for ours, theirs in zip(plain.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_allclose(plain(images()[:2]), model(images()[:2]), rtol=1e-5, atol=1e-6)

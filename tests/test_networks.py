"""The networks against keras.applications, the paper's sizes and TensorFlow's profiler."""

import json

import numpy as np
import pytest

from dlmo import networks
from dlmo.errors import UserError
from dlmo.keras_ import keras, tf

STOCK = {
    "mobilenet_v1": keras.applications.MobileNet,
    "mobilenet_v2": keras.applications.MobileNetV2,
    "resnet50": keras.applications.ResNet50,
    "resnet101": keras.applications.ResNet101,
}

PAPER_KB = {
    "mobilenet_v1": (12_840, 0.005),
    "mobilenet_v2": (8_924, 0.01),
    "mobilenet_v3_small": (12_161, 0.005),
    "mobilenet_v3_large": (34_939, 0.005),
    "resnet50": (94_052, 0.005),
    "resnet101": (169_961, 0.005),
    "wrn": (1_899, 0.015),
    "vggnet": (56, 0.06),
}
"""Tables 1, 5, 7 and 13: the float file in KB of 1,000 bytes, and how near ours must come.

With a fixed batch of 1 the stock MobileNet v2 itself converts to 8,851 KB (a free batch: 8,914).
The paper's 56 KB of VGGNet are 13,962 × 4 bytes; a file adds some 2.5 KB of tables to them.
"""

NAMES = networks.names()
SLOW = pytest.mark.slow


def float_file(model: keras.Model) -> bytes:
    image = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    function = tf.function(lambda image: model(image, training=False), input_signature=[image])
    concrete = function.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], model).convert()


def profiled_macs(model: keras.Model) -> int:
    """Half of the floating-point operations that TensorFlow counts in the graph's products."""
    with tf.Graph().as_default() as graph:
        copy = keras.models.clone_model(model)
        copy(tf.zeros((1, *model.input_shape[1:])), training=False)
        options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
        options["output"] = "none"
        found = tf.compat.v1.profiler.profile(graph, cmd="op", options=options)
    products = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
    # A child's total holds the children below it; its own are the difference.
    own, node = {}, found
    while node.children:
        below = node.children[0]
        own[below.name] = below.total_float_ops - sum(c.total_float_ops for c in below.children)
        node = below
    return sum(own.get(name, 0) for name in products) // 2


def test_every_network_of_the_vocabulary_is_there() -> None:
    assert set(NAMES) == {
        *("vggnet", "resnet8", "resnet50", "resnet56", "resnet101", "wrn"),
        *("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
    }


@pytest.mark.parametrize(
    ("spec", "classes", "count"),
    [
        ("vggnet", 10, 13_962),
        ("vggnet", 100, 106_212),
        ("resnet8", 10, 78_666),  # MLPerf Tiny's reference model
        ("resnet56", 10, 859_642),
        ("mobilenet_v3_small", 10, 3_052_442),
        pytest.param("mobilenet_v3_large", 10, 8_769_114, marks=SLOW),
    ],
)
def test_parameters(spec: str, classes: int, count: int) -> None:
    assert networks.parameters(networks.build(spec, classes)) == count


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v1",
        pytest.param("mobilenet_v2", marks=SLOW),
        pytest.param("resnet50", marks=SLOW),
        pytest.param("resnet101", marks=SLOW),
    ],
)
def test_stock_networks_have_the_stock_networks_weights(name: str) -> None:
    stock = STOCK[name](input_shape=(32, 32, 3), classes=10, weights=None)
    ours = networks.build(name, 10)
    assert networks.parameters(ours) == stock.count_params()
    # The last layer may be a dense one here, a 1×1 convolution there: compare without ones.
    shapes = [sorted(_squeezed(weight.shape) for weight in m.weights) for m in (ours, stock)]
    assert shapes[0] == shapes[1]


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


@SLOW
@pytest.mark.parametrize("name", STOCK)
def test_stock_networks_compute_what_the_stock_networks_compute(name: str) -> None:
    stock = STOCK[name](
        input_shape=(32, 32, 3), classes=10, weights=None, classifier_activation=None
    )
    ours = networks.build(name, 10)
    ours.set_weights(
        [w.reshape(s.shape) for w, s in zip(_matched(ours, stock), ours.get_weights(), strict=True)]
    )
    images = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(ours(images), stock(images), rtol=1e-3, atol=1e-5)


def _matched(ours: keras.Model, stock: keras.Model) -> list[np.ndarray]:
    """The stock weights in the order of ours: each model's own order, within each kind."""
    waiting: dict[tuple[str, tuple[int, ...]], list[np.ndarray]] = {}
    for weight in stock.weights:
        key = (weight.name.rsplit("/", 1)[-1], _squeezed(weight.shape))
        waiting.setdefault(key, []).append(weight.numpy())
    return [
        waiting[weight.name.rsplit("/", 1)[-1], _squeezed(weight.shape)].pop(0)
        for weight in ours.weights
    ]


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        # 32²·3·8·9 + 16²·8·16·9 + 16²·16·16·9 + 1024·10
        ("vggnet", 221_184 + 294_912 + 589_824 + 10_240),
        ("resnet8", 12_501_632),  # MLPerf Tiny: 12.5 million
    ],
)
def test_macs(name: str, macs: int) -> None:
    assert networks.macs(networks.build(name, 10)) == macs


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v3_small", "resnet50"])
def test_macs_agree_with_tensorflows_profiler(name: str) -> None:
    model = networks.build(name, 10, width=0.25, depth=0.1)
    assert networks.macs(model) == profiled_macs(model)


@pytest.mark.parametrize(
    "name", [name if name == "vggnet" else pytest.param(name, marks=SLOW) for name in PAPER_KB]
)
def test_files_are_as_large_as_the_papers(name: str) -> None:
    paper, tolerance = PAPER_KB[name]
    assert len(float_file(networks.build(name, 10))) / 1000 == pytest.approx(paper, rel=tolerance)


def test_the_standard_squeeze_is_smaller_and_nothing_else_changes() -> None:
    ratio_1 = networks.build("mobilenet_v3_small", 10)
    ratio_4 = networks.build("mobilenet_v3_small[squeeze=4]", 10)
    assert [type(layer) for layer in ratio_1.layers] == [type(layer) for layer in ratio_4.layers]
    excites = [layer for layer in ratio_4.layers if isinstance(layer, keras.layers.Dense)][:-2]
    # Keras' own rule: a quarter, to the nearest multiple of 8.
    assert [layer.units for layer in excites[::2]] == [8, 24, 64, 64, 32, 40, 72, 144, 144]


@pytest.mark.parametrize("name", NAMES)
def test_a_reduced_network_returns_logits(name: str) -> None:
    model = networks.build(name, 3, width=0.25, depth=0.1)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    logits = model(images).numpy()
    assert logits.shape == (2, 3) and logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert (np.abs(logits.sum(axis=1) - 1) > 1e-4).all()  # a softmax's rows would sum to 1


@pytest.mark.parametrize("name", ["vggnet", "resnet56"])
def test_width_and_depth_make_a_network_smaller(name: str) -> None:
    whole = networks.parameters(networks.build(name, 10))
    assert networks.parameters(networks.build(name, 10, width=0.5)) < whole
    assert networks.parameters(networks.build(name, 10, depth=0.5)) < whole


@pytest.mark.parametrize(
    ("name", "shortcuts"),
    [("resnet50", 4), ("mobilenet_v2", 10), ("mobilenet_v3_small", 6), ("mobilenet_v3_large", 10)],
)
def test_zero_gamma_starts_each_block_as_its_shortcut(name: str, shortcuts: int) -> None:
    # Four blocks of ResNet50 show it as well as all sixteen.
    scale = {"depth": 0.1 if name == "resnet50" else 1.0}
    model = networks.build(name, 10, **scale)
    scales = [
        layer.gamma.numpy().max()
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert scales.count(0.0) == shortcuts and scales.count(1.0) == len(scales) - shortcuts
    plain = networks.build(f"{name}[zero_gamma=0]", 10, **scale)
    assert networks.architecture(model) != networks.architecture(plain)


def test_architecture_depends_on_neither_names_nor_weights() -> None:
    first = networks.architecture(networks.build("resnet8", 10))
    keras.layers.Dense(1)
    assert networks.architecture(networks.build("resnet8", 10)) == first
    config = networks.build("resnet8", 10).get_config()
    renamed = keras.Model.from_config(_with_prefixed_names(config))
    assert networks.architecture(renamed) == first
    assert networks.architecture(networks.build("resnet8", 11)) != first
    assert networks.architecture(networks.build("resnet56", 10, depth=0.1)) != first


def _with_prefixed_names(value: object) -> object:
    text = json.dumps(value, default=lambda number: number.tolist())
    for kind in ("conv2d", "batch_normalization", "re_lu", "add", "dense"):
        text = text.replace(f'"{kind}', f'"my_{kind}')
    return json.loads(text)


def test_names_and_file_do_not_depend_on_what_was_built_before() -> None:
    keras.utils.set_random_seed(1)
    first = float_file(networks.build("vggnet", 10))
    networks.build("wrn", 10, depth=0.1)
    keras.utils.set_random_seed(1)
    assert float_file(networks.build("vggnet", 10)) == first


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mobilnet_v1", "did you mean 'mobilenet_v1'"),
        ("ResNet50", "did you mean 'resnet50'"),
        ("wrn[deph=16]", "did you mean 'depth'"),
        ("vggnet[depth=2]", "no options"),
        ("wrn[depth=17]", "6n \\+ 4"),
        ("wrn[width=0]", "whole number"),
        ("wrn[width=x]", "whole number"),
        ("wrn[width=nan]", "whole number"),
        ("resnet56[depth=9]", "6n \\+ 2"),
        ("resnet50[zero_gamma=maybe]", "0 or 1"),
        ("wrn[width", "form"),
        ("", "form"),
    ],
)
def test_wrong_names_and_options_are_told_in_one_line(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        networks.build(spec, 10)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"depth": -1}, {"width": float("nan")}])
def test_wrong_multipliers_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="multiplier"):
        networks.build("vggnet", 10, **wrong)


def test_one_class_is_no_classification() -> None:
    with pytest.raises(UserError, match="at least 2"):
        networks.build("vggnet", 1)

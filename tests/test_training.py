"""Training: batches, augmentation, losses and soft targets against NumPy."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from dlmo import conversion, datasets, machine, networks, recipes
from dlmo.datasets import Split
from dlmo.keras_ import keras, tf
from dlmo.recipes import Augmentation, Distil, Step
from dlmo.training import depthwise, precision, products, steps
from dlmo.training.batches import Batches
from dlmo.training.loop import Loop, fit, optimizer
from dlmo.training.soft_targets import SoftTargets

COUNT, BATCH, SEED = 960, 64, 3
STEPS = COUNT // BATCH


@pytest.fixture(scope="module")
def split() -> Split:
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (COUNT, 32, 32, 3), dtype=np.uint8)
    return Split(images, chance.integers(0, 10, COUNT))


def recipe(**changes: object) -> Step:
    plain = {"optimizer": "sgd", "learning_rate": 0.1, "schedule": "one_cycle", "epochs": 4}
    return Step.model_validate({**plain, "batch_size": BATCH, **changes})


def at(batches: Batches, step: int) -> tuple[np.ndarray, ...]:
    return tuple(part.numpy() for part in batches.at(tf.constant(step, tf.int64)))


def test_each_epoch_shows_every_image_once_in_an_order_of_its_own(split: Split) -> None:
    batches = Batches(split, recipe(), SEED)
    orders = []
    for epoch in range(2):
        index = [at(batches, epoch * STEPS + step)[2] for step in range(STEPS)]
        orders.append(np.concatenate(index))
        assert sorted(orders[-1]) == list(range(COUNT))
    assert (orders[0] != orders[1]).mean() > 0.9
    other = Batches(split, recipe(), SEED + 1)
    assert (at(other, 0)[2] != orders[0][:BATCH]).mean() > 0.9


def test_images_and_labels_belong_together(split: Split) -> None:
    images, labels, index = at(Batches(split, recipe(), SEED), 17)
    assert (labels == split.labels[index]).all()
    assert np.allclose(images, split.images[index] / 127.5 - 1, atol=1e-6)


def shifted(image: np.ndarray, flip: bool, down: int, right: int, reach: int) -> np.ndarray:
    """Cut 32 x 32 out of the grey-framed image."""
    framed = np.full((32 + 2 * reach, 32 + 2 * reach, 3), 128, np.uint8)
    framed[reach:-reach, reach:-reach] = image
    cut = framed[down : down + 32, right : right + 32]
    return cut[:, ::-1] if flip else cut


def test_an_augmented_image_is_a_flip_and_a_shift_of_its_own(split: Split) -> None:
    reach = 2
    changed = recipe(augmentation=Augmentation(flip=True, shift=reach))
    batches = Batches(split, changed, SEED)
    seen = []
    for step in range(STEPS):
        images, _, index = at(batches, step)
        pixels = np.rint((images + 1) * 127.5).astype(np.uint8)
        for shown, place in zip(pixels, index, strict=True):
            seen.append(_which(shown, split.images[place], reach))
    flips, downs, rights = np.array(seen).T
    assert abs(flips.mean() - 0.5) < 0.02
    for shifts in (downs, rights):
        counts = np.bincount(shifts, minlength=5)
        assert counts.min() > COUNT / 5 * 0.8
    assert abs(np.corrcoef(flips, downs)[0, 1]) < 0.1


def _which(shown: np.ndarray, original: np.ndarray, reach: int) -> tuple[int, int, int]:
    for flip in (False, True):
        for down in range(2 * reach + 1):
            for right in range(2 * reach + 1):
                if (shifted(original, flip, down, right, reach) == shown).all():
                    return int(flip), down, right
    raise AssertionError("no flip and shift of the image gives what was shown")


def test_the_change_depends_on_seed_epoch_and_image_alone(split: Split) -> None:
    changed = recipe(augmentation=Augmentation(flip=True, shift=4))
    small = Batches(split, changed, SEED)
    large = Batches(split, changed.model_copy(update={"batch_size": 192}), SEED)
    index, epoch = tf.range(COUNT, dtype=tf.int64), tf.constant(2, tf.int64)
    assert (small.images(index, epoch).numpy() == large.images(index, epoch).numpy()).all()
    later = small.images(index, epoch + 1).numpy()
    assert (later != small.images(index, epoch).numpy()).mean() > 0.5


def network() -> keras.Model:
    return steps.build("vggnet", 10, 1.0, 1.0, seed=1)


def test_the_loss_is_the_cross_entropy_with_smoothed_labels(split: Split) -> None:
    smooth = 0.1
    loop = Loop(network(), Batches(split, recipe(), SEED), recipe(label_smoothing=smooth))
    logits = np.random.default_rng(1).normal(size=(8, 10)).astype("f4")
    labels = np.arange(8)
    targets = np.full((8, 10), smooth / 10)
    targets[np.arange(8), labels] += 1 - smooth
    expected = -(targets * log_softmax(logits, axis=1)).sum(axis=1).mean()
    found = loop._loss(tf.constant(logits), tf.constant(labels), None)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_distillation_is_hintons_loss_on_the_teachers_view_of_the_same_picture(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLMO_STORE", str(tmp_path))
    heat, weight = 4.0, 0.9
    distil = Distil.model_validate(
        {
            **recipe(augmentation=Augmentation(flip=True, shift=4)).model_dump(),
            "augmentation": Augmentation(flip=True, shift=4),
            "teacher": "vggnet",
            "temperature": heat,
            "soft_weight": weight,
        }
    )
    batches, teacher = Batches(split, distil, SEED), network()
    soft = SoftTargets(teacher, "0123456789abcdef", batches, SEED)
    soft.load(1)
    images, labels, index = at(batches, STEPS + 2)
    said = teacher(images, training=False).numpy()
    kept = soft.at(tf.constant(index)).numpy()
    assert np.allclose(kept, said, atol=2e-3)
    logits = np.random.default_rng(2).normal(size=(BATCH, 10)).astype("f4")
    hard = -log_softmax(logits, axis=1)[np.arange(BATCH), labels].mean()
    soft_part = -(softmax(kept / heat, axis=1) * log_softmax(logits / heat, axis=1)).sum(axis=1)
    expected = (1 - weight) * hard + weight * heat**2 * soft_part.mean()
    found = Loop(network(), batches, distil, soft)._loss(
        tf.constant(logits), tf.constant(labels), tf.constant(index)
    )
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_soft_targets_are_computed_once_and_shared(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLMO_STORE", str(tmp_path))
    batches, teacher = Batches(split, recipe(), SEED), network()
    SoftTargets(teacher, "ab" * 8, batches, SEED).load(0)
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npy")}
    assert len(kept) == 1
    SoftTargets(teacher, "ab" * 8, batches, SEED).load(0)
    assert kept == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npy")}


def test_the_one_cycle_rises_to_the_peak_and_falls_to_nothing() -> None:
    rate = optimizer(recipe(warmup=0.25), STEPS)._learning_rate
    total = STEPS * 4
    rates = np.array([float(rate(step)) for step in range(total + 1)])
    assert rates[0] == 0 and rates[-1] == pytest.approx(0, abs=1e-6)
    assert rates.max() == pytest.approx(0.1, rel=0.01)
    assert rates.argmax() == pytest.approx(total * 0.25, abs=1)


@pytest.mark.parametrize("sparsity", [0.5, 0.8])
def test_pruning_reaches_its_target_exactly_at_the_end_of_its_schedule(sparsity: float) -> None:
    profile = recipes.profile("smoke")
    prune = profile.step("prune", "vggnet", (("sparsity", sparsity), ("frequency", 7)))
    schedule = steps._schedule(prune, 19)
    updates = [step for step in range(19 * prune.epochs) if bool(schedule(step)[0])]
    final = float(schedule(updates[-1])[1])
    assert final == pytest.approx(sparsity, abs=1e-6)
    assert updates[-1] < 19 * prune.epochs


@pytest.mark.parametrize(
    ("pixels", "kernel", "stride", "multiplier"),
    [((2, 2), 3, 1, 1), ((1, 1), 3, 1, 1), ((4, 4), 5, 2, 1), ((1, 3), 5, 1, 2), ((2, 2), 5, 2, 3)],
)
def test_a_depthwise_kernel_has_tensorflows_gradients_on_small_maps(
    pixels: tuple[int, int], kernel: int, stride: int, multiplier: int
) -> None:
    chance = np.random.default_rng(0)
    x = tf.Variable(chance.normal(size=(8, *pixels, 6)).astype("float32"))
    layer = keras.layers.DepthwiseConv2D(
        kernel, stride, "same", depth_multiplier=multiplier, activation="relu"
    )
    layer(x)
    found = []
    for within in (nullcontext, depthwise.quick_on_small_maps):
        with tf.GradientTape() as tape, within():
            loss = tf.reduce_sum(tf.sin(layer(x)))
        found.append(tape.gradient(loss, [x, *layer.trainable_variables]))
    for stock, quick in zip(*found, strict=True):
        np.testing.assert_allclose(quick, stock, rtol=1e-4, atol=1e-4)


def test_the_quick_gradient_is_taken_on_small_maps_only(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(depthwise, "_quick", lambda x, *_: taken.append(x.shape[1]) or x)
    with depthwise.quick_on_small_maps():
        for pixels in (2, 3, 8):
            keras.layers.DepthwiseConv2D(3, padding="same")(tf.zeros((1, pixels, pixels, 4)))
    assert taken == [2]


@pytest.mark.parametrize(
    ("pixels", "kernel", "stride", "padding", "bias"),
    [
        ((8, 8), 1, 1, "same", True),
        ((1, 1), 1, 1, "valid", False),
        ((5, 4), 1, 2, "same", False),
        ((4, 7), 1, (2, 3), "valid", True),
        ((1, 1), 3, 1, "same", True),
        ((1, 1), (4, 5), 2, "same", False),
        ((2, 2), 3, 1, "same", False),
        ((2, 1), (4, 3), 1, "same", True),
        ((3, 2), (5, 4), 1, "same", False),
    ],
)
def test_a_convolution_by_products_has_tensorflows_gradients(
    pixels: tuple[int, int],
    kernel: int | tuple[int, int],
    stride: int | tuple[int, int],
    padding: str,
    bias: bool,
) -> None:
    chance = np.random.default_rng(0)
    x = tf.Variable(chance.normal(size=(8, *pixels, 6)).astype("float32"))
    layer = keras.layers.Conv2D(5, kernel, stride, padding, use_bias=bias, activation="relu")
    layer(x)
    found = []
    for within in (nullcontext, products.as_products):
        with tf.GradientTape() as tape, within():
            made = layer(x)
            loss = tf.reduce_sum(tf.sin(made))
        found.append([made, *tape.gradient(loss, [x, *layer.trainable_variables])])
    for stock, product in zip(*found, strict=True):
        np.testing.assert_allclose(product, tf.convert_to_tensor(stock), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "pixels", "options", "multiplied"),
    [
        (1, 8, {}, True),
        (1, 8, {"strides": 2}, True),
        (1, 8, {"groups": 2}, False),
        (3, 1, {}, True),
        (3, 2, {}, True),
        (3, 3, {}, False),
        (3, 2, {"strides": 2}, False),
        (3, 2, {"dilation_rate": 2}, False),
        (4, 3, {}, False),
    ],
)
def test_a_convolution_becomes_a_product_only_where_all_is_seen(
    kernel: int,
    pixels: int,
    options: dict[str, int],
    multiplied: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = []
    stock = products._stock
    monkeypatch.setattr(products, "_stock", lambda *it: left.append(it[0].name) or stock(*it))
    layer = keras.layers.Conv2D(4, kernel, padding="same", **options)
    with products.as_products():
        layer(tf.zeros((1, pixels, pixels, 4)))
    assert left == ([] if multiplied else [layer.name])
    layer(tf.zeros((1, pixels, pixels, 4)))
    assert keras.layers.Conv2D.convolution_op is stock


def test_nothing_tunes_the_input_while_it_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def seen(loop: Loop, ticks: tf.data.Dataset, **options: object) -> None:
        given.extend([ticks, options["validation_data"]])
        (tmp_path / "training" / "history.json").write_text("[]")

    monkeypatch.setattr(Loop, "fit", seen)
    recipe = recipes.profile("smoke").step("train", "vggnet")
    images = Split(np.zeros((64, 32, 32, 3), "u1"), np.zeros(64, "i8"))
    loop = Loop(network(), Batches(images, recipe, SEED), recipe)
    fit(loop, recipe, 1, images, tmp_path / "training", lambda *_: None)
    assert [data.options().autotune.enabled for data in given] == [False, False]


def low(values: np.ndarray) -> np.ndarray:
    """Round to bfloat16 by the bits: to the nearest, ties to even."""
    bits = np.ascontiguousarray(values, "f4").view("u4")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view("f4")


LAYERS = {
    "convolution": lambda: keras.layers.Conv2D(24, 3, padding="same", use_bias=False),
    "convolution of single pixels": lambda: keras.layers.Conv2D(24, 1, use_bias=False),
    "dense": lambda: keras.layers.Dense(24, use_bias=False),
}


def test_a_processor_that_multiplies_bfloat16_rounds_what_enters_a_product() -> None:
    if not {"amx_bf16", "avx512_bf16"} & {*machine.this().instruction_sets}:
        pytest.skip("this processor does not multiply bfloat16")
    chance = np.random.default_rng(5)
    left, right = (chance.normal(size=(64, 64)).astype("f4") for _ in "ab")
    product = tf.function(lambda a, b: tf.nn.relu(tf.matmul(a, b)))
    with precision.computing_in("bfloat16"):
        found = product(left, right)
    full = product(left, right)
    assert found.dtype == full.dtype == tf.float32
    assert np.allclose(full, np.maximum(left @ right, 0), atol=1e-4)
    assert np.allclose(found, np.maximum(low(left) @ low(right), 0), atol=0.1)
    assert not np.allclose(found, full, atol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_elsewhere_a_layer_rounds_what_enters_and_leaves_it_and_no_weight(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference rounds before and after float32's own layer, forwards and backwards."""
    monkeypatch.setattr(precision, "_multiplies", lambda: False)
    layer, chance = LAYERS[name](), np.random.default_rng(5)
    shape = (4, 32) if name == "dense" else (4, 8, 8, 32)
    x = chance.normal(size=shape).astype("f4")
    layer.build(shape)
    kernel = layer.kernel.numpy()
    upstream = chance.normal(size=layer(x).shape).astype("f4")

    def passed(x: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            out = layer(x)
        return out, *tape.gradient(out, [x, layer.kernel], upstream)

    def rounded(x: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with products.as_products(), precision.rounding("bfloat16"):
            return passed(x, upstream)

    with precision.computing_in("bfloat16"):
        found = [part.numpy() for part in tf.function(rounded)(x, upstream)]
    assert (layer.kernel.numpy() == kernel).all()
    full = [part.numpy() for part in passed(tf.constant(x), tf.constant(upstream))]
    layer.kernel.assign(low(kernel))
    expected = [low(part) for part in passed(tf.constant(low(x)), tf.constant(low(upstream)))]
    for part, low_part, full_part in zip(found, expected, full, strict=True):
        step = np.abs(full_part).max() / 128  # the sums' order can move a value by one step
        np.testing.assert_allclose(part, low_part, atol=step)
        assert np.abs(part - low_part).mean() < 0.1 * np.abs(part - full_part).mean()
    assert keras.layers.Conv2D.convolution_op is products._stock


def test_a_loop_computes_in_the_precision_of_its_recipe(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_multiplies", lambda: False)
    seen = []
    for name in ("float32", "bfloat16"):
        asked = recipe(precision=name)
        keras.utils.set_random_seed(0)
        loop = Loop(network(), Batches(split, asked, SEED), asked)
        loop.compile(optimizer=optimizer(asked, STEPS))
        seen.append(loop.fit(tf.data.Dataset.range(1), verbose=0).history["loss"][0])
    assert seen[0] != seen[1]
    assert seen[0] == pytest.approx(seen[1], rel=0.01)


def test_what_a_teacher_says_does_not_depend_on_its_first_students_precision(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLMO_STORE", str(tmp_path))
    teacher = steps.build("vggnet", 10, 1.0, 1.0, 0)
    batches = Batches(split, recipe(), SEED)
    said = []
    for number, name in enumerate(("float32", "bfloat16")):
        soft = SoftTargets(teacher, f"teacher{number}", batches, SEED)
        with precision.computing_in(name):
            soft.load(0)
        said.append(soft.at(tf.range(COUNT)).numpy())
    assert (said[0] == said[1]).all()


def test_an_untrained_residual_network_weighs_what_a_trained_one_does(tmp_path: Path) -> None:
    """Scales that begin at zero would make kernels of zeros, which the file has only once."""
    network = networks.build("resnet50", 10, width=0.125)
    trained = keras.models.clone_model(network)
    rng = np.random.default_rng(0)
    trained.set_weights([rng.uniform(0.1, 1, values.shape) for values in network.get_weights()])
    recipe = Step(
        optimizer="sgd",
        learning_rate=0.1,
        schedule="constant",
        batch_size=128,
        epochs=0,
        untrained=True,
    )
    data = datasets.load("digits")
    ignored = lambda *_: None  # noqa: E731
    found, history = steps.run("train", network, recipe, data, 0, tmp_path, ignored)
    assert history == []
    bytes_, expected = (len(conversion.convert(one, "dynamic")) for one in (found, trained))
    assert bytes_ == pytest.approx(expected, rel=0.01)

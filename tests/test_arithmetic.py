"""The paper's equations in NumPy, held against the files that were made and other libraries."""

import itertools
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import signal, special, stats

import make_deployables
from dlmo import datasets, deployable, paths
from dlmo.arithmetic import (
    convolution,
    distillation,
    floats,
    hybrid,
    pruning,
    quantization,
    simulation,
)
from dlmo.deployable import Options
from dlmo.errors import UserError
from dlmo.instruments import trace

MODELS = paths.ROOT / "data/models"


@pytest.fixture(scope="session")
def made(request) -> Path:
    return make_deployables.folder(request.config.cache)


def conversions() -> list:
    """Return each kept float file with each kept 8-bit file of the same weights."""
    found = []
    for folder, (plain, names) in itertools.product(
        sorted(MODELS.glob("*/*")),
        {
            "NQ": ("BLQ", "FIQ"),
            "PRN": ("PRQ",),
            "NQ+FT": ("NQ+FT+BLQ", "NQ+FT+FIQ"),
        }.items(),
    ):
        for source in sorted(folder.glob(f"{plain}-*.tflite")):
            variant = source.name.split(".")[0].removeprefix(plain)
            targets = (next(folder.glob(f"{name}{variant}.*.tflite"), None) for name in names)
            found += [pytest.param(source, target, id=target.name) for target in targets if target]
    return found


# Equation 1 -------------------------------------------------------------------------------------


def test_equation_1_is_the_papers_word_for_word():
    def literally(x: float, r: float) -> int:
        clipped = min(max(Fraction(x), -Fraction(r)), Fraction(r))
        return round(Fraction(127) / Fraction(r) * clipped)

    chance = np.random.default_rng(1)
    values, reach = chance.normal(size=300), 1.25
    assert quantization.equation_1(values, reach).tolist() == [
        literally(value, reach) for value in values
    ]
    assert quantization.equation_1(np.array([0.5, 1.5, -2.5]), 127.0).tolist() == [0, 2, -2]


@pytest.mark.parametrize("equation", [quantization.equation_1, quantization.equation_1_in_fp32])
def test_a_channel_without_weights_stays_zero(equation):
    weights = np.array([[0.0, 0.0], [0.6, -1.0]])
    assert equation(weights, quantization.reaches(weights)).tolist() == [[0, 0], [76, -127]]


def test_in_fp32_halves_go_away_from_zero_and_what_is_less_does_not():
    values = np.array([0.5, 1.5, -2.5, np.nextafter(np.float32(0.5), np.float32(0)), 200.0])
    assert quantization.equation_1_in_fp32(values, 127.0).tolist() == [1, 2, -3, 0, 127]


def test_in_fp32_random_weights_are_as_in_fp64_but_at_halves():
    values = np.random.default_rng(2).normal(size=(8, 100_000)).astype(np.float32)
    reach = quantization.reaches(values)
    apart = quantization.equation_1(values, reach) != quantization.equation_1_in_fp32(values, reach)
    scaled = (values * (127 / reach))[apart]
    assert apart.mean() < 1e-4
    assert np.abs(np.abs(scaled) % 1 - 0.5).max(initial=0) < 1e-4


@pytest.mark.parametrize(("plain", "quantized"), conversions())
def test_equation_1_gives_every_integer_of_every_layer_of_the_kept_files(plain, quantized):
    found = quantization.matches(deployable.read(plain), deployable.read(quantized))
    assert any(match.quantized for match in found)
    for match in found:
        assert match.exact, f"{match.layer.name}: {match.equal} of {match.layer.weights}"
        channels = match.layer.shape[0 if match.layer.shape[0] > 1 else -1]
        assert match.channels in (0, channels)


@pytest.mark.parametrize("kind", ["dynamic", "int8"])
def test_equation_1_gives_the_integers_of_depthwise_kernels_too(made, kind):
    plain = deployable.read(made / "float.tflite")
    found = quantization.matches(plain, deployable.read(made / f"{kind}.tflite"))
    by_operator = {match.layer.operator: match for match in found}
    assert all(match.exact for match in found)
    # BLQ leaves small tensors float.
    assert by_operator["DEPTHWISE_CONV_2D"].quantized == (kind == "int8")
    assert found[-2].quantized


def test_a_changed_weight_is_noticed(made):
    plain = deployable.read(made / "float.tflite")
    last = plain.layers[-1]
    weights = plain.tensor(last.index).data().copy()
    weights[0, 0] += 9
    changed = deployable.read(deployable.replaced(plain, {(0, last.index): weights}))
    assert not quantization.matches(changed, deployable.read(made / "int8.tflite"))[-1].exact
    with pytest.raises(UserError, match="not conversions of one network"):
        quantization.matches(plain, deployable.read(made / "wide.tflite"))


def test_the_loss_of_a_range_is_clipping_and_rounding():
    values = np.linspace(-1, 1, 20_001)
    free = quantization.loss(values, 1.0)
    assert (free.clipped, free.clipping) == (0, 0)
    # A step of 1/127, errors uniform within it: its width over the square root of 12.
    assert free.rounding == pytest.approx(1 / 127 / np.sqrt(12), rel=0.01)
    tight = quantization.loss(values, 0.5)
    assert tight.clipped == pytest.approx(0.5, abs=1e-3)
    assert tight.clipping == pytest.approx(np.sqrt(2 * 0.5**3 / 3 / 2), rel=1e-3)
    assert tight.total == pytest.approx(np.hypot(tight.clipping, tight.rounding), rel=0.01)


# Equation 2 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("padded", "stride", "size", "length"),
    [(True, 1, 3, 9), (False, 1, 3, 9), (True, 2, 3, 8), (True, 2, 3, 9), (False, 2, 5, 11)],
)
def test_convolutions_are_scipys(padded, stride, size, length):
    chance = np.random.default_rng(size + length)
    source = chance.normal(size=(1, length, length, 3))
    kernel = chance.normal(size=(4, size, size, 3))
    options = Options(stride=(stride, stride), padded=padded)
    got = hybrid.convolve(source, kernel, options)
    full = np.stack(
        [
            sum(
                signal.correlate(source[0, :, :, c], kernel[o, :, :, c], mode="full")
                for c in range(3)
            )
            for o in range(4)
        ],
        axis=-1,
    )
    out = -(-length // stride) if padded else (length - size) // stride + 1
    before = max((out - 1) * stride + size - length, 0) // 2 if padded else 0
    first = size - 1 - before
    wanted = full[first::stride, first::stride][:out, :out]
    np.testing.assert_allclose(got[0], wanted, atol=1e-12)
    one = kernel[:1].transpose(0, 1, 2, 3)
    single = hybrid.convolve_depthwise(source, one, options)
    np.testing.assert_allclose(single.sum(axis=-1), hybrid.convolve(source, one, options)[..., 0])


def test_the_hybrid_kernels_round_their_inputs_around_a_zero_point(made):
    path = made / "dynamic.tflite"
    image = np.random.default_rng(0).integers(0, 256, make_deployables.SHAPE, np.uint8)
    found = deployable.read(path)
    gaps = hybrid.gaps(found, trace.tensors(path, image))
    assert len(gaps) == sum(layer.dtype == "int8" for layer in found.layers) > 0
    for gap in gaps:
        assert gap.largest["asymmetric"] < 1e-5 * gap.scale
        assert gap.largest["equation 2"] > 1e-4 * gap.scale
        assert gap.largest["symmetric"] > 1e-4 * gap.scale


def test_a_float_file_with_dequantized_weights_runs_as_equation_2_says(made, tmp_path):
    plain, rounded = (deployable.read(made / f"{kind}.tflite") for kind in ("float", "dynamic"))
    target = tmp_path / "equation_2.tflite"
    target.write_bytes(hybrid.as_floats(plain, rounded))
    patched = deployable.read(target)
    for layer, mine, theirs in quantization.pairs(patched, rounded):
        np.testing.assert_array_equal(mine.data(), theirs.values(), err_msg=layer.name)
    images = datasets.load("digits").test.images[:4, 8:24, 8:24]
    said = {name: trace.outputs(made / f"{name}.tflite", images) for name in ("float", "dynamic")}
    without = np.abs(trace.outputs(target, images) - said["float"]).max()
    assert 0 < without < np.abs(said["float"]).max() / 20
    assert not np.array_equal(trace.outputs(target, images), said["dynamic"])


# QAT --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "weights", sorted(MODELS.glob("*/*/train-qat-*.npz")), ids=lambda path: path.name
)
def test_the_file_of_qat_holds_the_integers_that_were_simulated(weights):
    variant = weights.name.removeprefix("train-qat").split(".")[0]
    found = deployable.read(next(weights.parent.glob(f"QAT{variant}.*.tflite")))
    with np.load(weights) as archive:
        arrays = [archive[f"arr_{place}"] for place in range(len(archive.files))]
    layers = simulation.compare(arrays, found)
    assert [layer.layer for layer in layers] == list(found.layers)
    assert all(layer.equal > 0.999 and layer.apart <= 1 for layer in layers)
    kernel = next(place for place, array in enumerate(arrays) if array.ndim > 1)
    arrays[kernel] = -arrays[kernel] + 0.1
    assert simulation.compare(arrays, found)[0].equal < 0.5


def test_weights_of_another_network_are_one_clear_line(made):
    with pytest.raises(UserError, match="hold no kernel for the layer"):
        simulation.compare([np.ones((2, 2))], deployable.read(made / "int8.tflite"))


# Floats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "code", "kind"), [(floats.FP32, ">f", np.float32), (floats.FP16, ">e", np.float16)]
)
def test_formats_are_those_of_ieee_754(form, code, kind):
    limits = np.finfo(kind)
    assert form.largest == float(limits.max)
    assert form.smallest_normal == float(limits.smallest_normal)
    assert form.smallest == float(limits.smallest_subnormal)
    for number in (0.0, -0.0, 1.0, -2.5, 0.1, 65504.0, 6e-8, 3.14159265, float("inf")):
        packed = struct.pack(code, number)
        assert floats.bits(number, form) == "".join(f"{byte:08b}" for byte in packed)


def test_every_fp16_pattern_has_the_value_that_numpy_reads():
    patterns = np.arange(2**16, dtype=np.uint16)
    wanted = patterns.view(np.float16).astype(float)
    got = np.array([floats.value(f"{pattern:016b}", floats.FP16) for pattern in patterns])
    np.testing.assert_array_equal(got, wanted)


def test_the_papers_removal_leaves_a_bit_too_many_and_another_one_works():
    assert len(floats.by_removal(1.0, floats.PAPERS_RULE)) == floats.FP16.width + 1
    chance = np.random.default_rng(5)
    normal = np.exp(chance.uniform(np.log(2.0**-14), np.log(65_504), 500)) * chance.choice(
        [-1, 1], 500
    )
    assert all(floats.agrees(number, floats.WORKING_RULE) for number in normal)
    assert not any(floats.agrees(number, floats.PAPERS_RULE) for number in normal)
    last_three = [floats.agrees(number, (5, 6, 7)) for number in normal]
    assert not all(last_three)


def test_cutting_mantissas_off_goes_towards_zero():
    values = np.random.default_rng(3).normal(size=1000).astype(np.float32)
    cut = floats.truncated(values).astype(float)
    assert (np.abs(cut) <= np.abs(values)).all()
    assert (np.abs(cut - values) < 2.0**-10 * np.abs(values)).all()


# Pruning ----------------------------------------------------------------------------------------


def test_the_schedule_is_tfmots():
    from dlmo.keras_ import tf, tfmot

    schedule = tfmot.sparsity.keras.PolynomialDecay(0.1, 0.8, 20, 120, frequency=10)
    for step in range(20, 201, 10):
        wanted = float(schedule(tf.constant(step))[1])
        got = pruning.sparsity(step / 200, initial=0.1, final=0.8, begin=0.1, end=0.6)
        assert float(got) == pytest.approx(wanted, abs=1e-6), step
    assert pruning.sparsity(0.05, initial=0.1, final=0.8, begin=0.1) == 0


def test_pruning_zeroes_the_smallest():
    weights = np.random.default_rng(0).normal(size=(20, 5))
    left = pruning.pruned(weights, 0.8)
    assert np.count_nonzero(left == 0) == 80
    assert np.abs(weights[left == 0]).max() <= np.abs(left[left != 0]).min()
    assert pruning.entropy(np.array([0, 0, 1, 2])) == pytest.approx(
        stats.entropy([0.5, 0.25, 0.25], base=2)
    )


def test_a_pruned_file_has_the_zeros_and_nothing_else_is_changed(made):
    plain = deployable.read(made / "float.tflite")
    sparse = deployable.read(pruning.pruned_file(plain, 0.9))
    for layer, before, after in quantization.pairs(plain, sparse):
        old, new = before.data(), after.data()
        assert np.array_equal(new[new != 0], old[new != 0])
        wanted = 0 if layer.operator == "DEPTHWISE_CONV_2D" else round(0.9 * layer.weights)
        assert np.count_nonzero(new == 0) == wanted
    assert sparse.bytes == plain.bytes
    assert sparse.zipped_bytes < plain.zipped_bytes / 2
    last = plain.layers[-1]
    with pytest.raises(UserError, match="can't take float32"):
        deployable.replaced(plain, {(0, last.index): np.zeros((1, 2), np.float32)})


# Distillation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 100.0])
def test_equation_3_and_the_loss_are_scipys(temperature):
    chance = np.random.default_rng(2)
    teacher, student = chance.normal(0, 6, (2, 7, 10))
    labels = chance.integers(0, 10, 7)
    soft = special.softmax(teacher / temperature, axis=-1)
    np.testing.assert_allclose(distillation.equation_3(teacher, temperature), soft, atol=1e-12)
    np.testing.assert_allclose(
        distillation.entropy(soft), stats.entropy(soft, base=2, axis=-1), atol=1e-9
    )
    hard = -special.log_softmax(student, axis=-1)[np.arange(7), labels].mean()
    warm = -(soft * special.log_softmax(student / temperature, axis=-1)).sum(-1).mean()
    wanted = 0.1 * hard + 0.9 * temperature**2 * warm
    got = distillation.loss(student, teacher, labels, temperature, 0.9)
    assert got == pytest.approx(wanted)


def test_huge_logits_overflow_nothing():
    assert distillation.equation_3(np.array([1e6, 0.0])).tolist() == [1.0, 0.0]


# Light convolutions -----------------------------------------------------------------------------


def test_counts_are_those_of_a_real_file(made):
    layers = {layer.operator: layer for layer in deployable.read(made / "float.tflite").layers[1:3]}
    depth, point = layers["DEPTHWISE_CONV_2D"], layers["CONV_2D"]
    size = round((depth.macs / depth.weights) ** 0.5)
    place = convolution.Place(size, depth.shape[-1], point.shape[0])
    assert convolution.depthwise(place) == convolution.Cost(depth.weights, depth.macs)
    assert convolution.pointwise(place) == convolution.Cost(point.weights, point.macs)
    both = convolution.separable(place)
    assert both.macs / convolution.standard(place).macs == pytest.approx(convolution.share(place))


def test_an_inverted_residual_is_its_three_layers():
    place = convolution.Place(8, 24, 32)
    cost = convolution.inverted_residual(place, 6)
    wide = 6 * 24
    assert cost.parameters == 24 * wide + 9 * wide + wide * 32
    assert cost.macs == 64 * cost.parameters
    assert convolution.squeeze_excite(96, 4) == convolution.Cost(2 * 96 * 24, 2 * 96 * 24)

"""Common corruptions against SciPy, Pillow, colorsys and closed forms; the instrument beside it."""

import colorsys
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from dlmo import datasets, paths
from dlmo.datasets import corruptions
from dlmo.datasets.corruptions import blur, digital, noise, parts, weather
from dlmo.datasets.resizing import stretched
from dlmo.errors import UserError
from dlmo.instruments import accuracy, robustness

DIGITS = next((paths.ROOT / "data/models/digits/vggnet").glob("NQ-smoke-0.*.tflite"))


def chance() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """Return smooth coloured images with an edge, as photographs have them."""
    dice = np.random.default_rng(1)
    made = ndimage.gaussian_filter(dice.random((12, 32, 32, 3)), (0, 3, 3, 0))
    made = (made - made.min()) / np.ptp(made)
    made[:, 10:20, 8:24] = 0.8 * dice.random((12, 1, 1, 3)) + 0.1
    return np.rint(255 * made).astype(np.uint8)


# The parts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.13, 1.25, 1.75, 2.25])
def test_zooming_is_scipys_zoom_of_the_middle(images, factor):
    found = parts.zoomed(images / 255.0, factor)
    kept = int(np.ceil(32 / factor))
    first = (32 - kept) // 2
    middle = images[:, first : first + kept, first : first + kept] / 255.0
    whole = ndimage.zoom(middle, (1, factor, factor, 1), order=1)
    cut = (whole.shape[1] - 32) // 2
    assert found == pytest.approx(whole[:, cut : cut + 32, cut : cut + 32], abs=1e-9)


def test_reading_between_pixels_is_scipys_linear_interpolation(images):
    down, right = chance().uniform(-4, 36, (2, 12, 32, 32))
    found = parts.between(images / 255.0, down, right)
    for at in range(3):
        for channel in range(3):
            layer = images[at, ..., channel] / 255.0
            wanted = ndimage.map_coordinates(layer, [down[at], right[at]], order=1, mode="mirror")
            assert found[at, ..., channel] == pytest.approx(wanted, abs=1e-9)


def test_a_smeared_point_is_half_a_normal_curve_along_its_angle():
    point = np.zeros((3, 21, 21, 1))
    point[:, 10, 10] = 1
    level, upright, slanted = parts.smeared(point, 6, 2, np.array([0.0, 90.0, 45.0]))[..., 0]
    weights = np.exp(-(np.arange(13) ** 2) / 8)
    weights /= weights.sum()
    assert level[10, 10::-1] == pytest.approx(weights[:11], abs=1e-3)
    assert upright[10::-1, 10] == pytest.approx(weights[:11], abs=1e-3)
    assert slanted[9, 9] > 0 and slanted[9, 11] == 0
    flat = parts.smeared(np.full((2, 9, 9, 3), 0.3), 9, 2.5, np.array([20.0, -45.0]))
    assert flat == pytest.approx(0.3, abs=2e-3)


def test_a_fractal_fills_its_scale_and_is_smoother_where_steps_decay_faster():
    rough, smooth = (parts.fractal(20, 32, decay, chance()) for decay in (1.75, 3))
    for made in (rough, smooth):
        assert made.shape == (20, 32, 32)
        assert made.min(axis=(1, 2)) == pytest.approx(0)
        assert made.max(axis=(1, 2)) == pytest.approx(1)
    steps = [np.abs(np.diff(made, axis=2)).mean() for made in (rough, smooth)]
    assert steps[0] > 1.3 * steps[1]
    assert parts.fractal(2, 21, 2, chance()).shape == (2, 21, 21)


# The kinds ----------------------------------------------------------------------------------------


def test_noise_has_the_deviations_that_its_constants_say():
    grey = np.full((40, 32, 32, 3), 0.5)
    assert noise.gaussian(grey, 0.1, chance=chance()).std() == pytest.approx(0.1, rel=0.02)
    photons = noise.shot(grey, 50, chance=chance())
    assert photons.mean() == pytest.approx(0.5, rel=0.01)
    assert photons.std() == pytest.approx(np.sqrt(0.5 / 50), rel=0.02)
    broken = noise.impulse(grey, 0.07, chance=chance())
    assert (broken != 0.5).mean() == pytest.approx(0.07, rel=0.05)
    assert (broken == 1).sum() == pytest.approx((broken == 0).sum(), rel=0.1)


def test_glass_exchanges_pixels_and_loses_none(images):
    found = blur.glass(images / 255.0, 0, 1, 2, chance=chance())
    before, after = (
        np.sort((255 * made).round().astype(int) @ [65536, 256, 1], axis=None)
        for made in (images / 255.0, found)
    )
    assert np.array_equal(before, after)
    assert (found != images / 255.0).mean() > 0.2


def test_defocus_is_a_disk_of_weight_one():
    point = np.zeros((1, 15, 15, 3))
    point[:, 7, 7] = 1
    found = blur.defocus(point, 1.5, 0.1, chance=chance())[0, ..., 0]
    assert found.sum() == pytest.approx(1)
    # Radius 1.5 covers nine pixels; so narrow an edge leaves them as they are.
    assert found[6:9, 6:9] == pytest.approx(1 / 9, abs=1e-6)


def test_brightness_raises_the_value_of_hsv(images):
    found = weather.brightness(images[:2] / 255.0, 0.2, chance=chance())
    for one, other in zip(
        images[:2].reshape(-1, 3)[::7] / 255.0, found.reshape(-1, 3)[::7], strict=True
    ):
        hue, saturation, value = colorsys.rgb_to_hsv(*one)
        wanted = colorsys.hsv_to_rgb(hue, saturation, min(1, value + 0.2))
        assert other == pytest.approx(wanted, abs=1e-9)
    black = weather.brightness(np.zeros((1, 4, 4, 3)), 0.2, chance=chance())
    assert black == pytest.approx(0.2)


def test_contrast_keeps_means_and_a_share_of_deviations(images):
    found = digital.contrast(images / 255.0, 0.3, chance=chance())
    assert found.mean(axis=(1, 2)) == pytest.approx(images.mean(axis=(1, 2)) / 255)
    assert found.std(axis=(1, 2)) == pytest.approx(0.3 * images.std(axis=(1, 2)) / 255)


def test_jpeg_and_pixelate_are_pillows(images):
    jpeg = corruptions.corrupted(images, "jpeg", 5)
    coarse = corruptions.corrupted(images, "pixelate", 5)
    for at, image in enumerate(images):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=40)
        assert np.array_equal(jpeg[at], np.asarray(Image.open(stream)))
        box = Image.Resampling.BOX
        small = Image.fromarray(image).resize((20, 20), box).resize((32, 32), box)
        assert np.array_equal(coarse[at], np.asarray(small))


def test_elastic_without_tilt_and_pushes_leaves_the_image(images):
    whole = images / 255.0
    assert digital.elastic(whole, 0, 0, 0, chance=chance()) == pytest.approx(whole, abs=1e-9)


def test_fog_keeps_the_brightest_value_within_reach(images):
    found = weather.fog(images / 255.0, 1.5, 1.75, chance=chance())
    assert (found.max(axis=(1, 2, 3)) <= images.max(axis=(1, 2, 3)) / 255 + 1e-9).all()


def test_kinds_and_constants_are_those_of_the_benchmark():
    assert len(corruptions.KINDS) == 15
    assert all(len(one.constants) == corruptions.SEVERITIES for one in corruptions.KINDS.values())
    families = [one.family for one in corruptions.KINDS.values()]
    assert [families.count(name) for name in ("noise", "blur", "weather", "digital")] == [
        3,
        4,
        4,
        4,
    ]
    assert corruptions.FAMILIES == ("noise", "blur", "weather", "digital")


@pytest.mark.parametrize("kind", corruptions.KINDS)
def test_a_kind_is_the_same_every_time_and_hurts_more_when_severe(images, kind):
    mild, severe = (corruptions.corrupted(images, kind, one) for one in (1, 5))
    assert severe.dtype == np.uint8 and severe.shape == images.shape
    assert np.array_equal(severe, corruptions.corrupted(images, kind, 5))
    apart = [np.abs(made.astype(int) - images).mean() for made in (mild, severe)]
    assert apart[0] > 0
    if kind not in ("elastic", "glass blur", "frost"):
        # These three have constants that trade one damage for another.
        assert apart[1] > apart[0]
    stack = corruptions.every_severity(images, kind)
    assert np.array_equal(stack[[0, 4]], np.stack([mild, severe]))
    with pytest.raises(ValueError, match="read-only"):
        stack[:] = 0


@pytest.mark.parametrize("kind", ["gaussian noise", "glass blur", "snow", "frost", "elastic"])
def test_another_seed_draws_others(images, kind):
    first, other = (corruptions.corrupted(images, kind, 3, seed) for seed in (1, 2))
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", corruptions.KINDS)
@pytest.mark.parametrize("shape", [(1, 8, 8, 3), (2, 33, 20, 3)])
def test_other_sizes_black_and_white_survive(kind, shape):
    for value in (0, 255):
        found = corruptions.corrupted(np.full(shape, value, np.uint8), kind, 5)
        assert found.shape == shape


def test_what_makes_no_sense_is_refused(images):
    with pytest.raises(UserError, match="unknown corruption"):
        corruptions.corrupted(images, "rain", 1)
    for severity in (0, 6):
        with pytest.raises(UserError, match="severity"):
            corruptions.corrupted(images, "fog", severity)
    for wrong in (images / 255.0, images[..., :1], images[0]):
        with pytest.raises(ValueError, match="not uint8"):
            corruptions.corrupted(wrong, "fog", 1)


def test_a_subset_has_every_class_alike_and_holds_the_smaller_ones():
    labels = np.repeat(np.arange(10), 100)[np.random.default_rng(3).permutation(1000)]
    few, more = (corruptions.subset(labels, count) for count in (50, 200))
    assert np.bincount(labels[few]).tolist() == [5] * 10
    assert np.bincount(labels[more]).tolist() == [20] * 10
    assert set(few) <= set(more)
    assert np.array_equal(corruptions.subset(labels, 5000), np.arange(1000))


# The instrument -----------------------------------------------------------------------------------


def test_the_instrument_says_what_accuracy_says_of_each_corruption():
    test = datasets.load("digits").test
    places = corruptions.subset(test.labels, 20)
    images, labels = test.images[places], test.labels[places]
    found = robustness(DIGITS, images)
    assert found.corrupted.shape == (15, 5, len(images))
    assert np.array_equal(found.clean, accuracy(DIGITS, images).classes)
    for at, kind in ((0, "gaussian noise"), (9, "fog"), (14, "jpeg")):
        made = corruptions.corrupted(images, kind, 4)
        assert np.array_equal(found.corrupted[at, 3], accuracy(DIGITS, made).classes)
    shares = found.accuracies(labels)
    assert shares[9, 3] == np.mean(found.corrupted[9, 3] == labels)
    with pytest.raises(UserError, match="labels for"):
        found.accuracies(labels[:3])


def test_images_of_another_size_are_corrupted_first_and_stretched_then():
    images = datasets.load("digits").test.images[:10]
    small = stretched(images, (16, 16))
    found = robustness(DIGITS, small, size=(32, 32))
    made = stretched(corruptions.corrupted(small, "contrast", 2), (32, 32))
    at = list(corruptions.KINDS).index("contrast")
    assert np.array_equal(found.corrupted[at, 1], accuracy(DIGITS, made).classes)
    with pytest.raises(UserError, match="takes images of the shape"):
        robustness(DIGITS, small)

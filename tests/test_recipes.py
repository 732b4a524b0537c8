"""Recipes: what the committed profiles say, how layers merge, and how nonsense is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlmo import paths, recipes
from dlmo.errors import UserError
from dlmo.recipes import STEP_MODELS, Distil, Prune

Write = Callable[[str], recipes.Profile]
BASE = """\
profile: own
every_step:
  optimizer: sgd
  learning_rate: 0.1
  schedule: constant
  batch_size: 128
steps:
  train: {epochs: 5}
  prune: {epochs: 2, sparsity: 0.8, end: 0.6, frequency: 50}
  distil: {epochs: 5, teacher: resnet8, temperature: 4.0, soft_weight: 0.9}
conversion: {calibration_samples: 10}
"""
PARTS = [
    "[wrn]",
    "{",
    "}",
    "&a",
    "*a",
    "!!python/object:os.system",
    "\t",
    "5",
    "null",
    "- x",
    "epochs: 0",
    "'",
    "%",
    "? ",
    "2024-01-01",
    ".inf",
]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.setenv("DLMO_RECIPES", str(tmp_path))

    def profile(text: str) -> recipes.Profile:
        (tmp_path / "own.yml").write_text(text, "utf-8")
        recipes._load.cache_clear()
        return recipes.profile("own")

    return profile


@pytest.mark.parametrize("name", ["reference", "plain", "quick", "smoke"])
@pytest.mark.parametrize("network", ["vggnet", "resnet50", "mobilenet_v2", "wrn[depth=16]"])
def test_the_committed_profiles_give_every_step_a_recipe(name: str, network: str) -> None:
    profile = recipes.profile(name)
    assert profile.about
    for step, model in STEP_MODELS.items():
        assert type(profile.step(step, network)) is model
    assert profile.conversion(network).calibration_samples >= 100
    assert 0 < profile.build(network).width <= 1


def test_plain_training_is_plain() -> None:
    for step in STEP_MODELS:
        recipe = recipes.profile("plain").step(step, "mobilenet_v1")
        assert recipe.optimizer == "adam" and recipe.weight_decay == recipe.label_smoothing == 0
        assert not recipe.augmentation.flip and recipe.augmentation.shift == 0


@pytest.mark.parametrize("name", ["reference", "plain", "quick", "smoke"])
@pytest.mark.parametrize("network", ["vggnet", "resnet50", "mobilenet_v1", "wrn"])
def test_the_control_is_trained_exactly_as_long_as_the_pruned_network(
    name: str, network: str
) -> None:
    profile = recipes.profile(name)
    prune, control = profile.step("prune", network), profile.step("finetune", network)
    assert isinstance(prune, Prune) and prune.sparsity == 0.8
    same = ("epochs", "learning_rate", "batch_size", "schedule", "augmentation", "label_smoothing")
    assert [getattr(prune, key) for key in same] == [getattr(control, key) for key in same]


@pytest.mark.parametrize("name", ["reference", "plain", "quick", "smoke"])
def test_no_student_is_smoothed(name: str) -> None:
    assert recipes.profile(name).step("distil", "mobilenet_v1").label_smoothing == 0


def test_no_teacher_is_smoothed() -> None:
    profile = recipes.profile("reference")
    distil = profile.step("distil", "mobilenet_v1")
    assert isinstance(distil, Distil)
    assert profile.step("train", distil.teacher).label_smoothing == 0


def test_layers_merge_from_the_general_to_the_particular(write: Write) -> None:
    profile = write(
        BASE
        + """\
networks:
  wrn:
    every_step: {batch_size: 64, threads: 1}
    train: {epochs: 7}
  wrn[depth=16]:
    train: {threads: 3}
"""
    )
    plain, family = profile.step("train", "vggnet"), profile.step("train", "wrn")
    exact = profile.step("train", "wrn[depth=16]")
    seen = [(one.epochs, one.batch_size, one.threads) for one in (plain, family, exact)]
    assert seen == [(5, 128, 2), (7, 64, 1), (7, 64, 3)]
    assert profile.step("train", "wrn[depth=22]") == family
    assert profile.step("prune", "wrn").epochs == 2


def test_overrides_come_last_in_every_step_or_in_one(write: Write) -> None:
    profile = write(BASE + "networks:\n  wrn:\n    train: {epochs: 7}\n")
    everywhere = recipes.parse_overrides({"epochs": 3, "sparsity": 0.5})
    assert profile.step("train", "wrn", everywhere).epochs == 3
    pruned = profile.step("prune", "wrn", everywhere)
    assert isinstance(pruned, Prune) and (pruned.epochs, pruned.sparsity) == (3, 0.5)
    one = recipes.parse_overrides({"prune.epochs": 9, "conversion.calibration_samples": 20})
    assert [profile.step(step, "wrn", one).epochs for step in ("train", "prune")] == [7, 9]
    assert profile.conversion("wrn", one).calibration_samples == 20


def test_the_order_in_which_overrides_are_given_does_not_matter() -> None:
    first = recipes.parse_overrides({"epochs": 3, "sparsity": 0.5})
    assert first == recipes.parse_overrides({"sparsity": 0.5, "epochs": 3})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"epoch": 3}, "unknown recipe parameter 'epoch'; did you mean 'epochs'"),
        ({"trian.epochs": 3}, "unknown step 'trian'; did you mean 'train'"),
        ({"augmentation": {"flip": True}}, "augmentation must be a number or a word"),
        ({"epochs": None}, "epochs must be a number or a word"),
        ({"": 1}, "unknown recipe parameter ''"),
    ],
)
def test_unknown_overrides_are_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError, match=why):
        recipes.parse_overrides(given)


@pytest.mark.parametrize(
    ("line", "changed", "place", "why"),
    [
        ("  train: {epochs: 5}", "  train: {epochs: 0}", 8, "train.epochs"),
        ("  train: {epochs: 5}", "  train: {epochs: 2.5}", 8, "train.epochs"),
        ("  train: {epochs: 5}", "  train: {epochs: '5'}", 8, "train.epochs"),
        ("  train: {epochs: 5}", "  train: {epoch: 5}", 8, "train.epoch"),
        ("sparsity: 0.8", "sparsity: 1.2", 9, "prune.sparsity"),
        ("sparsity: 0.8", "sparsity: 0.0", 9, "prune.sparsity"),
        ("end: 0.6", "begin: 0.7, end: 0.6", 9, "begin must lie before end"),
        ("end: 0.6", "begin: 0.6, end: 0.6", 9, "begin must lie before end"),
        ("end: 0.6", "initial_sparsity: 0.9, end: 0.6", 9, "below sparsity"),
        ("frequency: 50", "frequency: 0", 9, "prune.frequency"),
        ("temperature: 4.0", "temperature: 0", 10, "distil.temperature"),
        ("soft_weight: 0.9", "soft_weight: 1.1", 10, "distil.soft_weight"),
        ("  batch_size: 128", "  batch_size: -1", 6, "train.batch_size"),
        ("  learning_rate: 0.1", "  learning_rate: .nan", 4, "train.learning_rate"),
        ("  learning_rate: 0.1", "  learning_rate: .inf", 4, "train.learning_rate"),
        ("  optimizer: sgd", "  optimizer: lion", 3, "train.optimizer"),
        ("calibration_samples: 10", "calibration_samples: 0", 11, "calibration_samples"),
        ("steps:", "stages:", 7, "unknown section 'stages'"),
        ("  train: {", "  trian: {", 8, "did you mean 'train'"),
        ("  train: {epochs: 5}", "  train: 5", 8, "train must be a mapping"),
        ("steps:", "build: {width: 2.0}\nsteps:", 7, "build.width"),
    ],
)
def test_nonsense_is_refused_with_file_and_line(
    write: Write, line: str, changed: str, place: int, why: str
) -> None:
    assert line in BASE
    with pytest.raises(UserError, match=why) as error:
        write(BASE.replace(line, changed))
    assert str(error.value).startswith(f"own.yml:{place}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"epochs": 0}, "the parameter epochs makes no sense: train.epochs"),
        ({"epochs": "many"}, "the parameter epochs"),
        ({"learning_rate": float("nan")}, "the parameter learning_rate"),
    ],
)
def test_an_override_that_makes_no_sense_is_named_itself(given: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError, match=why):
        recipes.profile("smoke").step("train", "vggnet", recipes.parse_overrides(given))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", r"own\.yml:1: a profile is a mapping"),
        ("- a\n", r"own\.yml:1: a profile is a mapping"),
        ("steps: [\n", r"own\.yml:2: not YAML"),
        ("steps: {}\nsteps: {}\n", r"own\.yml:2: not YAML"),
    ],
)
def test_what_is_no_profile_is_refused(write: Write, text: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        write(text)


def test_a_file_that_is_not_text_is_refused(write: Write, tmp_path: Path) -> None:
    write(BASE)
    (tmp_path / "own.yml").write_bytes(b"\xff\xfe\x00")
    recipes._load.cache_clear()
    with pytest.raises(UserError, match=r"own\.yml.*not YAML"):
        recipes.profile("own")


@pytest.mark.parametrize("name", ["refrence", "../reference", "", "reference.yml"])
def test_an_unknown_profile_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="unknown profile"):
        recipes.profile(name)


def test_a_changed_file_is_read_again(write: Write, tmp_path: Path) -> None:
    shutil.copy(paths.ROOT / "data/recipes/smoke.yml", tmp_path / "own.yml")
    before = recipes.profile("own").step("train", "vggnet")
    (tmp_path / "own.yml").write_text(BASE)
    assert recipes.profile("own").step("train", "vggnet") != before


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_refused_in_one_line_or_harmless(write: Write, data: st.DataObject) -> None:
    text = BASE
    for _ in range(data.draw(st.integers(1, 3))):
        at, width = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 12))
        text = text[:at] + data.draw(st.sampled_from(PARTS)) + text[at + width :]
    try:
        profile = write(text)
        profile.step("train", "vggnet")
        profile.step("prune", "vggnet")
    except UserError as error:
        assert "\n" not in str(error) and str(error).startswith("own.yml:")


@pytest.mark.parametrize(
    ("word", "meaning"),
    [("3", 3), ("0.5", 0.5), ("1e-3", 0.001), ("true", True), ("sgd", "sgd"), ("0x10", 16)],
)
def test_a_word_means_what_yaml_says(word: str, meaning: object) -> None:
    assert recipes.value(word) == meaning and type(recipes.value(word)) is type(meaning)


@pytest.mark.parametrize("word", ["[", "{a", "'x", "!!python/object:os.system x"])
def test_a_word_that_is_no_value_is_refused(word: str) -> None:
    with pytest.raises(UserError, match="is no value"):
        recipes.value(word)

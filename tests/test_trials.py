"""Trials as text and back, and what is no trial."""

import contextlib
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dlmo import records
from dlmo.errors import UserError
from dlmo.trials import Trial, parse

NAME = st.text(string.ascii_lowercase + string.digits + "_-.", min_size=1, max_size=12)
DATASET = st.one_of(
    st.sampled_from(["cifar10", "digits", "cifar10[automobile,truck]", "/images/cats and dogs"]),
    st.lists(NAME, min_size=1, max_size=3).map("/".join),
)
NETWORK = st.sampled_from(
    [
        *("vggnet", "wrn[depth=16]", "wrn[depth=16,width=4]", "my model.keras"),
        *("/home/me/k.keras[preprocessing=0..1]", "models/k.h5", "../k.tflite"),
    ]
)
TECHNIQUE = st.sampled_from(["NQ", "KD+PRQ", "NQ+FT+FIQ"])
OVERRIDES = st.dictionaries(
    st.sampled_from(["sparsity", "train.epochs", "temperature", "schedule"]),
    st.one_of(
        st.integers(-(10**6), 10**6),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        st.sampled_from(["sgd", "one_cycle"]),
    ),
    max_size=3,
).map(lambda found: tuple(sorted(found.items())))


@given(DATASET, NETWORK, TECHNIQUE, NAME, st.integers(0, 10**6), OVERRIDES)
def test_what_is_written_is_read_again(
    dataset: str,
    network: str,
    technique: str,
    profile: str,
    seed: int,
    overrides: tuple[tuple[str, Any], ...],
) -> None:
    trial = Trial(
        dataset=dataset,
        network=network,
        technique=technique,
        profile=profile,
        seed=seed,
        overrides=overrides,
    )
    again = parse(str(trial))
    assert again == trial and hash(again) == hash(trial)
    assert [type(value) for _, value in again.overrides] == [type(value) for _, value in overrides]
    assert Trial.model_validate_json(trial.model_dump_json()) == trial


def test_a_sibling_differs_in_its_technique_alone() -> None:
    trial = parse("cifar10/vggnet/PRQ/plain/3{sparsity=0.5}")
    assert str(trial.sibling("NQ")) == "cifar10/vggnet/NQ/plain/3{sparsity=0.5}"
    assert trial.plan.steps == ("train", "prune")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cifar10",
        "cifar10/vggnet/NQ/reference",
        "cifar10/vggnet/NQ/reference/x",
        "cifar10/vggnet/NQ/reference/-1",
        "cifar10/vggnet/FOO/reference/0",
        "cifar10/vggnet/NQ/reference/0{epoch=3}",
        "cifar10/vggnet/NQ/reference/0{trian.epochs=3}",
        "cifar10/vggnet/NQ/reference/0{epochs}",
        "cifar10/vggnet/NQ/reference/0{epochs=[}",
        "cifar10/vggnet/NQ/reference/0{epochs=[1]}",
        "cifar10/vggnet/NQ/reference/0{epochs=3",
        "cifar10/vggnet/NQ/reference/0 {epochs=3}{epochs=4}",
    ],
)
def test_what_is_no_trial_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserError) as error:
        parse(text)
    assert "\n" not in str(error.value)


@given(st.text(max_size=40))
def test_any_text_is_refused_or_read(text: str) -> None:
    with contextlib.suppress(UserError):
        parse(text)


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": -1},
        {"overrides": 5},
        {"overrides": "ab"},
        {"overrides": [["epochs"]]},
        {"overrides": [["augmentation", {"flip": True}]]},
        {"speed": 1},
    ],
)
def test_a_trial_that_makes_no_sense_is_refused(changed: dict[str, Any]) -> None:
    names = {"dataset": "digits", "network": "vggnet", "technique": "NQ"}
    with pytest.raises(ValidationError):
        Trial(**{**names, **changed})


def test_a_notebook_shows_a_trial_and_a_record_as_tables_without_their_markup() -> None:
    trial = parse("cifar10/vggnet/PRN+QAT/reference/3{sparsity=0.5}")
    said = trial.model_copy(update={"dataset": "<b>mine</b>"})._repr_html_()
    assert "train, prune, qat; int8" in said and "sparsity" in said
    assert "&lt;b&gt;mine&lt;/b&gt;" in said and "<b>" not in said
    record = records.find(next(iter(records.table()["accuracy_key"])))
    shown = record._repr_html_()
    assert record.key in shown and record.provenance.commit in shown
    # The confusion matrix is there, folded.
    assert "<details><summary>10 entries</summary>" in shown

"""A technique's name against the design's table, written out by hand; and what is no name."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlmo.errors import UserError
from dlmo.techniques import (
    CONTROLS,
    CONVERSION_REVISIONS,
    PAPER,
    PARTS,
    STEP_REVISIONS,
    technique,
)

VOCABULARY = {
    "NQ": (["train"], "float"),
    "BLQ": (["train"], "dynamic"),
    "FIQ": (["train"], "int8"),
    "F16": (["train"], "f16"),
    "QAT": (["train", "qat"], "int8"),
    "PRN": (["train", "prune"], "float"),
    "PRQ": (["train", "prune"], "dynamic"),
    "KD": (["distil"], "float"),
    "NQ+FT": (["train", "finetune"], "float"),
    "NQ+FT+FIQ": (["train", "finetune"], "int8"),
    "NQ+FT+BLQ": (["train", "finetune"], "dynamic"),
    "KD+F16": (["distil"], "f16"),
    "KD+FIQ": (["distil"], "int8"),
    "KD+PRN": (["distil", "prune"], "float"),
    "KD+PRQ": (["distil", "prune"], "dynamic"),
    "KD+QAT": (["distil", "qat"], "int8"),
    "PRN+QAT": (["train", "prune", "qat"], "int8"),
    "PRN+FIQ": (["train", "prune"], "int8"),
    "PRN+BLQ": (["train", "prune"], "dynamic"),
    "KD+PRN+QAT": (["distil", "prune", "qat"], "int8"),
}


@pytest.mark.parametrize("name", VOCABULARY)
def test_every_name_of_the_vocabulary_means_its_steps_and_its_conversion(name: str) -> None:
    steps, conversion = VOCABULARY[name]
    found = technique(name)
    assert (found.name, list(found.steps), found.conversion) == (name, steps, conversion)


def test_the_paper_and_the_controls_are_in_the_vocabulary() -> None:
    assert PAPER == ("NQ", "BLQ", "FIQ", "F16", "QAT", "PRN", "PRQ")
    assert set(CONTROLS) <= set(VOCABULARY)


def test_a_control_trains_exactly_one_step_more_than_its_parent() -> None:
    assert technique("NQ+FT").steps[:-1] == technique("NQ").steps
    assert technique("PRN").steps[:-1] == technique("NQ").steps


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "unknown technique ''"),
        ("nq", "did you mean 'NQ'"),
        ("BLK", "did you mean 'BLQ'"),
        ("NQ++FIQ", "unknown technique ''"),
        ("NQ ", "did you mean 'NQ'"),
        ("FIQ+BLQ", "nothing can follow a conversion, BLQ does"),
        ("QAT+PRN", "nothing can follow a conversion, PRN does"),
        ("BLQ+FT", "nothing can follow a conversion, FT does"),
        ("PRN+NQ", "NQ starts a training and must come first"),
        ("NQ+KD", "KD starts a training and must come first"),
        ("KD+KD", "KD starts a training and must come first"),
        ("PRN+PRN", "PRN repeats a step"),
        ("PRN+PRQ", "PRQ repeats a step"),
    ],
)
def test_what_is_no_technique_is_refused_in_one_line(name: str, why: str) -> None:
    with pytest.raises(UserError, match=why) as error:
        technique(name)
    assert "\n" not in str(error.value)


@given(st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=5))
def test_any_row_of_parts_is_refused_or_well_formed(parts: list[str]) -> None:
    try:
        found = technique("+".join(parts))
    except UserError:
        return
    assert found.steps[0] in ("train", "distil")
    assert len(set(found.steps)) == len(found.steps)
    assert found.conversion in CONVERSION_REVISIONS and set(found.steps) <= set(STEP_REVISIONS)
    converting = [part for part in parts if PARTS[part].conversion]
    assert converting == [parts[-1]][: len(converting)]


@given(st.text(max_size=20))
def test_any_text_is_refused_or_read(name: str) -> None:
    try:
        assert technique(name).name == name
    except UserError as error:
        assert str(error)


def test_different_chains_of_one_to_three_parts_never_share_a_name() -> None:
    names = ["+".join(row) for n in (1, 2, 3) for row in itertools.product(PARTS, repeat=n)]
    read = []
    for name in names:
        try:
            read.append(technique(name))
        except UserError:
            continue
    assert len({one.name for one in read}) == len(read) > len(VOCABULARY)

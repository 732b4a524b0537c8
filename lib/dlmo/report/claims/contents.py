"""Claims about what a file holds: its operators, its rounded weights, the numbers it gives."""

from collections import Counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dlmo import records
from dlmo.deployable import Deployable, Tensor
from dlmo.paper import Claim
from dlmo.report.claims.evidence import Cell, Evidence, NotMeasuredError, counted
from dlmo.report.claims.registry import looks
from dlmo.report.claims.source import Source
from dlmo.report.text import MISSING, count, listing, percent

LEVELS = 127
"""The largest integer of Equation 1 (Section 3.1)."""

SAME_SIZE = 0.01
"""How far two files of the same operators may be apart in size if their weights have one type."""

# Operators ----------------------------------------------------------------------------------------


@looks(("file", "operators"))
def operators_of_files(claim: Claim, source: Source, cell: Cell) -> Evidence:
    """Look for float operators; or, where there is another file, for any that it doesn't have."""
    subject = source.seeds(cell.dataset, cell.network, cell.technique)
    if not cell.against:
        return _integers_only(source, subject, cell)
    other = source.seeds(cell.dataset, cell.network, cell.against)
    return _same_operators(source, subject, other, cell)


def _integers_only(source: Source, subject: pd.DataFrame, cell: Cell) -> Evidence:
    keys = tuple(str(key) for key in subject["deployable_key"])
    inside = Counter(name for key in keys for name in source.deployable(key).float_operators)
    files = count(len(keys), "file")
    if not inside:
        return counted(cell, True, keys, f"no float operator in {files}")
    return counted(cell, False, keys, f"float in {files}: {listing(sorted(inside))}")


def _same_operators(
    source: Source, subject: pd.DataFrame, other: pd.DataFrame, cell: Cell
) -> Evidence:
    both = list(subject.index.intersection(other.index))
    if not both:
        raise NotMeasuredError(f"{MISSING}: no seed has both")
    pairs = [
        (source.deployable(str(a)), source.deployable(str(b)))
        for a, b in zip(
            subject.loc[both, "deployable_key"], other.loc[both, "deployable_key"], strict=True
        )
    ]
    same = all(_alike(one, two) for one, two in pairs)
    keys = tuple(record.key for pair in pairs for record in pair)
    said = "the same operators and types" if same else "other operators or types"
    return counted(cell, same, keys, f"{said} in {count(len(pairs), 'pair')} of files")


def _alike(one: records.Deployable, two: records.Deployable) -> bool:
    """Say whether two records tell of the same operators and types of tensors.

    A record doesn't list its tensors: which operators are float gives the types of what flows, and
    the size of the file that of the weights.
    """
    told = ("operators", "float_operators", "input_type", "output_type")
    same = all(getattr(one, name) == getattr(two, name) for name in told)
    return same and abs(one.bytes / two.bytes - 1) < SAME_SIZE


# Weights ------------------------------------------------------------------------------------------


@looks(("file", "weights"))
def weights_of_files(claim: Claim, source: Source, cell: Cell) -> Evidence:
    """Compare a file's 8-bit weights with Equation 1 of the float file's, channel by channel."""
    subject = source.seeds(cell.dataset, cell.network, cell.technique)
    other = source.seeds(cell.dataset, cell.network, cell.against)
    both = list(subject.index.intersection(other.index))
    found = [_rounded(source, subject, other, seed) for seed in both]
    if not found:
        raise NotMeasuredError(f"{MISSING}: no seed has both")
    equal = sum(one for one, _, _ in found) / sum(total for _, total, _ in found)
    worst = max(off for _, _, off in found)
    each = all(one / total >= claim.numbers["share"] for one, total, _ in found)
    keys = (*subject.loc[both, "deployable_key"], *other.loc[both, "deployable_key"])
    note = f"{percent(equal, 2)} equal in {count(len(both), 'file')}, at most {worst} off"
    return counted(cell, bool(each and worst <= claim.numbers["off"]), keys, note)


def _rounded(
    source: Source, subject: pd.DataFrame, other: pd.DataFrame, seed: int
) -> tuple[int, int, int]:
    whole = source.file(str(other.loc[seed, "deployable_key"]))
    rounded = source.file(str(subject.loc[seed, "deployable_key"]))
    return equal_to_equation_1(whole, rounded)


def equal_to_equation_1(whole: Deployable, rounded: Deployable) -> tuple[int, int, int]:
    """Compare 8-bit weights with Equation 1 of the same float weights.

    Args:
        whole: the float file, batch normalisation folded into its weights.
        rounded: the file with 8-bit weights; those it keeps as floats are left out.

    Returns:
        How many integers are equal, of how many, and how far the worst one is off.
    """
    floats = _kernels(whole)
    equal = total = worst = 0
    for name, tensor in _kernels(rounded).items():
        integers = tensor.data()
        if tensor.dtype != "int8" or integers is None or name not in floats:
            continue
        off = np.abs(integers.astype(int) - equation_1(floats[name], tensor.axis))
        equal, total = equal + int((off == 0).sum()), total + off.size
        worst = max(worst, int(off.max()))
    if not total:
        raise NotMeasuredError(f"{MISSING}: the two files have no weights in common")
    return equal, total, worst


def equation_1(tensor: Tensor, axis: int) -> NDArray[np.int64]:
    """Return Round(s · Clip(x, −r, r)), s = 127 / r, r being the largest weight of a channel.

    Args:
        tensor: the float weights.
        axis: the dimension of the channels.
    """
    weights = tensor.values()
    assert weights is not None
    values = weights.astype(np.float64)
    others = tuple(place for place in range(values.ndim) if place != axis)
    reach = np.abs(values).max(axis=others, keepdims=True)
    scale = np.divide(LEVELS, reach, out=np.zeros_like(reach), where=reach > 0)
    return np.rint(scale * np.clip(values, -reach, reach)).astype(np.int64)


def _kernels(file: Deployable) -> dict[str, Tensor]:
    """Return the tensors of a file's weights, by the place of their layer in the file."""
    names = [layer.name for layer in file.layers]
    by_name = {tensor.name: tensor for tensor in file.tensors if tensor.content is not None}
    return {f"{place}": by_name[name] for place, name in enumerate(names)}


# What comes out -----------------------------------------------------------------------------------


@looks(("runtime", "logits"))
def logits_of_files(claim: Claim, source: Source, cell: Cell) -> Evidence:
    """Say that no record keeps logits: they need the images and two runs of the runtime."""
    raise NotMeasuredError(f"{MISSING}: records keep classes and probabilities, no logits")

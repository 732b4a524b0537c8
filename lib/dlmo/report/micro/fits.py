"""Which files fit which boards, and ResNet-8 beside what MLPerf Tiny publishes."""

from collections.abc import Sequence
from html import escape

import pandas as pd
from IPython.display import Markdown

from dlmo import microcontroller
from dlmo.microcontroller import Board
from dlmo.report import tables, text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison_charts import NothingToDraw
from dlmo.report.comparison_tables import title
from dlmo.report.methods import layers
from dlmo.report.micro.files import FITS, STOPPED, UNKNOWN, One
from dlmo.report.text import MISSING, NONE

RESNET8 = "resnet8"


@cited
def boards_table(found: Sequence[One]) -> Table:
    """Return each board with its flash and RAM, and how each file that runs stands with it."""
    boards = microcontroller.boards().boards
    able = [one for one in found if one.verdict(boards[0]) != STOPPED]
    addresses = {board.name: board.source for board in boards}
    lines = [
        {
            "Board": board.name,
            "Processor": board.processor,
            "Flash (KB)": text.kb(board.flash),
            "RAM (KB)": text.kb(board.ram),
            **{one.technique: _cell(one, board) for one in able},
        }
        for board in boards
    ]
    table = tables.styled(
        pd.DataFrame(lines),
        caption="Boards, and whether each file that runs fits.",
        formats={"Board": lambda name: _link(str(name), addresses)},
        name="boards",
    )
    table.set_properties(subset=["Flash (KB)", "RAM (KB)"], **{"text-align": "right"})
    return table


def _link(name: str, addresses: dict[str, str]) -> str:
    return f'<a href="{escape(addresses[name], quote=True)}">{escape(name)}</a>'


def _cell(one: One, board: Board) -> str:
    verdict = one.verdict(board)
    if verdict == UNKNOWN:
        return MISSING
    return f"{verdict} (est.)" if one.measured is None else verdict


@cited
def boards_sentence(found: Sequence[One]) -> str:
    """Say on how many boards each technique fits, and the smallest one."""
    boards = microcontroller.boards().boards
    known = [one for one in found if one.verdict(boards[0]) != UNKNOWN]
    if not known:
        return f"Which boards these files fit is {MISSING}."
    groups: dict[tuple[str, ...], list[str]] = {}
    for one in known:
        if one.runs:
            able = tuple(board.name for board in boards if one.verdict(board) == FITS)
            groups.setdefault(able, []).append(one.technique)
    said = [_group(names, able, len(boards)) for able, names in groups.items()]
    return " ".join(said) or "None of these files runs, so that none fits."


def _group(names: Sequence[str], able: Sequence[str], total: int) -> str:
    verb = "fits" if len(names) == 1 else "fit"
    if not able:
        none = "fits none" if len(names) == 1 else "fit none"
        return f"{text.listing(names)} {none} of {text.count(total, 'board')}."
    return (
        f"{text.listing(names)} {verb} {text.part(len(able), total, 'board')}, from {able[0]} on."
    )


@cited
def every_table(found: Sequence[One]) -> Table | NothingToDraw:
    """Return for every deployable what it needs, and the smallest of the boards that it fits."""
    boards = microcontroller.boards().boards
    lines = []
    for one in found:
        able = [board.name for board in boards if one.verdict(board) == FITS]
        known = one.verdict(boards[0]) != UNKNOWN
        lines.append(
            {
                "Network": title(one.network),
                "Technique": one.technique,
                "Flash (KB)": text.kb(one.flash),
                "RAM (KB)": NONE if one.ram is None else text.kb(one.ram),
                "RAM is": NONE if one.ram is None else "estimated" if one.estimated else "measured",
                "Fits": f"{len(able)} of {len(boards)}" if known else MISSING,
                "Smallest board": _smallest(one, able) if known else NONE,
            }
        )
    if not lines:
        return NothingToDraw()
    return layers.table(
        pd.DataFrame(lines), "Every file of this dataset and profile against the boards."
    )


def _smallest(one: One, able: Sequence[str]) -> str:
    if able:
        return able[0]
    return STOPPED if not one.runs else "none"


@cited
def published_table(found: Sequence[One]) -> Table:
    """Return MLPerf Tiny's figures of ResNet-8 beside those of ours, its 8-bit files."""
    said = microcontroller.boards().resnet8
    ours = {one.technique: one for one in found if one.network == RESNET8}
    names = [name for name in ("FIQ", "QAT") if name in ours] or ["FIQ"]
    lines = [
        {
            "": what,
            "MLPerf Tiny": printed,
            **{name: _ours(ours.get(name), kind) for name in names},
        }
        for what, printed, kind in (
            ("File (KB)", text.kb(said.weights), "flash"),
            ("Accuracy (%)", text.figure(100 * said.accuracy, 1), "accuracy"),
            ("of images", f"{said.images:,}", "images"),
            ("Arena (KB)", f"{text.kb(said.arena)} reserved", "arena"),
            ("Inferences a second", f"{text.figure(said.throughput, 2)} on {said.board}", "none"),
        )
    ]
    return layers.table(
        pd.DataFrame(lines), "ResNet-8 with 8 bits, as MLPerf Tiny publishes it and as made here."
    )


def _ours(one: One | None, kind: str) -> str:
    if kind == "none":
        return "no board at hand"
    if one is None:
        return MISSING
    measured = one.measured
    if kind == "flash":
        return text.kb(one.flash)
    if measured is None:
        return MISSING
    if kind == "arena":
        return NONE if measured.bytes is None else text.kb(measured.bytes)
    if kind == "images":
        return f"{measured.images:,}"
    return NONE if measured.accuracy is None else text.figure(100 * measured.accuracy, 1)


@cited
def published_sentence(found: Sequence[One]) -> str:
    """Say where MLPerf Tiny's figures come from, and whether ours exist."""
    said = microcontroller.boards().resnet8
    ours = [one for one in found if one.network == RESNET8 and one.technique in ("FIQ", "QAT")]
    bar = f"A submission to the benchmark must reach {text.percent(said.quality, 0)}."
    if not any(one.measured is not None for one in ours):
        return f"{bar} ResNet-8 as trained here is {MISSING} under TFLite Micro."
    reached = [
        one.technique
        for one in ours
        if one.measured
        and one.measured.accuracy is not None
        and one.measured.accuracy >= said.quality
    ]
    if not reached:
        return f"{bar} None of our 8-bit files does, on its images here."
    return f"{bar} {text.listing(reached)} as trained here {'does' if len(reached) == 1 else 'do'}."


def published_sources() -> Markdown:
    """Return where the published figures stand, as links."""
    found = microcontroller.boards()
    links = [f"[{what}]({address})" for what, address in found.resnet8.sources.items()]
    links.append(f"[size of the runtime's code]({found.code.source})")
    return Markdown(f"Sources: {text.listing(links)}.")


@cited
def code_sentence() -> str:
    """Say what the runtime's own code adds to the flash."""
    code = microcontroller.boards().code
    return (
        f"{text.kilobytes(code.flash)} are added to each file for the runtime's own code: "
        f"{code.what}."
    )

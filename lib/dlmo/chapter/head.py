"""The head of a page: what it was run with, from which records, and how to run it again."""

import shlex
from collections.abc import Iterable
from html import escape

import pandas as pd
from IPython.display import HTML

from dlmo import records
from dlmo.chapter import data_sheet
from dlmo.chapter.asked import Asked, defaults
from dlmo.report import cited, comparison_tables, text


def head(name: str, asked: Asked, rows: pd.DataFrame) -> HTML:
    """Return what stands at the head of a chapter's page.

    Args:
        name: of the chapter.
        asked: what it was asked for.
        rows: what it got; see `measuring.rows`.
    """
    used = _used(rows)
    keys = cited.markup([one.key for one in used])
    parts = [_line("Run with", _subject(asked)), _line("Records", _counted(rows, used) + keys)]
    if used:
        parts.append(_line("Measured on", escape(text.listing(_processors(used)))))
        parts.append(_line("With", escape(_versions(used))))
    parts.append(_line("Run again", f"<code>{escape(command(name, asked))}</code>"))
    own = data_sheet.of(asked.dataset)
    return HTML(f"<dl class='dlmo-head'>{''.join(parts)}</dl>{own}")


def command(name: str, asked: Asked) -> str:
    """Return the one line that runs a chapter again as it was run."""
    given = {"dataset": asked.dataset, "network": asked.network, "profile": asked.profile}
    own = defaults(name)
    for extra, default in own.items():
        value = asked.own[extra] if extra in asked.own else getattr(asked, extra)
        if extra not in given and value != default:
            given[extra] = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    words = (shlex.quote(f"{parameter}={value}") for parameter, value in given.items())
    return " ".join(["dlmo run", name, *(f"-p {word}" for word in words)])


def _subject(asked: Asked) -> str:
    network = comparison_tables.title(asked.network)
    dataset = comparison_tables.title(asked.dataset)
    return escape(f"{network} on {dataset}, profile {asked.profile}")


def _used(rows: pd.DataFrame) -> list[records.Record]:
    """Return the records on which rows rest: weights, files and their measurements."""
    columns = [column for column in rows.columns if column.endswith("_key")]
    keys = set(rows[columns].stack().dropna()) if len(rows) else set()
    found = records.every() if keys else []
    return [one for one in found if one.key in keys or _about(one, keys)]


def _about(record: records.Record, keys: set[str]) -> bool:
    return isinstance(record, records.Measurement) and record.identity.deployable in keys


def _counted(rows: pd.DataFrame, used: list[records.Record]) -> str:
    if not used:
        return text.begin(text.MISSING)
    seeds = text.count(rows["seed"].nunique(), "seed")
    trials = text.count(len(rows), "trial")
    return f"{trials} with {seeds}, {_commits(used)}"


def _commits(used: list[records.Record]) -> str:
    made = {(one.provenance.commit[:10], one.provenance.clean) for one in used}
    named = [
        f"<code>{commit}</code>" + ("" if clean else " with changes")
        for commit, clean in sorted(made)
        if commit != "unknown"
    ]
    if len(named) > 1:
        said = f"made by {text.count(len(named), 'version')} of the code"
        listed = text.listing(named)
        return f"<details class='dlmo-versions'><summary>{said}</summary>{listed}</details>"
    return f"made by the code of {named[0]}" if named else "commit unknown"


def _processors(used: list[records.Record]) -> list[str]:
    return sorted({f"{one.provenance.machine.processor}{_kernels(one)}" for one in used})


def _kernels(record: records.Record) -> str:
    """Return the instruction sets on which it depends what kernels compute."""
    sets = record.provenance.machine.instruction_sets
    wide = [name for name in ("avx2", "avx512f", "avx512_vnni", "amx_int8", "neon") if name in sets]
    return f" ({', '.join(name.upper().replace('_', '-') for name in wide)})" if wide else ""


def _versions(used: Iterable[records.Record]) -> str:
    shown = {
        "tensorflow": "TensorFlow",
        "tensorflow-model-optimization": "tfmot",
        "ai-edge-litert": "LiteRT",
    }
    found: dict[str, set[str]] = {}
    for one in used:
        for library, version in one.provenance.versions.items():
            found.setdefault(library, set()).add(version)
    named = [
        f"{title} {'/'.join(sorted(found[one]))}" for one, title in shown.items() if one in found
    ]
    return text.listing(named)


def _line(term: str, said: str) -> str:
    return f"<dt>{term}</dt><dd>{said}</dd>" if said else ""

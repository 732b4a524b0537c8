"""`dlmo claims`: the paper's claims judged by the records, and their committed summary."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlmo.cli.options import Format
from dlmo.errors import UserError, unknown

if TYPE_CHECKING:
    from dlmo.report.claims import Verdict


def claims(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[CLAIM]...", help="Claims by id.  [all]")
    ] = None,
    shape: Annotated[Format, typer.Option("--format", help="How to print them.")] = Format.TABLE,
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="Profile.  [both]")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Renew the committed summary, and print what changed.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 where the committed summary is old.")
    ] = False,
) -> None:
    """Judge every claim of the paper by its criterion and the records.

    Criteria stand in data/paper/claims.yaml. The summary lies beside the records, so that a change
    of verdict shows in a diff.

    \b
    Examples:
      dlmo claims
      dlmo claims remark-1 remark-2 --format json
      dlmo claims --write
    """
    if (write or check) and (names or profile):
        raise UserError("the summary is about all claims; leave out names and --profile")
    found = _judged(names or [], profile)
    if write or check:
        _summarise(found, write)
    else:
        _print(found, shape)


def _judged(names: list[str], profile: str | None) -> "list[Verdict]":
    from dlmo import paper, recipes
    from dlmo.report import claims as room

    known = [one.id for one in paper.claims()]
    for name in names:
        if name not in known:
            raise unknown("claim", name, known)
    if profile is not None and profile not in recipes.names():
        raise unknown("profile", profile, recipes.names())
    # All are judged in any case: a family is corrected as a whole.
    found = room.all_verdicts() if profile is None else room.verdicts(profile)
    return [one for one in found if not names or one.claim.id in names]


def _summarise(found: "list[Verdict]", write: bool) -> None:
    from dlmo.report.claims import summary

    old = summary.file().exists()
    changes = summary.changes(found) if old else [f"{summary.file()} is new"]
    for line in changes:
        typer.echo(line)
    if write:
        summary.write(found)
    if not changes:
        typer.echo("the summary says what the records say")
    elif not write:
        typer.echo(f"renew it: {summary.RENEW}", err=True)
        raise typer.Exit(1)


def _print(found: "list[Verdict]", shape: Format) -> None:
    from dlmo.cli import tables
    from dlmo.report.claims import summary

    if shape is Format.JSON:
        typer.echo(json.dumps([_whole(one) for one in found], indent=1, ensure_ascii=False))
        return
    rows = list(summary.rows(found))
    if shape is Format.CSV:
        tables.csv(rows)
        return
    shown = [_short(row) for row in rows]
    tables.show(shown, right=("passing", "measured", "named", "p", "corrected"))


def _short(row: dict[str, str]) -> dict[str, str]:
    names = ("claim", "profile", "verdict", "passing", "measured", "named", "p", "corrected")
    return {name: row[name] for name in names}


def _whole(verdict: "Verdict") -> dict[str, Any]:
    from dlmo.report.claims import words

    return {
        "claim": verdict.claim.model_dump(mode="json", exclude_none=True),
        "profile": verdict.profile,
        "verdict": verdict.word,
        "found": words.found(verdict),
        "p": verdict.p,
        "corrected": verdict.corrected,
        "records": list(verdict.keys),
        "cells": [_cell(one) for one in verdict.evidence],
        "beside": {label: _whole(one) for label, one in verdict.beside.items()},
    }


def _cell(evidence: Any) -> dict[str, Any]:
    from dataclasses import asdict

    found = evidence.interval
    limits = {} if found is None else {name: _plain(value) for name, value in asdict(found).items()}
    said = {"missing": evidence.missing, "note": evidence.note}
    return {
        **asdict(evidence.cell),
        **limits,
        "p": evidence.p,
        "refuting": evidence.refuting,
        **{name: value for name, value in said.items() if value},
    }


def _plain(value: float) -> float | None:
    return None if value != value else value

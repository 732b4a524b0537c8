"""The command `dlmo`: one file a verb.

Nothing heavy is imported before a verb needs it, so that help comes at once.
"""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

from dlmo.cli import (
    arena,
    claims,
    data,
    export,
    import_,
    inspect,
    keep,
    measure,
    recommend,
    records,
    replay,
    reproduce,
    robustness,
    run,
    sweep,
    verify,
)
from dlmo.errors import UserError

_INTERRUPTED = 130

app = typer.Typer(
    name="dlmo",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("measure")(measure.measure)
app.command("arena")(arena.arena)
app.add_typer(records.app, name="records")
app.add_typer(data.app, name="data")
app.command("keep")(keep.keep)
app.command("run")(run.run)
app.command("claims")(claims.claims)
app.command("recommend")(recommend.recommend)
app.command("robustness")(robustness.robustness)
app.command("verify")(verify.verify)
app.command("reproduce")(reproduce.reproduce)
app.command("inspect")(inspect.inspect)
app.command("export")(export.export)
app.command("sweep")(sweep.sweep)
app.command("replay")(replay.replay)
app.command("import")(import_.import_)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dlmo {metadata.version('dlmo')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _dlmo(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Deep Learning Model Optimization for edge devices: measure, look up, run again.

    \b
    Examples:
      dlmo measure --dataset digits --network vggnet --profile smoke --dry-run
      dlmo records --network vggnet --format csv
      dlmo data
      dlmo run quantization_and_pruning -p network=resnet50
      dlmo verify
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command and end the process: 0, 2 for what a user can mend, 130 when interrupted."""
    code = run_command()
    # All is said and kept; another interrupt has nothing left to stop but Python's own ending.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run the command with some arguments (by default the process's own); return its exit code."""
    try:
        code = app(arguments, prog_name="dlmo", standalone_mode=False)
        sys.stdout.flush()
        # typer makes an interrupt the exit code 130.
        return _stopped() if code == _INTERRUPTED else code if isinstance(code, int) else 0
    except BrokenPipeError:
        # The reader went away; there is nobody to flush to when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, typer.Abort):
        return _stopped()
    except typer.TyperException as error:
        return _refuse(error.format_message())
    except UserError as error:
        return _refuse(str(error))
    except ValueError as error:
        return _refuse(_first(error))


def _first(error: ValueError) -> str:
    """Return a model's first complaint in one line; any other ValueError is a bug, and raised."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        raise error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{error.title.lower()}: {where}: {first['msg']} (it is {first['input']!r})"


def _refuse(message: str) -> int:
    sys.stderr.write(f"dlmo: error: {' '.join(message.split())}\n")
    return 2


def _stopped() -> int:
    sys.stderr.write("dlmo: stopped; what was finished is kept, the same command goes on\n")
    return _INTERRUPTED

"""The `callcore` program: gathers one command or group of commands from each file beside it."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from typing import NoReturn

import typer

import callcore
from callcore import cli
from callcore.cli.common import FAILED, exit_code
from callcore.errors import CallcoreError

#: Files beside this one that are not commands.
NOT_COMMANDS = frozenset(
    {"main", "common", "client", "importing", "checks", "graph", "reading", "explaining"}
)


def build(wanted: str = "") -> typer.Typer:
    """The whole program, or, to start fast, the one group or command `wanted`.

    A module of `callcore.cli` brings either `app` (a group) or `command` (one command), named like
    the module; an underscore in the name becomes a hyphen.
    """
    root = typer.Typer(
        help="Call centre beside Asterisk.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    root.callback()(options)
    names = [f.name for f in pkgutil.iter_modules(cli.__path__) if f.name not in NOT_COMMANDS]
    if wanted.replace("-", "_") in names:
        names = [wanted.replace("-", "_")]
    for module_name in names:
        module = importlib.import_module(f"{cli.__name__}.{module_name}")
        name = module_name.replace("_", "-")
        if hasattr(module, "app"):
            root.add_typer(module.app, name=name)
        else:
            root.command(name)(module.command)
    return root


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"callcore {callcore.__version__}")
        raise typer.Exit


def options(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=show_version, is_eager=True
    ),
) -> None:
    """Call centre beside Asterisk."""


def the_one_error(group: BaseExceptionGroup[BaseException]) -> CallcoreError:
    """What the server's task group died of; anything but an error of ours keeps its traceback."""
    ours, others = group.split(CallcoreError)
    if ours is None or others is not None:
        raise group
    first: BaseException = ours
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, CallcoreError)
    return first


def give_up(error: CallcoreError) -> NoReturn:
    print(f"callcore: {error}", file=sys.stderr)
    sys.exit(exit_code(error))


def main() -> None:
    """Run the program; an error that callcore raises on purpose is one line on stderr."""
    try:
        build(sys.argv[1] if len(sys.argv) > 1 else "")(prog_name="callcore")
    except CallcoreError as exc:
        give_up(exc)
    except BaseExceptionGroup as group:
        give_up(the_one_error(group))
    except BrokenPipeError:
        # Whoever read our output stopped (`| head`); nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except OSError as exc:
        print(f"callcore: {exc.filename or 'input/output'}: {exc.strerror}", file=sys.stderr)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

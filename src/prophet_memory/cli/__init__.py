"""The command line `prophet-memory`. Each command is a module of its own, imported when it is called."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from pathlib import Path

import click

from prophet_memory.edge.command import ConfigurationError, run
from prophet_memory.edge.places import use_catalogue
from prophet_memory.edge.remembered import cache_folder, keep_in

COMMANDS = {
    "plan": "what one model needs and holds on some GPUs",
    "fit": "the GPUs that hold so many requests of a context",
    "compare": "policies and precisions side by side, with the time of a step",
    "recommend": "the policy, precision and layout that serve a load in time with the fewest GPUs",
    "simulate": "replicas that serve a trace: batches, times, goodput",
    "models": "the catalogue of models",
    "gpus": "the catalogue of GPUs",
    "explain": "a model's parameters by component, and its cache in numbers",
    "import-config": "a Hugging Face config.json as a model of the catalogue",
    "sweep": "a grid of your own into a table",
    "observations": "the memory model against what engines printed",
    "observe": "your own engine's log against the memory model",
}


class Commands(click.Group):
    """A group that imports a command only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order in which a new user needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        gc.disable()  # nothing that is imported is garbage, and to look for it takes a twentieth of an answer
        command: click.Command = import_module(f"prophet_memory.cli.{cmd_name.replace('-', '_')}").command
        gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in --help, without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; an unknown name gets the list."""
        if args and args[0] not in COMMANDS:
            raise ConfigurationError(f"command: {args[0]}; allowed: {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--catalogue",
    type=click.Path(path_type=Path),
    is_eager=True,  # before a command is imported, which reads the config
    expose_value=False,
    callback=lambda _context, _option, folder: None if folder is None else use_catalogue(folder),
    help="another folder like config/: models, GPUs, engines, assumptions",
)
@click.version_option(package_name="prophet-memory")
def program() -> None:
    """GPU memory of mixture-of-experts models, and what it buys to keep only the activated experts there.

    Exit status: 0 with an answer, 1 where --check finds that it does not fit, 2 for wrong input.
    """


def main() -> None:
    """Run; wrong input gets one line and exit status 2."""
    keep_in(cache_folder())

    def called() -> object:
        try:
            return program(standalone_mode=False)
        except click.exceptions.NoArgsIsHelpError as problem:
            click.echo(problem.format_message())
            return 2
        except click.exceptions.Abort:
            raise ConfigurationError("interrupted") from None
        except click.ClickException as problem:
            raise ConfigurationError(one_line(problem)) from None

    result = run(called)
    sys.exit(result if isinstance(result, int) else 0)


def one_line(problem: click.ClickException) -> str:
    """Click's message in the form of ours: option, value, what is allowed."""
    if isinstance(problem, click.MissingParameter) and problem.param is not None:
        name = problem.param.opts[0]
        return f"{name}: missing; allowed: {problem.param.human_readable_name if not name.startswith('-') else 'a value'}"
    if isinstance(problem, click.NoSuchOption) and problem.option_name == "--catalogue":
        return f"{problem.option_name}: behind the command; allowed: before it, as in prophet-memory --catalogue FOLDER plan ..."
    if isinstance(problem, click.BadOptionUsage) and not isinstance(problem, click.NoSuchOption):
        return f"{problem.option_name}: missing; allowed: a value"
    if isinstance(problem, click.NoSuchOption):
        near = f" (did you mean {problem.possibilities[0]}?)" if problem.possibilities else ""
        return f"{problem.option_name}: no such option; allowed: those that --help lists{near}"
    if isinstance(problem, click.BadParameter) and problem.param is not None:
        return f"{problem.param.opts[0]}: {problem.message}"
    return problem.format_message()

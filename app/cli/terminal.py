"""What the commands share: the terminal, the settings, and a sentence where something is wrong."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

from rich.console import Console, RenderableType

if TYPE_CHECKING:
    from app.settings import ProcessSettings

console = Console(stderr=True)

AnySettings = TypeVar("AnySettings", bound="ProcessSettings")


def settings_of_environment(kind: type[AnySettings]) -> AnySettings:
    """The settings; ends the program with a sentence for each that is wrong."""
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        return kind()
    except ValidationError as error:
        problems = [
            f"  {_variable(problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
        fail("These settings are missing or wrong (docs/configuration.md):\n" + "\n".join(problems))


def with_sentences(run: Callable[[], object]) -> None:
    """Run a command; end with a sentence that a person can act on where something outside is wrong."""
    from app.complaint import complaint  # noqa: PLC0415

    try:
        run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        sentence = complaint(error)
        if sentence is None:
            raise
        fail(sentence)


def print_out(what: RenderableType) -> None:
    """Print what was asked for onto stdout, where programs read it; all else goes to stderr."""
    Console().print(what)


def fail(sentence: str) -> NoReturn:
    """End the program with a sentence and exit code 1."""
    console.print(f"[bold red]tallygate:[/] {sentence}", highlight=False)
    sys.exit(1)


def _variable(location: tuple[int | str, ...]) -> str:
    if not location:
        return "together"
    name = str(location[0])
    return "DATABASE_URL" if name.lower().endswith("database_url") else f"TALLYGATE_{name.upper()}"

"""Commands that are imported only when they are called, and arguments that cost nothing to read.

People wait for ``poparchive search``; most of what they would wait for is imports. So the group
below knows its commands by name and summary, and imports the module of the one that is called.
Help, suggestions for a mistyped name and usage errors work as in any typer application.
"""

import enum
import gc
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class Entry(NamedTuple):
    """One row of the table of commands: where its function (or group) is, and one line about it."""

    target: str
    """``module:name`` of a function with typer's annotations, or of what ``group`` made."""
    summary: str


class Section(NamedTuple):
    """Commands that ``--help`` lists under one heading."""

    title: str
    entries: dict[str, Entry]


class Command(TyperCommand):
    """A command whose plain arguments are converted here, and whose result is the exit code."""

    def get_params(self, ctx: Any) -> list[Any]:
        params = super().get_params(ctx)
        for param in params:
            _lighten(param)
        return params

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not any(param.name == "query" for param in self.params):
            return super().parse_args(ctx, args)
        left = super().parse_args(ctx, [_as_query(word) for word in args])
        if words := ctx.params.get("query"):
            ctx.params["query"] = [_as_given(word) for word in words]
        return left

    def invoke(self, ctx: Any) -> Any:
        # main.py turned it off for the time of imports, which ends here.
        gc.enable()
        return super().invoke(ctx)


_NEGATED = "\0"
"""No word of a command line holds it."""


def _as_query(word: str) -> str:
    """Mark ``-reminder``, which is no option of ours and would be taken for some."""
    one = word[1:2]
    negated = word[:1] == "-" and one not in ("", "-") and (len(word) > 2 or not _is_letter(one))
    return _NEGATED + word if negated else word


def _as_given(value: Any) -> Any:
    """Return what was given: an option takes a marked word too, as in ``--limit -1``."""
    return value.removeprefix(_NEGATED) if isinstance(value, str) else value


def _is_letter(one: str) -> bool:
    return one.isascii() and one.isalpha()


class Group(TyperGroup):
    """A group of commands that are all in one module."""

    def get_params(self, ctx: Any) -> list[Any]:
        params = super().get_params(ctx)
        for param in params:
            _lighten(param)
        return params


class LazyGroup(Group):
    """A group that imports a command when it is called; ``sections`` is its table."""

    sections: ClassVar[tuple[Section, ...]] = ()

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(self.sections)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the summaries by section, from the table: nothing is imported for them."""
        for title, entries in self.sections:
            if entries:
                with formatter.section(title):
                    formatter.write_dl([(name, entry.summary) for name, entry in entries.items()])

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; what it returns, if anything but None or 0, is the exit code."""
        code = super().invoke(ctx)
        if code:
            ctx.exit(code)


class _Commands(MutableMapping[str, Any]):
    """Names of commands to commands, built when they are looked up."""

    def __init__(self, sections: tuple[Section, ...]) -> None:
        self._entries = {
            name: entry for section in sections for name, entry in section.entries.items()
        }
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _build(name, self._entries[name])
        return self._built[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._built[name] = command

    def __delitem__(self, name: str) -> None:
        del self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def group(summary: str) -> typer.Typer:
    """An empty group of commands, such as ``account``; add to it with ``@app.command(cls=Command)``."""
    return typer.Typer(
        cls=Group,
        help=summary,
        add_completion=False,
        rich_markup_mode=None,
        no_args_is_help=True,
        context_settings=HELP_NAMES,
    )


def _build(name: str, entry: Entry) -> Any:
    module, _, attribute = entry.target.partition(":")
    target = getattr(import_module(module), attribute)
    if isinstance(target, typer.Typer):
        return typer.main.get_group(target)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, cls=Command, short_help=entry.summary, context_settings=HELP_NAMES)(target)
    return typer.main.get_command(app)


# ---- arguments -----------------------------------------------------------------------------------

_TRUE = {"1", "true", "t", "yes", "y", "on"}
_FALSE = {"0", "false", "f", "no", "n", "off", ""}


def _lighten(param: Any) -> None:
    """Has a parameter of a plain type converted by this module instead of by pydantic.

    Recent typer hands every value, even an absent one, to pydantic, and importing that takes longer
    than the rest of a search together. A parameter of any other type, and every parameter under
    a typer that works otherwise, stays as it is: slower, not different.
    """
    descriptor = getattr(param, "type_descriptor", None)
    if descriptor is None or vars(param).get("_runtime_param", param) is not None:
        return
    convert = _converter(descriptor.annotation, descriptor.parameter_info)
    if convert is not None:
        vars(param)["_runtime_param"] = _Plain(convert)


@dataclass(frozen=True, slots=True)
class _Plain:
    """Stands where typer keeps its own converter of a parameter."""

    convert: Callable[[Any], Any]

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        try:
            if several:
                return [self.convert(_as_given(each)) for each in value]
            return self.convert(_as_given(value))
        except ValueError as error:
            raise typer.BadParameter(str(error), ctx=ctx, param=param) from None


def _converter(annotation: Any, info: Any) -> Callable[[Any], Any] | None:
    """The function for one value of a type, or None where typer's own has to do it."""
    if getattr(annotation, "__origin__", None) is list:
        annotation = annotation.__args__[0]
    if info.parser is not None or info.clamp:
        return None
    if annotation is str:
        return str
    if annotation is bool:
        return _bool
    if annotation is int or annotation is float:
        return lambda value: _number(annotation, value, info.min, info.max)
    if annotation is Path and not (
        info.exists
        or info.writable
        or info.resolve_path
        or info.allow_dash
        or info.path_type
        or not info.file_okay
        or not info.dir_okay
    ):
        return Path
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum) and info.case_sensitive:
        return lambda value: _choice(annotation, value)
    return None


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"{value!r} is neither true nor false")
    return word in _TRUE


def _number(kind: type[int] | type[float], value: Any, low: Any, high: Any) -> Any:
    try:
        number = kind(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a number") from None
    if low is not None and number < low:
        raise ValueError(f"{value} is less than {low}")
    if high is not None and number > high:
        raise ValueError(f"{value} is more than {high}")
    return number


def _choice(kind: type[enum.Enum], value: Any) -> enum.Enum:
    for member in kind:
        if value is member or value == str(member.value):
            return member
    raise ValueError(f"{value!r} is not one of " + ", ".join(str(m.value) for m in kind))

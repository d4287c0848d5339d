"""Commands with many options: typer sees one parameter for each field of a frozen dataclass, the body takes one value.

A field is declared as a parameter would be: ``name: Annotated[str, typer.Option("--name", help="...")] = "default"``.
Options that several commands share are fields of a base class. The fields of a class come before those of its bases, in
the help as well, so that a command's own arguments and options come first.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, get_type_hints

_Options = TypeVar("_Options")
_Result = TypeVar("_Result")


def take_options(options: type[_Options]) -> Callable[[Callable[[_Options], _Result]], Callable[..., _Result]]:
    """Make a command of a function that takes one ``options`` value, a frozen dataclass.

    Goes below ``@app.command()``. Raises ``TypeError`` for anything but a frozen dataclass, and for a field that
    cannot be a parameter: one with a default factory, or one that the constructor does not take.
    """
    parameters = list(_parameters(options))

    def decorate(body: Callable[[_Options], _Result]) -> Callable[..., _Result]:
        def command(**values: Any) -> _Result:
            return body(options(**values))

        command.__name__, command.__qualname__ = body.__name__, body.__qualname__
        command.__module__, command.__doc__ = body.__module__, body.__doc__
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def _parameters(options: type[Any]) -> Iterator[inspect.Parameter]:
    frozen = getattr(getattr(options, "__dataclass_params__", None), "frozen", False)
    if not frozen:
        raise TypeError(f"Expected a frozen dataclass of options, found {options.__name__}.")
    hints = get_type_hints(options, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(options)}
    for owner in options.__mro__:
        for name in inspect.get_annotations(owner):
            field = fields.pop(name, None)
            if field is None:
                continue  # a base's field that the class declares anew
            if not field.init or field.default_factory is not dataclasses.MISSING:
                raise TypeError(f"Expected a plain default for the option {name} of {options.__name__}.")
            default = inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
            yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])

"""Pages of the API reference, one per module, written from its public names when the documentation is built."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.pycode import ModuleAnalyzer
from torch import nn

MODULES = (
    "layers",
    "encoders",
    "decoders",
    "generators",
    "discriminators",
    "losses",
    "optim",
    "metrics",
    "data",
    "data.town",
    "training",
    "events",
    "errors",
)


def write(folder: Path) -> None:
    """Write ``<folder>/<module>.rst`` for each module; a page that is up to date is left alone."""
    folder.mkdir(exist_ok=True)
    for name in MODULES:
        path = folder / f"{name}.rst"
        text = page(f"gancomponents.{name}")
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def page(name: str) -> str:
    """The page of one module: its public names, a section for each file that defines some."""
    module = importlib.import_module(name)
    title = name.removeprefix("gancomponents.")
    lines = [*_heading(title, "="), f".. automodule:: {name}", "   :no-members:", ""]
    lines += [f".. currentmodule:: {name}", ""]
    lines += [*(f"- :py:obj:`{public}` {_summary(module, public)}" for public in module.__all__), ""]
    left = set(module.__all__)
    for part in _parts(module):
        defined = [public for public in _defined_in(part, module) if public in left]
        if not defined:
            continue
        left -= set(defined)
        lines += [
            *_heading(part.__name__.rsplit(".", 1)[-1].replace("_", " ").strip(), "-"),
            _first(part),
            "",
        ]
        for public in defined:
            lines += _entry(public, module)
    for public in sorted(left):  # modules that are names themselves
        target = f"{name}.{public}"
        lines += [*_heading(public, "-"), f".. automodule:: {target}", "   :members:", "   :no-index:", ""]
    return "\n".join(lines)


def _parts(module: ModuleType) -> Iterator[ModuleType]:
    """The files of a package, nested ones included, by name; a single file is its own only part."""
    if not hasattr(module, "__path__"):
        yield module
        return
    found = pkgutil.walk_packages(module.__path__, f"{module.__name__}.")
    for name in sorted(part.name for part in found if not part.name.endswith("__main__")):
        yield importlib.import_module(name)


def _defined_in(part: ModuleType, module: ModuleType) -> list[str]:
    """The public names that a file defines: classes first, then functions, then constants."""
    classes, functions, constants = [], [], []
    comments = _comments(part)
    for public in sorted(module.__all__, key=str.lower):
        value = getattr(module, public)
        if inspect.isclass(value) or inspect.isfunction(value):
            if value.__module__ == part.__name__:
                (classes if inspect.isclass(value) else functions).append(public)
        elif public in comments:
            constants.append(public)
    return [*classes, *functions, *constants]


def _entry(name: str, module: ModuleType) -> list[str]:
    value = getattr(module, name)
    heading = _heading(name, "~")
    if inspect.isclass(value):
        signature = "()" if _takes_nothing(value) else ""
        lines = [*heading, f".. autoclass:: {name}{signature}", "   :members:", "   :show-inheritance:", ""]
        for method in ("forward", "__call__"):
            own = vars(value).get(method)
            if own is not None and not (method == "forward" and own.__doc__):
                lines += [f"   .. automethod:: {method}", ""]
        return lines
    if inspect.isfunction(value):
        return [*heading, f".. autofunction:: {name}", ""]
    return [*heading, f".. py:data:: {name}", "", *(f"   {line}" for line in _comment(module, name)), ""]


def _comment(module: ModuleType, name: str) -> list[str]:
    """The ``#:`` comment above a constant, wherever in the package it is defined."""
    for part in _parts(module):
        comment = _comments(part).get(name)
        if comment:
            return comment
    raise ValueError(f"{module.__name__}.{name} must be documented by a '#:' comment above it")


def _summary(module: ModuleType, name: str) -> str:
    """The first line of a docstring, or of the comment above a constant."""
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value):
        return (inspect.getdoc(value) or "").split("\n")[0]
    return _comment(module, name)[0]


def _takes_nothing(value: type) -> bool:
    """Whether a block is made without arguments: it inherits torch's constructor, which takes any."""
    return issubclass(value, nn.Module) and value.__init__ is nn.Module.__init__


def _comments(part: ModuleType) -> dict[str, list[str]]:
    """The ``#:`` comments above a file's constants."""
    analyzer = ModuleAnalyzer.for_module(part.__name__)
    analyzer.analyze()
    return {name: lines for (scope, name), lines in analyzer.attr_docs.items() if not scope}


def _first(part: ModuleType) -> str:
    return inspect.getdoc(part) or ""


def _heading(title: str, rule: str) -> list[str]:
    return [title, rule * len(title), ""]


def skip(app: Any, kind: str, name: str, value: object, skipped: bool, options: Any) -> bool | None:
    """Leave out what a named tuple says of its own fields, which is nothing."""
    return True if (getattr(value, "__doc__", None) or "").startswith("Alias for field number") else None

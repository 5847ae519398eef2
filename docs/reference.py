"""Pages of the API reference, one per module, written from its public names when the documentation is built."""

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

from sphinx.pycode import ModuleAnalyzer

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
    "training",
    "events",
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
    """The page of one module: a table of its public names, then each of them in full."""
    module = importlib.import_module(name)
    kinds: dict[str, list[str]] = {"Classes": [], "Functions": [], "Types and constants": [], "Modules": []}
    for public in sorted(module.__all__, key=str.lower):
        kinds[_kind(getattr(module, public))].append(public)
    title = name.split(".")[-1]
    lines = [title, "=" * len(title), "", f".. automodule:: {name}", "   :no-members:", ""]
    lines += [f".. currentmodule:: {name}", ""]
    for kind, names in kinds.items():
        if not names:
            continue
        lines += [kind, "-" * len(kind), ""]
        if kind in ("Classes", "Functions"):
            lines += [".. autosummary::", "", *(f"   {public}" for public in names), ""]
        for public in names:
            lines += _entry(kind, public, module)
    return "\n".join(lines)


def _kind(value: object) -> str:
    if inspect.isclass(value):
        return "Classes"
    if inspect.isfunction(value):
        return "Functions"
    return "Modules" if inspect.ismodule(value) else "Types and constants"


def _entry(kind: str, name: str, module: ModuleType) -> list[str]:
    heading = [name, "~" * len(name), ""]
    if kind == "Classes":
        options = ["   :members:", "   :exclude-members: forward", "   :show-inheritance:"]
        return [*heading, f".. autoclass:: {name}", *options, ""]
    if kind == "Functions":
        return [*heading, f".. autofunction:: {name}", ""]
    if kind == "Modules":
        return [*heading, f".. automodule:: {module.__name__}.{name}", "   :members:", ""]
    return [*heading, f".. py:data:: {name}", "", *(f"   {line}" for line in _comment(module, name)), ""]


def _comment(module: ModuleType, name: str) -> list[str]:
    """The ``#:`` comment above a constant, wherever in the package it is defined."""
    for part in pkgutil.iter_modules(module.__path__, f"{module.__name__}."):
        if part.ispkg:
            continue
        analyzer = ModuleAnalyzer.for_module(part.name)
        analyzer.analyze()
        if ("", name) in analyzer.attr_docs:
            return analyzer.attr_docs["", name]
    raise ValueError(f"{module.__name__}.{name} must be documented by a '#:' comment above it")

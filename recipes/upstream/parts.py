"""Modules to be built, as data: a class, its arguments, and the recipe text that binds them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_PACKAGES = {"climategan": "recipes", "data": "recipes", "nn": "torch"}


@dataclass(frozen=True)
class Part:
    """A class by its name in recipes, with arguments; itself a value of another part's argument.

    Attributes:
        name: such as "decoders.MaskDecoder".
        arguments: by name: literals, or parts.
        built: an instance where True, else the class with these arguments, for somebody else to call.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    built: bool = True

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value!s}" for name, value in self.arguments.items())
        return f"{self.name}({shown})" if shown else self.name

    def walk(self) -> Iterator["Part"]:
        """This part and all below."""
        yield self
        for value in self.arguments.values():
            if isinstance(value, Part):
                yield from value.walk()


def recipe_text(parts: Sequence[Part]) -> str:
    """The recipe (gin) that binds the parts. A class that is there with several arguments gets a scope for each.

    >>> painter = Part("generators.SPADEPainter", {"width": 8})
    >>> print(recipe_text([Part("climategan.ClimateGAN", {"painter": painter})]))
    from __gin__ import dynamic_registration
    from gancomponents import generators
    from recipes import climategan
    <BLANKLINE>
    climategan.ClimateGAN:
      painter = @generators.SPADEPainter()
    <BLANKLINE>
    generators.SPADEPainter:
      width = 8
    <BLANKLINE>
    """
    every = [part for top in parts for part in top.walk()]
    modules = sorted({part.name.split(".")[0] for part in every})
    imports = sorted(f"from {_PACKAGES.get(name, 'gancomponents')} import {name}" for name in modules)
    forms: dict[str, set[str]] = {}
    for part in every:
        forms.setdefault(part.name, set()).add(repr(part.arguments))
    blocks: dict[str, str] = {}
    for part in parts:
        _render(part, part.name, {name for name, found in forms.items() if len(found) > 1}, blocks)
    bindings = "\n\n".join(block for block in blocks.values() if block)
    return "\n".join(["from __gin__ import dynamic_registration", *imports, "", bindings, ""])


def _render(part: Part, selector: str, ambiguous: set[str], blocks: dict[str, str]) -> None:
    blocks[selector] = ""  # keeps its place above those of its arguments
    lines = [f"{selector}:"]
    scope = selector.rpartition("/")[0]
    for name, value in part.arguments.items():
        if not isinstance(value, Part):
            lines.append(f"  {name} = {value!r}")
            continue
        inner = value.name
        if value.name in ambiguous and value.arguments:
            # Scopes lie side by side, not within each other: the whole path in one name keeps them apart.
            inner = f"{f'{scope}_' if scope else ''}{name}/{value.name}"
        lines.append(f"  {name} = @{inner}{'()' if value.built else ''}")
        _render(value, inner, ambiguous, blocks)
    if part.arguments:
        blocks[selector] = "\n".join(lines)

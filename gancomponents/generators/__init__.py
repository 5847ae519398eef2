"""Generators: the SPADE painter, and pasting what it painted into the original."""

from gancomponents.generators.painter import SPADEPainter, paste

__all__ = ["SPADEPainter", "paste"]

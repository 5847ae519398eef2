"""Recipes: what wires the building blocks together, and the commands that run it."""

import os

#: Who started this process, asked before imports that take seconds, in which torchrun may die.
PARENT = os.getppid()

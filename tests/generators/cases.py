"""Conformance cases of `gancomponents.generators`."""

from tests.case import Case, Elsewhere

CASES: list[Case | Elsewhere] = []

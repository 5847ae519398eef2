"""Conformance cases of `gancomponents.optim`."""

from tests.case import Case, Elsewhere

CASES: list[Case | Elsewhere] = []

"""Conformance cases of `gancomponents.losses`."""

from tests.case import Case, Elsewhere

CASES: list[Case | Elsewhere] = []

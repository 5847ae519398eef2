"""Conformance cases of `gancomponents.training`."""

from tests.case import Case, Elsewhere

CASES: list[Case | Elsewhere] = []

"""Conformance cases of `gancomponents.metrics`."""

from tests.case import Case, Elsewhere

CASES: list[Case | Elsewhere] = []

"""Conformance cases of `gancomponents.data`."""

from tests.case import Case, Elsewhere

CASES: list[Case | Elsewhere] = []

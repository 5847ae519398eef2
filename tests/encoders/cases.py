"""Conformance cases of `gancomponents.encoders`."""

from tests.case import Case, Elsewhere

CASES: list[Case | Elsewhere] = []

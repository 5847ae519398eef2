"""Conformance cases of `gancomponents.discriminators`."""

from tests.case import Case, Elsewhere

CASES: list[Case | Elsewhere] = []

"""Conformance cases of `gancomponents.events`."""

from tests.case import Case, Elsewhere

CASES: list[Case | Elsewhere] = []

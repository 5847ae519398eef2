"""Conformance cases of `gancomponents.decoders`."""

from tests.case import Case, Elsewhere

CASES: list[Case | Elsewhere] = []

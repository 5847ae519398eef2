"""Conformance cases of `gancomponents.data`."""

from tests.case import Case, Elsewhere
from tests.data.cases_loading import LOADING

CASES: list[Case | Elsewhere] = [*LOADING]

PYTHON ?= python

OUT ?= docs/_build/html

.PHONY: check lint types test docs format

check: lint types docs test

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy

# README's test command; the doctests run with it (see setup.cfg).
test:
	$(PYTHON) -m pytest -n auto

docs:
	$(PYTHON) -m sphinx -q -W -b html docs $(OUT)

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

# Everything here needs a Python (3.11 or newer), make and the package registries, no more.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SOURCES = $(shell find vaultconfig -name '*.py')
# The tests run against the installed package, not the checkout.
RUN = PYTHONSAFEPATH=1 $(BIN)

.PHONY: demo test check coverage bench format clean

demo: $(VENV)/package
	$(RUN)/vaultconfig demo

test: $(VENV)/package
	$(RUN)/python -m pytest $(ARGS)

check: $(VENV)/package
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: $(VENV)/package
	$(RUN)/coverage run -m pytest $(ARGS)
	$(RUN)/coverage combine
	$(RUN)/coverage report

bench: $(VENV)/package
	$(BIN)/python -m tests.benchmarks

format:
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/dependencies: pyproject.toml .ci/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1' -c .ci/constraints.txt
	$(BIN)/pip install --quiet -c .ci/constraints.txt --group dev '.[all]'
	touch $@

$(VENV)/package: $(VENV)/dependencies $(SOURCES)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --force-reinstall .
	touch $@

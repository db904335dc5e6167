# CONTRIBUTING.md says what a machine needs for it.
PYTHON ?= python3
VENV ?= .venv
TEST_PROCESSES ?= 4
BIN = $(VENV)/bin
SOURCES = $(shell find vaultconfig -name '*.py')
# The tests run against the installed package, not the checkout. Bytecode is kept in any case:
# without it pytest rewrites some 400 modules anew in each of its processes, for 10 s.
RUN = PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE= $(BIN)
FOR_PYTHONS = hatchling pytest hypothesis trustme '.[dev-server]'

.PHONY: demo test test-oldest test-pydantic-settings test-pythons package soak pictures matrix api docs check coverage mutants bench bench-fleet bench-peers house format clean

demo: $(VENV)/package
	$(RUN)/vaultconfig demo

test: $(VENV)/package
	$(RUN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal $(ARGS)

# What meets other libraries, against the oldest versions of them that we allow. Left out is what
# meets Python and the operating system, or a library that we do not depend on, and of what runs
# servers the longest: the oldest Django is the newest for some Pythons.
MEETS_LIBRARIES = $(addprefix tests/,settings pure client render live cli django fastapi telemetry \
	store/test_server.py store/test_sealing.py)
MEETS_OTHERS = $(addprefix --ignore=tests/,settings/test_forks.py client/test_signals.py \
	$(addprefix live/test_,processes.py signals.py greenlets.py gunicorn.py celery.py) \
	$(addprefix cli/test_,hook.py run.py terminal.py watch_run.py watch_render.py watch_leaks.py) \
	$(addprefix django/test_,databases.py gunicorn.py installation.py rotation_under_load.py test_runs.py worker.py) \
	fastapi/test_example.py telemetry/test_programs.py)
test-oldest: $(VENV)-oldest/package
	$(subst $(BIN),$(VENV)-oldest/bin,$(RUN))/python -m pytest -n $(TEST_PROCESSES) --dist worksteal \
		$(MEETS_LIBRARIES) $(MEETS_OTHERS) $(ARGS)

# pydantic-settings' own tests, on VaultSettings.
test-pydantic-settings: $(VENV)/package
	$(RUN)/python tests/pydantic_settings_suite.py

# What needs nothing special, on every Python from 3.11 to 3.14 that is found.
test-pythons:
	.ci/pythons $(ARGS)

# Wheel and source distribution, into dist/, and the tests of just these files.
package: $(VENV)/package
	rm -rf dist
	$(BIN)/hatchling build -d dist
	DIST=dist $(RUN)/python -m pytest tests/packaging $(ARGS)

# Live settings through rotations and faults, for ten minutes.
soak: $(VENV)/package
	$(BIN)/python -m tests.soak $(ARGS)

# The terminal sessions in docs/pictures, from the real commands.
pictures: $(VENV)/package
	$(BIN)/python -m tests.pictures

# The page docs/reference/fault-matrix.md, from the table that tests/matrix holds.
matrix: $(VENV)/package
	$(BIN)/python -m tests.matrix

# The page docs/reference/api.md, from the signatures and docstrings.
api: $(VENV)/dependencies
	$(BIN)/python -m tests.docs.api

# The documentation site, into site/.
docs: $(VENV)-docs/dependencies
	$(VENV)-docs/bin/zensical build --strict
	$(VENV)-docs/bin/python -m tests.docs.site site

check: $(VENV)/package
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: $(VENV)/package
	$(RUN)/coverage run -m pytest $(ARGS)
	$(RUN)/coverage report

# Small changes of the code, each of which a test has to notice; ARGS chooses among them.
mutants: $(VENV)/package
	$(BIN)/python -m tests.mutants $(ARGS)

# The three benchmarks print their tables and write docs/explanation/benchmarks.* anew; with words in
# ARGS they make only the measurements whose names hold one of these, and write nothing.
bench: $(VENV)/package
	$(BIN)/python -m tests.benchmarks $(ARGS)

# Hundreds of processes, which take six minutes and 4 GB.
bench-fleet: $(VENV)/package
	$(BIN)/python -m tests.benchmarks.fleet $(ARGS)

# Beside other libraries, which are in an environment of their own, for some ten minutes.
bench-peers: $(VENV)-peers/dependencies
	$(VENV)-peers/bin/python -m tests.benchmarks.peers $(ARGS)

# How the house looks before and after; revisions of git in ARGS, "." for the working tree.
house: $(VENV)/dependencies
	$(BIN)/python -m tests.house $(ARGS)

format: $(VENV)/dependencies
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(VENV)-docs $(VENV)-oldest $(VENV)-peers $(VENV)-3.* build dist site .coverage \
		.cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/dependencies: pyproject.toml .ci/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 is needed: make PYTHON=python3.11 …")'
	@echo "Everything is installed, which takes one to three minutes"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1' -c .ci/constraints.txt
	$(BIN)/pip install --quiet -c .ci/constraints.txt --group dev '.[all]'
	touch $@

$(VENV)/package: $(VENV)/dependencies $(SOURCES)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --force-reinstall .
	touch $@

$(VENV)-docs/dependencies: .ci/docs.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r .ci/docs.txt
	touch $@

# Only the oldest versions are installed there. Everything else is taken from $(VENV), which is behind it.
$(VENV)-oldest/dependencies: $(VENV)/dependencies .ci/oldest.txt
	$(PYTHON) -m venv --clear $(@D)
	$(BIN)/python -c 'from sysconfig import get_path; print(get_path("purelib"))' \
		> $$($(@D)/bin/python -c 'from sysconfig import get_path; print(get_path("purelib"))')/newest.pth
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-build-isolation \
		-c .ci/oldest.txt -r .ci/oldest.txt '.[all]'
	touch $@

$(VENV)-oldest/package: $(VENV)-oldest/dependencies $(SOURCES)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall .
	touch $@

# Ours runs from here. Each other one by itself: the benchmark names one that can't be installed.
$(VENV)-peers/dependencies: pyproject.toml .ci/peers.txt
	$(PYTHON) -m venv --clear $(VENV)-peers
	$(VENV)-peers/bin/pip install --quiet --disable-pip-version-check -c .ci/peers.txt .
	peers=$$($(VENV)-peers/bin/python -c 'from tests.benchmarks.peers.__main__ import PEERS; \
		print(*{peer.distribution for peer in PEERS.values()})') && for peer in $$peers; do \
		$(VENV)-peers/bin/pip install --quiet --disable-pip-version-check -c .ci/peers.txt $$peer || true; done
	touch $@

$(VENV)-3.%/dependencies: pyproject.toml .ci/constraints.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -c .ci/constraints.txt $(FOR_PYTHONS) \
		|| $(@D)/bin/pip install --quiet --disable-pip-version-check $(FOR_PYTHONS)
	touch $@

$(VENV)-3.%/package: $(VENV)-3.%/dependencies $(SOURCES)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall .
	touch $@

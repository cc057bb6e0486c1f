# Two commands: `make demo` shows cowl on the seed's Dockerfile, `make test` proves it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests side by side: half of a test's time is waiting for a disk or a container.
JOBS ?= 2

.PHONY: demo test lint unit faults ecosystems bench scale deps clean

demo: $(BIN)/cowl
	$(BIN)/python examples/demo.py

# Everything that CI checks: style, types, import rules, tests. pytest closes.
test: deps $(VENV)/.dev lint unit

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# A test that fails gets a second try, and the summary names it: on a busy machine one of 4,000 may lose a race
# of its own. It is a bug all the same: find it.
unit: $(VENV)/.dev
	$(BIN)/pytest -q -n $(JOBS) --dist worksteal --reruns 1 -raR

# Long runs: kills at random moments, full disks, corruption.
faults: deps $(VENV)/.dev
	$(BIN)/pytest -q -m faults --faults=long tests/faults

# Ten Dockerfiles as people write them, built and run; installs from Debian, PyPI and npm.
ecosystems: deps $(VENV)/.dev
	$(BIN)/pytest -q --ecosystems tests/system/test_ecosystems.py

bench: $(VENV)/.dev
	$(BIN)/python -m compileall -q src
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.parsing

# A store of 1,000 images over 3,000 layers and 1,000 containers, a quarter of it, and four times it: two minutes.
scale: $(VENV)/.dev
	$(BIN)/python -m compileall -q src
	$(BIN)/python -m benchmarks.scale

# Debian's packages that the tests use as fixtures and oracles; nothing to do where they stand.
deps:
	./.ci/packages

$(BIN)/cowl: pyproject.toml bin/cowl
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -e .
	touch $@

$(VENV)/.dev: $(BIN)/cowl
	$(BIN)/pip install -q -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

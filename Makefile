# Everything runs in .venv, which the first target that needs it makes: with uv where it is at hand, else with pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TRAIN_STAMP := $(VENV)/.train-installed

.PHONY: chaos demo test fuzz mutants lint types bench proof resolve pocket clean

demo: $(STAMP)
	$(BIN)/apportion demo

# In as many processes as there are cores, with a thread each; plain `pytest` runs them in one.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist worksteal

fuzz: $(STAMP)
	FUZZ_SECONDS=60 $(BIN)/python -m pytest -q tests/fuzz
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist worksteal -m hypothesis --hypothesis-profile anew

mutants: $(STAMP)
	$(BIN)/python tests/mutants.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m benchmarks

chaos: $(STAMP)
	$(BIN)/python -m benchmarks.chaos

proof: $(STAMP)
	$(BIN)/python -m benchmarks.proof

# Resolves apportion beside what people already use; needs the package index.
resolve: $(STAMP)
	@command -v uv >/dev/null 2>&1 || $(BIN)/python -m pip install -q uv
	$(BIN)/python -m benchmarks.resolving

pocket: $(TRAIN_STAMP)
	$(BIN)/python -m training

$(STAMP): pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
		uv venv -q --allow-existing --python $(PYTHON) $(VENV) && uv pip install -q --python $(BIN)/python -e '.[dev]'; \
	else \
		$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install -q -e '.[dev]'; \
	fi
	@touch $@

$(TRAIN_STAMP): $(STAMP)
	@if command -v uv >/dev/null 2>&1; then \
		uv pip install -q --python $(BIN)/python -e '.[dev,train]'; \
	else \
		$(BIN)/python -m pip install -q -e '.[dev,train]'; \
	fi
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info

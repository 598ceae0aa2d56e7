# Two commands matter: `make explore` and `make test`. Each installs what it needs first.

VENV ?= .venv
PY = $(VENV)/bin/python
STAMP = $(VENV)/.installed
TORCH = $(shell sed -n 's/.*"\(torch==[^"]*\)".*/\1/p' pyproject.toml)
# On Linux without an NVIDIA card the CPU build saves gigabytes. `make TORCH_INDEX=` asks no other index.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# The first of these that is 3.11 or newer makes the environment; name another with PYTHON=...
PYTHONS = python3 python3.13 python3.12 python3.11 python3.14
PYTHON ?=
ARGS ?=

.PHONY: help explore setup system test bench train train-pocket lint format check clean

help:
	@echo "make explore       install, then open the explorer (ARGS='--scene 7' passes flags on)"
	@echo "make test          install, then run the tests"
	@echo "make bench         measure speed, memory and quality; writes out/bench.json"
	@echo "make train-pocket  train the shipped model again: codec, then generator"
	@echo "make lint | format | check"

explore: setup
	@$(PY) run_explorer.py $(ARGS)

setup: $(STAMP)

# Drawing needs these; without them the explorer still runs headless, so the line is advice only.
system:
	@sh .ci/system-packages libegl1 libgl1-mesa-dri libgl1 || true

# The packages are installed as asked for by pyproject.toml, torch alone first so that its index
# is asked for nothing else; a machine that cannot reach that index gets torch from the usual one.
$(STAMP): pyproject.toml | system
	@set -e; python=; \
	for name in $(if $(PYTHON),$(PYTHON),$(PYTHONS)); do \
	    if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        python=$$name; break; \
	    fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "Mirage Explorer needs Python 3.11 or newer; found: $$(python3 --version 2>&1 || true). Install one, or: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	fi; \
	if ! [ -x $(PY) ] || ! $(PY) -m pip --version >/dev/null 2>&1; then \
	    "$$python" -c 'import ensurepip, venv' 2>/dev/null || \
	        sh .ci/system-packages "$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"; \
	    echo "creating $(VENV) with $$("$$python" --version)"; \
	    "$$python" -m venv --clear $(VENV); \
	fi; \
	echo "installing packages into $(VENV) (a few minutes the first time)"; \
	pip="$(PY) -m pip -q -q --disable-pip-version-check"; \
	$$pip install --upgrade 'pip>=25.1'; \
	if [ "$$(uname -s)" = Linux ] && [ -n "$(TORCH_INDEX)" ] && ! command -v nvidia-smi >/dev/null 2>&1; then \
	    $$pip install --no-deps --retries 1 --extra-index-url "$(TORCH_INDEX)" $(TORCH) 2>/dev/null || true; \
	fi; \
	echo "$(TORCH)" > $(VENV)/constraints.txt; \
	$$pip install -c $(VENV)/constraints.txt -e . --group dev; \
	touch $@

test: setup
	@sh .ci/system-packages xvfb xdotool || true
	@$(PY) -m pytest -q $(ARGS)

bench: setup
	@$(PY) -m tests.benchmarks $(ARGS)

# One stage by name: make train STAGE=configs/train_pocket_codec.toml ARGS='--minutes 60'
train: setup
	@test -n "$(STAGE)" || { echo "say which stage: make train STAGE=configs/train_pocket_codec.toml" >&2; exit 2; }
	@$(PY) -m mirage_engine.training $(STAGE) $(ARGS)

# The generator learns on the codec's latents, so the codec comes first.
train-pocket: setup
	@$(PY) -m mirage_engine.training configs/train_pocket_codec.toml $(ARGS)
	@$(PY) -m mirage_engine.training.clips configs/train_pocket_generator.toml
	@$(PY) -m mirage_engine.training configs/train_pocket_generator.toml $(ARGS)

lint: setup
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m pyright

format: setup
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

check: lint test

clean:
	rm -rf out .pytest_cache .ruff_cache

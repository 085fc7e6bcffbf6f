# Everything needs only Python 3.11 or newer and make; it is installed into .venv, nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Jupyter refuses to run as root, which is who one is in most containers, unless told so.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
# Markers; see pyproject.toml.
SLOW := browser or binder or faults or prometheus
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=60 --nbval-sanitize-with tests/notebooks/sanitize.cfg

.PHONY: help demo app lab test lint types tools unit slow notebooks benchmarks regenerate clean

help:
	@echo "make demo        fetch the features of real flights, write demo-output/"
	@echo "make app         show the explorer alone, by Voila, on the embedded server"
	@echo "make lab         open the notebooks in JupyterLab"
	@echo "make test        set up and run everything that CI runs"
	@echo "make benchmarks  measure batches, the embedded server and metrics beside their peers"
	@echo "make regenerate  run the notebooks anew and store their outputs"
	@echo "make clean       remove what the other targets made"

demo: $(VENV)/.demo
	$(BIN)/tecton-nb demo
	@echo
	@echo "Open the notebooks with: make lab"

app: $(VENV)/.app
	@mkdir -p demo-output
	$(BIN)/tecton-nb explore --voila --profile local --folder demo-output

lab: $(VENV)/.lab
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb $(AS_ROOT)

# Browsers, servers and kernels mostly wait, so what needs them goes on beside the rest.
test: lint types
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target unit slow

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

# Programs that some tests need; where they cannot be had those tests skip and say so.
tools:
	@.ci/tools

unit: $(VENV)/.test tools
	$(BIN)/pytest tests -m "not ($(SLOW))" --cov --cov-report=term-missing:skip-covered

slow: $(VENV)/.test tools notebooks
	$(BIN)/pytest tests -m "$(SLOW)"

notebooks: $(VENV)/.test
	env -u TECTON_URL TQDM_DISABLE=1 $(BIN)/pytest notebooks $(NBVAL)

benchmarks: $(VENV)/.test tools
	$(BIN)/python tests/benchmarks/bench_server.py
	$(BIN)/python tests/benchmarks/bench_batch.py
	$(BIN)/python tests/benchmarks/bench_metrics.py

regenerate: $(VENV)/.test
	$(BIN)/python notebooks/regenerate.py

clean:
	rm -rf $(VENV) demo-output .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis

# One stamp for each set of extras, so that the demo does not wait for the test tools.
$(VENV)/.demo $(VENV)/.app $(VENV)/.lab $(VENV)/.test: $(VENV)/.%: pyproject.toml | $(VENV)/.made
	$(BIN)/pip install --quiet --editable ".[$*]"
	@touch $@

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "The module venv is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@touch $@

# Everything runs in a virtual environment of its own, made on first use from requirements.lock.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install demo docs image test test-image test-docs test-faults reliability lint format serve train-phantom evaluate-phantom notebook latency load bench-published bench-engine lock proto clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

install: $(READY) ## Make the virtual environment, Java for TorchServe included

$(READY): requirements.lock requirements-oracles.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(not (3, 11) <= v[:2] <= (3, 13) and \
		f"cxrshift needs Python 3.11 to 3.13; this is {v[0]}.{v[1]}. Name another: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "The venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8,<1'
	@echo "Installing into $(VENV) (several GB, mostly torch) ..."
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r requirements-oracles.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: $(READY) ## Explain a phantom through TorchServe and the gateway; pictures in out/demo
	@$(BIN)/python -m cxrshift.demo --out out/demo

# Test processes side by side (JOBS of them), each with one thread: for tests as small as these that is faster than one
# process with every core. A file's tests stay together, for they share what is dear to set up.
test: $(READY) ## Run all tests, with coverage
	@rm -f .coverage .coverage.*
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadfile --cov --cov-report=term:skip-covered --durations=15 $(ARGS)

test-docs: $(READY) ## Run the pages' commands that install, and those that take hours, made smaller (half an hour)
	@$(BIN)/pytest -m minutes --durations=0 tests/docs $(ARGS)

test-faults: $(READY) ## Break a running service in every way while callers ask; report in out/faults
	@$(BIN)/pytest -m '' --durations=0 tests/faults $(ARGS); code=$$?; cat out/faults/report.md; exit $$code

reliability: $(READY) ## Put what test-faults and load measured into docs/reliability.md
	@$(BIN)/python -m benchmarks.reliability

image: $(READY) ## Build the images cxrshift:gateway and cxrshift:cpu, and their SBOMs in out/sbom
	@tools/image.sh build gateway cpu

test-image: image ## Run the images read-only and without privileges, and stop them under load
	@CXRSHIFT_TEST_IMAGE=1 $(BIN)/pytest -o log_cli=true -o log_cli_level=INFO tests/deploy/test_image.py tests/deploy/test_image_stops.py $(ARGS)

lint: $(READY) ## Check style and types
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

format: $(READY) ## Put the code in shape
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

docs: $(READY) ## Build the documents into a site, out/docs/index.html; a link into nothing ends it
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet && echo "out/docs/index.html"

serve: $(READY) ## Serve the embedded model: REST 8000, gRPC 8001, metrics 8002, until SIGTERM
	@exec $(BIN)/cxrshift serve

train-phantom: $(READY) ## Train the embedded model again, from nothing
	@$(BIN)/python -m cxrshift.training.phantom_model --out model_store/phantom
	@$(BIN)/cxrshift train quality model_store/phantom --phantoms 400

evaluate-phantom: $(READY) ## Measure the embedded model's explanations on 1,000 phantoms
	@$(BIN)/cxrshift evaluate phantom --n 1000

notebook: $(READY) ## Run examples/explain.ipynb and keep what it shows
	@$(BIN)/python tools/notebook.py examples/explain.ipynb

latency: $(READY) ## Measure what the running stack adds to the engine's own time
	@$(BIN)/python -m benchmarks.latency

bench-published: $(READY) ## Compare with the published package; table, JSON and plot in out/published
	@$(BIN)/python -m benchmarks.published --out out/published

bench-engine: $(READY) ## Rows a second, memory and growth by runtime; table, JSON and plot in out/engine
	@$(BIN)/python -m benchmarks.engine --out out/engine

load: $(READY) ## Find the highest rate that the running stack bears, then double it for 5 minutes; out/load
	@$(BIN)/python -m benchmarks.load --out out/load
	@$(BIN)/python -m benchmarks.overload --out out/load

lock: $(READY) ## Resolve requirements.lock anew
	@$(BIN)/uv pip compile --quiet --universal --upgrade --extra dev --no-header --no-annotate --no-emit-index-url \
		--python-version 3.11 pyproject.toml -o requirements.lock

proto: $(READY) ## Generate the protobuf code anew
	@cd proto && ../$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. \
		cxrshift_api/explain.proto cxrshift_api/torchserve_inference.proto \
		cxrshift_api/open_inference.proto

clean: ## Remove what was made, the virtual environment included
	@rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.*

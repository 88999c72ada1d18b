# OpenAstro@home: every target does its own set-up.
VENV   ?= .venv
PYTHON_IN_VENV = $(VENV)/bin/python
DEMO   ?= var/demo
REQUIRE ?=

.DEFAULT_GOAL := help
.PHONY: help setup system lint format test test-fast test-aarch64 demo demo-images demo-serve app bench lock clean

help: ## Say what there is
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## Make the virtual environment from the lock file
	@packaging/setup/python.sh $(VENV) requirements/dev.txt

system: ## Install the system packages that tests use (as root), or say what is missing
	@packaging/setup/system.sh $(if $(REQUIRE),--require) client postgres browser clang fitsverify

lint: setup ## Check style, types and the arrows between rooms
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: setup ## Format the code
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

app: setup ## Freeze the apps into build/apps
	$(PYTHON_IN_VENV) packaging/build.py ttv_mcmc ttv_nested reprojection --out build/apps

test: setup system app ## Run all tests; what cannot run here says so
	OPENASTRO_REQUIRE=$(REQUIRE) $(VENV)/bin/pytest -q -ra -n 2 --dist worksteal --ignore=tests/e2e \
		--cov --cov-report=term:skip-covered
	OPENASTRO_REQUIRE=$(REQUIRE) $(VENV)/bin/pytest -q -ra tests/e2e

test-fast: setup ## Run the tests that need no frozen app, client, PostgreSQL or browser
	$(VENV)/bin/pytest -q -m "not (client or postgres or browser or frozen or slow)"

test-aarch64: setup ## Compare the kernel's bytes with those of an emulated AArch64 processor
	@packaging/setup/system.sh --require aarch64
	OPENASTRO_AARCH64=1 $(VENV)/bin/pytest -q tests/integration/kernel -k another_processor

demo: setup ## Run a real campaign from one file to a merged posterior, on this machine
	@packaging/setup/system.sh client
	$(PYTHON_IN_VENV) packaging/build.py ttv_mcmc --out build/apps
	@$(VENV)/bin/openastro demo --directory $(DEMO) --apps build/apps

demo-images: setup ## Co-add two real exposures through volunteers' clients, on this machine
	@packaging/setup/system.sh client
	$(PYTHON_IN_VENV) packaging/build.py reprojection --out build/apps
	@$(VENV)/bin/openastro demo --images --directory $(DEMO)-images --apps build/apps

demo-serve: setup ## Look at the finished demo's pages
	@$(VENV)/bin/openastro --project $(DEMO) serve

bench: setup ## Run the benchmarks
	$(PYTHON_IN_VENV) bench/scheduler.py
	$(PYTHON_IN_VENV) bench/ttv_likelihood.py
	$(PYTHON_IN_VENV) bench/ttv_sampling.py
	$(PYTHON_IN_VENV) bench/nested_batch.py
	$(PYTHON_IN_VENV) bench/nested_evidence.py
	$(PYTHON_IN_VENV) bench/stacking.py
	$(PYTHON_IN_VENV) bench/reprojection.py
	$(PYTHON_IN_VENV) bench/images_truth.py
	$(PYTHON_IN_VENV) bench/imports.py
	$(PYTHON_IN_VENV) bench/images_whole.py
	$(PYTHON_IN_VENV) bench/trust.py

lock: ## Lock the dependencies anew, with hashes
	for name in app freeze freeze-nested freeze-reprojection runtime dev; do \
		overrides=$$(ls requirements/$$name.overrides 2>/dev/null); \
		app=; [ $$name != runtime ] || app=requirements/app.in; \
		uv pip compile --quiet --generate-hashes --python-version 3.11 --no-header \
			$${overrides:+--overrides $$overrides} \
			--no-annotate -o requirements/$$name.txt requirements/$$name.in $$app || exit 1; \
	done
	uv pip compile --quiet --generate-hashes --python-version 3.11 --no-header --no-annotate \
		--constraints requirements/freeze.txt -o server/new_app/template/requirements.txt \
		requirements/freeze-new-app.in

clean: ## Remove what was built; projects and demos in var/ stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov

# `make run` starts a portal on this machine, `make test` tests it. Both install what is missing first.

PYTHON ?= python3
PREPARE = @$(PYTHON) opsportal/embedded/prepare.py
VENV = .venv/bin/python
# Tests which take minutes or need a server of their own have targets of their own.
QUICK = not (stage or browser or build or chaos or postgres or network)
# Tests that ask no database prove nothing new on another one.
NO_DATABASE = tests/embedded tests/secrets tests/transport tests/test_architecture.py tests/test_settings.py

.PHONY: run lab test test-stage test-browser test-build test-postgres test-network test-chaos check bench clean

run:
	@$(PYTHON) opsportal/embedded/prepare.py run && exec $(VENV) -m opsportal.embedded

# A workshop: `make lab SEATS=12` is `make run` with a practice cloud for each participant.
lab:
	@$(PYTHON) opsportal/embedded/prepare.py run && OPSPORTAL_LAB_SEATS=$(SEATS) OPSPORTAL_LAB_SPEED=$(SPEED) exec $(VENV) -m opsportal.embedded

test:
	$(PREPARE) test
	$(VENV) -m pytest -n 2 -m "$(QUICK)" $(ARGS)

# Simulated pools and clouds, end to end. They mostly wait for each other.
STAGE = tests/hosts/runbooks tests/lab/machines tests/releases
test-stage:
	$(PREPARE) test
	$(VENV) -m pytest -n 4 --dist load -m "stage and not browser" $(STAGE) $(ARGS)

test-browser:
	$(PREPARE) ci
	$(VENV) -m pytest -m "browser and not build" $(ARGS)

test-build:
	$(PREPARE) ci
	$(VENV) -m pytest -m build $(ARGS)

test-postgres:
	$(PREPARE) ci
	$(VENV) -m tests.postgres.server $(VENV) -m pytest -n 2 -m "not (build or chaos or browser or network)" $(NO_DATABASE:%=--ignore=%) $(ARGS)

# Real hosts with Open vSwitch in namespaces of this machine; needs root.
test-network:
	$(PREPARE) ci
	$(VENV) -m pytest -m network $(ARGS)

test-chaos:
	$(PREPARE) test
	$(VENV) -m pytest -m chaos $(ARGS)

# The worker is killed at random moments, so often: with 200 it takes about an hour and a half. `test-chaos` has a short form.
.PHONY: chaos
COUNT ?= 200
chaos:
	$(PREPARE) test
	$(VENV) -m tests.chaos.kill_worker $(COUNT)
	$(VENV) -m tests.chaos.kill_pool_master $(COUNT)

check:
	$(PREPARE) test
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy .
	$(VENV) -m tests.production DATABASE_URL=sqlite://:memory: manage.py makemigrations --check --dry-run
	$(VENV) -m tests.production manage.py check --deploy --fail-level WARNING

bench:
	$(PREPARE) ci
	$(VENV) -m tests.bench $(ARGS)

# Everything that can be made again. The portal's data in var/ stays.
clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

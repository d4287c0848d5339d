# Every target sets up what it needs by itself; a second run sets nothing up again.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python
REGISTER ?= 1000000
PORTFOLIO ?= 100000
COLUMNS ?= 80
ENTERPRISES ?= 16384
SECONDS ?= 30
TARGETS ?=
UV_VERSION := 0.13.9
# Three tests run at a time, since a third of the time a test waits for a process to start: threads of their libraries
# beyond that would wait for each other, spinning.
# Thousands of processes are started: with bytecode kept, whatever the environment says, each starts a tenth sooner.
ONE_THREAD = PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1
LOCK = .venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet --fork-strategy fewest --extra setup

.PHONY: help setup setup-dev demo examples notebooks test coverage test-emulated soak fuzz check format pages security-pages docs lock release \
    picture peers bench-matching bench-scoring bench-costs clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1@\2/p' $(MAKEFILE_LIST) | awk -F@ '{printf "%-18s %s\n", $$1, $$2}'

setup:  ## .venv with what the lab command needs
	@sh setup run
	@echo "lab 命令 the command: .venv/bin/lab; 或先执行 or run first: . .venv/bin/activate"

setup-dev:  ## .venv with the tools of the tests as well
	@sh setup dev

demo: setup  ## the main job on made-up data, end to end, in about two minutes
	@.venv/bin/lab demo
	@echo "下一步 next: . .venv/bin/activate && lab trial BUREAU.csv BANK.csv --id COLUMN --label COLUMN"

examples: setup  ## both parties on data of your own, in ten commands: examples/README.md
	@sh examples/walk.sh

notebooks: setup-dev  ## run every notebook anew, on small made-up data, and keep its outputs; registers the kernel of .venv
	@$(PY) -m ipykernel install --prefix .venv --name shulab --display-name Shulab >/dev/null
	@$(PY) -m tests.support.notebook_outputs
	@echo "open notebooks/ in an editor that runs notebooks (VS Code, PyCharm, JupyterLab), with the kernel Shulab"

test: check  ## check, then every test, three at a time; fails below the floor of coverage
	@rm -rf .coverage
	@$(ONE_THREAD) $(PY) -m coverage run -m pytest -n 3 --dist loadfile --no-loadscope-reorder
	@$(PY) -m coverage combine --quiet
	@$(PY) -m tests.support.coverage_summary

coverage: setup-dev  ## what the last `make test` ran of each module, as HTML in .coverage/html
	@$(PY) -m coverage html --quiet --fail-under=0
	@echo .coverage/html/index.html

soak: setup-dev  ## the long and exhaustive tests that `make test` leaves out
	@$(ONE_THREAD) $(PY) -m pytest -n 2 --dist loadfile -m soak

fuzz: setup-dev  ## coverage-guided fuzzing of every parser that strangers reach; SECONDS=30 each, TARGETS="csv frame"
	@$(PY) -m tests.fuzz.run --seconds $(SECONDS) --keep $(TARGETS)

test-emulated: setup-dev  ## engine x25519 on an emulated processor with AVX-512 IFMA (Bochs, Debian); some minutes
	@PYTHONPATH=. $(PY) tests/emulated/processor.py

check: setup-dev  ## types, style, import contracts, papers against commands and code
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports
	@$(PY) -m pytest -q tests/architecture/test_readme.py tests/architecture/test_formats.py tests/architecture/test_glossary.py

format: setup-dev  ## put the code into its form
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

pages: setup-dev  ## the pages and examples that are made from the code: commands, reading, settings, errors without Chinese
	@$(PY) -m tests.support.command_page
	@$(PY) -m tests.support.reading_page
	@$(PY) -m tests.support.setting_examples
	@$(PY) -m tests.support.error_messages

docs: setup-dev  ## the documentation as a site, in build/site; no network is used
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet && echo "written: build/site/index.html"

lock:  ## resolve the dependencies anew into requirements*.lock
	@sh setup run
	@$(PY) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(LOCK) --extra dev --extra notebook --extra hsm --extra s3 --extra cluster --extra fast -o requirements-dev.lock
	@$(LOCK) --constraint requirements-dev.lock -o requirements.lock

release: setup-dev  ## wheel, source archive, bill of materials (CycloneDX) and hashes of the last commit, in dist/
	@$(PY) release.py

picture: setup  ## docs/images/portrait.png anew from a demo run (needs chromium and a CJK font)
	@sh docs/images/picture

security-pages: setup-dev  ## docs/security/threats.md and properties.md anew, from the markers on the tests
	@$(PY) -m tests.support.security_pages

peers:  ## what a user would take instead (SecretFlow, Concrete-ML), each in an environment of its own, for the benchmarks
	@sh tests/benchmarks/peers/setup

bench-matching: setup  ## our engines and, after `make peers`, SecretFlow's on the same data; REGISTER=1000000 PORTFOLIO=100000
	@$(PY) -m tests.benchmarks.matching --register $(REGISTER) --portfolio $(PORTFOLIO)

bench-scoring: setup  ## each parameter set beside LightGBM in clear and, after `make peers`, Concrete-ML; COLUMNS=80 ENTERPRISES=16384
	@$(ONE_THREAD) $(PY) -m tests.benchmarks.scoring --columns $(COLUMNS) --enterprises $(ENTERPRISES)

bench-costs: setup  ## what one entry or identifier costs in matching, step by step
	@$(PY) -m tests.benchmarks.costs

clean:  ## remove .venv and everything made by runs
	rm -rf .venv .coverage .venv-peers .venv-peers-concrete build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis shulab-demo shulab-trial shulab-example

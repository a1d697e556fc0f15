# What a person types. Everything it needs is installed by lab/prepare, which says what it installs.
.PHONY: help demo test lint unit world soak bench wheel clean
.DEFAULT_GOAL := help
# Empty, and so off: the tests start some thousand short commands, and each would compile all of its modules anew.
export PYTHONDONTWRITEBYTECODE :=
# Percent of the statements and branches of what ships that the unit tests go through at least. It only grows.
COVERED := 94
# Of the tests with real servers, which mostly wait.
WORKERS ?= 6

help:
	@printf '%s\n' \
	  'make demo    two real machines, one account: power goes, the calls move (a few minutes the first time)' \
	  'make test    lint, types and all tests, with the real servers where they can be had' \
	  'make unit    lint, types and the tests that need no real servers, and what they cover of each room' \
	  'make soak    the tests that take minutes each, and the properties on fresh examples' \
	  'make bench   what is promised about speed, measured side by side' \
	  'make wheel   the package, in dist/'

demo:
	@lab/prepare python world
	@.venv/bin/python -m lab demo

test:
	@lab/prepare python world browser
	@.venv/bin/python -m lab roots
	@$(MAKE) --no-print-directory lint
	.venv/bin/python -m pytest -m 'not soak' -n $(WORKERS) --dist loadscope --no-loadscope-reorder

lint:
	@lab/prepare python
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# Five workers: much of the time is waited. The fuzzers have less of it than in `make test`.
unit: export FUZZ_QUICK_S ?= 5
unit: lint
	.venv/bin/python -m pytest -m 'not soak and not world' \
	  -n 5 --dist worksteal --cov --cov-report=
	.venv/bin/python -m lab.rooms $(COVERED)

world:
	@lab/prepare python world browser
	@.venv/bin/python -m lab roots
	.venv/bin/python -m pytest -m 'world and not soak' -n $(WORKERS) --dist loadscope --no-loadscope-reorder

soak:
	@lab/prepare python world
	@.venv/bin/python -m lab roots
	.venv/bin/python -m pytest -m soak
	HOTSTANDBY_EXAMPLES=fresh .venv/bin/python -m pytest -m 'not soak and not world'

bench:
	@lab/prepare python world
	@.venv/bin/pip install --disable-pip-version-check -q -e '.[test,bench]'
	.venv/bin/python -m bench all

wheel:
	@lab/prepare python
	.venv/bin/python -m build --wheel --outdir dist

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis ./*.egg-info

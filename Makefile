# make install   .venv with everything, and RELION where that is allowed
# make test      the same, then lint, types, import contracts and the tests
# make demo      the same, then the whole loop on the sample data
# make bench     the same, then the benchmarks, one after the other
# make clean     remove what these made

.PHONY: install lint test demo bench clean

bin := .venv/bin

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt scripts/setup
	scripts/setup
	touch $@

lint: install
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports

test: lint
	$(bin)/pytest -n 2

demo: install
	$(bin)/python sample_data/demo.py

bench: install
	set -e; for script in benchmarks/*.py; do $(bin)/python $$script; done

clean:
	rm -rf .venv demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

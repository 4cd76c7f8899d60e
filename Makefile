# make quickstart   set up, let the starter answer clicks on photographs; train a small network on
#                   synthetic scenes, evaluate it before and after, draw the curve
# make test         set up and run the tests
# make lint         formatting and static checks
# make docs         build the documentation into build/site; any warning is an error

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUT := experiments/quickstart
# Idle OpenMP threads that spin slow everything else on a shared machine.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: quickstart test lint docs clean

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e '.[dev]'
	@touch $@

quickstart: $(READY)
	$(BIN)/python scripts/quickstart.py --out $(OUT)

# One thread per process and one process per core is the fastest way through many small networks.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: $(READY)
	$(BIN)/python scripts/write_reference.py --check
	$(BIN)/python scripts/draw_diagrams.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open build/site/index.html, or: $(BIN)/python -m http.server -d build/site"

clean:
	rm -rf $(VENV) build *.egg-info

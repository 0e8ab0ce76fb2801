# make demo and make test are all one needs; both set up what is missing.
PY := .venv/bin/python
export BACKEND ?= asterisk
# Processes that make test shares its work among.
WORKERS ?= 3

.PHONY: help setup demo run test test-native fuzz check bench pjsua2 clean

help:           ## list the targets
	@grep -E '^[a-z0-9-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 14

setup:          ## install everything a fresh machine needs (safe to repeat)
	@scripts/setup

# Who demonstrates the embedded SIP stack needs it; who does not is spared the three minutes.
demo: $(if $(filter pjsip,$(BACKEND)),pjsua2,setup)  ## the main job end to end, on real SIP and audio
	@$(PY) -m callcore.lab.demo

run: setup      ## serve in the foreground
	@.venv/bin/callcore serve

# The acceptance tests wait for calls most of the time; the order of the files is pyproject.toml's.
test: pjsua2    ## all tests
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-native: setup  ## tests/native under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/test-native $(ARGS)

fuzz: setup     ## what the audio path parses, SECONDS for each target (needs clang)
	@SECONDS_EACH=$(or $(SECONDS),60) scripts/fuzz $(ARGS)

check: pjsua2   ## format, lint, types, warnings of the C compilers
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@scripts/check-c

bench: setup    ## the numbers, as JSON in the last line
	@.venv/bin/callcore bench calls --json

pjsua2: setup   ## the embedded SIP stack (3 minutes once, then from a cache)
	@scripts/build-pjsua2

clean:          ## remove what set-up and running made inside this directory (not recordings in var/)
	rm -rf .venv .setup build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f callcore/native/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# All the set-up there is. Every target first sees to the environments, which takes no time when nothing changed.

SETUP = @python=$$(sh config/find-python) && "$$python" -m config.setup.environments
BIN = .venv/bin

.PHONY: help run test check soak bench pictures lock clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1	\2/p' Makefile | while IFS='	' read -r target text; do \
		printf '  make %-8s %s\n' "$$target" "$$text"; done

run: ## set up and start: on Discord with DISCORD_TOKEN, else at the terminal (ARGS="--timeout 60s")
	$(SETUP) run
# In a process group of its own, Ctrl-C interrupts the cell and not make.
	@if [ "$$($(BIN)/python -m config.front)" = bot ]; then exec $(BIN)/python -m bot $(ARGS); fi; \
		if [ -t 0 ]; then set -m; fi; $(BIN)/python -m bot.console $(ARGS)

test: check ## check, then run the tests (ARGS="tests/kernels -k interrupt" for some of them)
	$(BIN)/python -m pytest $(or $(ARGS),-n 4 --dist loadfile --no-loadscope-reorder --ignore tests/test_layering.py)
# `check` has run that one.

check: ## format, lint, types and layering
	$(SETUP) test
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
# Types take as long as all the rest: beside the layering.
	@$(BIN)/mypy & types=$$!; EXPECT_TIERS= $(BIN)/python -m pytest --quiet tests/test_layering.py; layers=$$?; \
		wait $$types && exit $$layers

soak: ## the long tests
	$(SETUP) test
	$(BIN)/python -m pytest -m soak $(ARGS)

bench: ## measure beside stock Jupyter: ten minutes, or two (ARGS="--quick", or some subjects: ARGS="turn start")
	$(SETUP) run
	@$(BIN)/python -m bench $(ARGS)

pictures: ## play the README's conversations with the bot on a loopback Discord, and draw them
	$(SETUP) test
	$(BIN)/python -m docs.pictures

lock: ## write config/locks anew from setup.cfg (ARGS=--upgrade for the newest versions)
	$(SETUP) test
	$(BIN)/python -m config.setup.lock $(ARGS)

clean: ## remove the environments and caches; files and sessions in data/ stay
	rm -rf .venv .venv-kernels .venv.lock .venv.log *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each target is a script in ci/, which can be called by itself just as well.
# make serve APP=wsgi.py PORT=8000 PYTHON=python3.13

APP ?=
PORT ?= 8000
PYTHON ?=
PREFIX ?= /usr/local
DESTDIR ?=

.DEFAULT_GOAL := help
.PHONY: help serve build install test parity lint bench clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10
	@echo
	@echo "serve takes APP=wsgi.py PORT=8000 PYTHON=python3.x; install takes PREFIX= DESTDIR="

serve: ## Set the machine up, build, and serve the sample (or APP) through Apache
	@exec env APP='$(APP)' PORT='$(PORT)' PYTHON='$(PYTHON)' ci/serve

build: ## Set the machine up, and build in release into target/dist, a tree that can be moved
	@ci/setup
	@ci/build

install: ## Copy target/dist to DESTDIR/PREFIX
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' ci/install

test: ## Run everything: unit tests, the Python layer, end to end
	@ci/setup --tests
	@ci/unit
	@ci/e2e

parity: ## Run what proves parity with mod_wsgi; RSGI_UNDER_TEST=mod_wsgi runs it against that
	@ci/parity

lint: ## Check format, clippy and the rules between rooms
	@ci/lint

bench: build ## Compare with mod_wsgi and others, side by side (BENCH="--short ...")
	@ci/bench $(BENCH)

clean: ## Remove everything that was built
	rm -rf target

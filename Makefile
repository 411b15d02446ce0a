# The commands of everyday work; each installs what it needs first (scripts/install, Debian 12). `make` lists them.
SHELL := bash
KILLS ?= 30
SECONDS_EACH ?= 60

.DEFAULT_GOAL := help
.PHONY: help build package run test asan tsan bench crash minio fuzz format tidy clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

build: ## build/weir, its plugins and its web UI, ready to use from here
	@scripts/install build
	@scripts/install ui || true # the build says what is left out then
	@scripts/build

package: build ## a Debian package with a systemd unit: build/weir_VERSION_ARCHITECTURE.deb
	@scripts/install package
	@cd build && cpack -G DEB

run: ## the main job: a broker, simulated sensors, and the flow that stores their readings
	@scripts/install build run
	@scripts/install ui || true
	@scripts/build
	@exec flows/sensor-lake/run

test: ## all tests, and those of the core under address, undefined-behaviour and thread sanitizer
	@scripts/install build test
	@scripts/install ui || true
	@scripts/test

asan: ## the core's tests under address and undefined-behaviour sanitizer
	@scripts/install build test
	@scripts/test asan

tsan: ## the core's tests under thread sanitizer
	@scripts/install build test
	@scripts/test tsan

bench: ## the benchmarks, beside the floors they are compared with
	@scripts/install build bench
	@cmake --preset release -B build-bench -DWEIR_BENCH=ON -DWEIR_TESTS=OFF
	@cmake --build build-bench --parallel $$(nproc)
	@tests/bench/run

crash: ## kill -9 a running flow KILLS times (30), and check that nothing is lost: make crash KILLS=1000
	@scripts/install build test
	@cmake --preset release -DWEIR_TESTS=ON
	@cmake --build build --parallel $$(nproc)
	@tests/crash/run --kills $(KILLS)

minio: ## S3Sink and S3Source on a second store, MinIO, which is built for it: encryption, lanes, kills
	@scripts/install build test
	@cmake --preset release -DWEIR_TESTS=ON
	@cmake --build build --parallel $$(nproc)
	@tests/failures/minio_check.py build

fuzz: ## every fuzzer for SECONDS_EACH (60) seconds
	@scripts/install build fuzz
	@scripts/fuzz $(SECONDS_EACH)

format: ## format all C++ in place
	@scripts/install format
	@scripts/sources | xargs -0r clang-format-19 -i

tidy: ## clang-tidy over all C++ that the release preset builds
	@scripts/install build tidy
	@cmake --preset release -DWEIR_TESTS=ON
	@run-clang-tidy-19 -p build -j $$(nproc) -quiet -extra-arg=-Wno-unknown-warning-option '^$(CURDIR)/(core|plugins|tests)/'

clean: ## remove everything that was built
	rm -rf build build-*

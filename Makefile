# The usual names for what CMake and the scripts do.
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
# OFF: without the master and the agent, and without their libraries.
FLEET ?= ON

.PHONY: all build build-cli test bench install clean
all: build

build: ## everything, into bin/
	cmake -G Ninja -S . -B $(BUILD) -DCMAKE_INSTALL_PREFIX=$(PREFIX) -DFFRTMP_MASTER=$(FLEET) -DFFRTMP_AGENT=$(FLEET)
	cmake --build $(BUILD)

build-cli: ## the command line alone, without master and agent and their libraries: bin/ffrtmp and bin/ffrtmp-systemd
	cmake -G Ninja -S . -B $(BUILD) -DCMAKE_INSTALL_PREFIX=$(PREFIX) -DFFRTMP_MASTER=OFF -DFFRTMP_AGENT=OFF
	cmake --build $(BUILD) --target ffrtmp ffrtmp-systemd

test: ## installs what is missing, builds, runs the whole suite
	./scripts/test

bench: build-cli ## what a launch and a waiting wrapper cost, next to other tools
	./scripts/bench launch
	./scripts/bench idle

install: build
	cmake -S . -B $(BUILD) -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	DESTDIR=$(DESTDIR) cmake --install $(BUILD) --strip

clean:
	rm -rf build build-asan build-fuzz bin

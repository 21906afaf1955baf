#!/usr/bin/env bash
# The engine's own tests of the component model, under the house's settings:
#
#   tools/host/wast/run.sh FOLDER
#
# FOLDER is a checkout of wasmtime at the tag of our engine's release, with its submodule `tests/component-model`, or a part of one:
#   git clone --depth 1 --branch v48.0.0 https://github.com/bytecodealliance/wasmtime && cd wasmtime
#   git submodule update --init --depth 1 tests/component-model
#   tools/host/wast/run.sh wasmtime/tests/misc_testsuite/component-model; tools/host/wast/run.sh wasmtime/tests/component-model/test
# Prints what became of each file and why, and fails if one failed.
set -euo pipefail
folder=$(cd "${1:?tools/host/wast/run.sh FOLDER}" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
exec cargo run --quiet --locked -- "$folder"

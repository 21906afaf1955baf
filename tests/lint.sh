#!/bin/sh
# Clippy and the docs, without a warning, for all packages that do not contain the database.
#
# Those that do (`hearth`, `hearth-adapters`, `hearth-engine`, `hearth-crash`) are left to a developer's machine (`just lint-all`): checking
# them compiles the database's C++ once more, which takes a quarter of an hour that CI does not have.
set -eu
cd "$(dirname "$0")/.."
export RUSTDOCFLAGS="-D warnings"
packages="-p hearth-supervisor -p hearth-domain -p hearth-actors -p hearth-rules -p hearth-web -p hearth-conformance -p hearth-tidy -p hearth-vault -p hearth-tool-package -p hearth-own-tools -p hearth-tool -p hearth-tool-author -p hearth-mcp -p hearth-tool-host"
cargo clippy --release $packages --all-targets -- -D warnings
cargo doc --release $packages --no-deps
cargo clippy --release -p hearth-simulations -- -D warnings
cargo doc --release -p hearth-simulations --no-deps
(cd tools/guests && cargo fmt --check && cargo clippy --locked --all-targets -- -D warnings)

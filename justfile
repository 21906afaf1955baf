# Everything that CI does, one recipe each.

# The house, in this terminal.
run:
    cargo run --release

# All tests.
test:
    tests/run.sh

fmt:
    cargo fmt --all --check

# Clippy and the docs, as in CI.
lint:
    tests/lint.sh

# Clippy over everything, the packages with the database too.
lint-all:
    cargo clippy --release --workspace --all-targets -- -D warnings

# One seed, or `just sim 1000`.
sim seeds="50":
    cargo run --release -p hearth-simulations --bin simulate -- --seeds {{seeds}}

# Process kills and power cuts; prints a table.
crash kills="500" cuts="200":
    tests/crash/run.sh {{kills}} {{cuts}}

bench name:
    cargo run --release -- bench {{name}} --json

# Everything that CI does, one recipe each.

# The house, in this terminal.
run:
    cargo run --release

# All tests.
test:
    tests/run.sh

fmt:
    cargo fmt --all --check

# Clippy and the docs.
lint:
    tests/lint.sh

# One seed, or `just sim 1000`.
sim seeds="50":
    cargo run --release -p hearth-simulations --bin simulate -- --seeds {{seeds}}

# Process kills and power cuts; prints a table.
crash kills="500" cuts="200":
    tests/crash/run.sh {{kills}} {{cuts}}

bench name:
    cargo run --release -- bench {{name}} --json

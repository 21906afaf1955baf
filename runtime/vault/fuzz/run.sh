#!/bin/sh
# Feeds arbitrary bytes to one of the targets (envelope, placeholder, target, http, frame): run.sh TARGET [SECONDS=600]
#
# Needs the nightly compiler and `cargo install cargo-fuzz`. What earlier runs found worth keeping is in corpus-TARGET.tar.gz, the seeds in
# corpus/TARGET; an input that fails is left in artifacts/TARGET.
set -eu
cd "$(dirname "$0")/.."
target=$1
mkdir -p "fuzz/corpus/$target"
[ ! -f "fuzz/corpus-$target.tar.gz" ] || tar -C "fuzz/corpus/$target" -xzf "fuzz/corpus-$target.tar.gz"
exec cargo +nightly fuzz run -s none "$target" -- -max_total_time="${2:-600}" -max_len=2048

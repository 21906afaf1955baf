#!/usr/bin/env bash
# Builds the house's own tools as components, from source.
#
#   tools/guests/build.sh [NAME...]           builds them into prebuilt/ and writes prebuilt.lock
#   tools/guests/build.sh --check [NAME...]   builds them and compares: the same toolchain must give the same bytes; another one is
#                                             told, and what it built must be of the same form
#   tools/guests/build.sh --folder DIR OUT    builds somebody's own tool (a crate in DIR) into the file OUT
#
# What it needs: see toolchain.sh. No component may import anything but hearth:tool; this is looked at after each build.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sdk=$(cd "$here/../sdk" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=toolchain.sh
. "$here/toolchain.sh"

target=${CARGO_TARGET_DIR:-$here/target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
# A guest is built away from what the host builds, whose flags are others.
export CARGO_TARGET_DIR=$target/guests
unset CARGO_ENCODED_RUSTFLAGS

# Bytes say nothing about where they were built.
export RUSTFLAGS="--cfg getrandom_backend=\"custom\" --remap-path-prefix=$root=/src --remap-path-prefix=$cargo_home/registry/src/=/crates/ --remap-path-prefix=$CARGO_TARGET_DIR=/target"
# The same for what is written in C.
export CFLAGS_wasm32_unknown_unknown="-DNDEBUG -ffile-prefix-map=$cargo_home/registry/src/=/crates/ -ffile-prefix-map=$root=/src -ffile-prefix-map=$CARGO_TARGET_DIR=/target"

build() { # folder of the crate or workspace, package or none, crate's file name
    (cd "$1" && "$wasm_cargo" build --quiet --locked --release --target $wasm_target ${2:+-p "$2"})
}

digest() { sha256sum "$1" | cut -d' ' -f1; }

# Looks at a component with the host's compiler: it is one, and imports nothing but the house.
look_at() {
    (cd "$here" && env -u RUSTC -u LD_LIBRARY_PATH -u RUSTFLAGS CARGO_TARGET_DIR="$target" \
        cargo run --quiet --locked -p hearth-guest-inspect -- "$1") || fail "$1 is not a tool"
}

if [ "${1:-}" = --folder ]; then
    [ $# = 3 ] || fail "usage: build.sh --folder DIR OUT"
    folder=$(cd "$2" && pwd)
    name=$(sed -n 's/^name *= *"\(.*\)"/\1/p' "$folder/Cargo.toml" | head -1 | tr - _)
    RUSTFLAGS="$RUSTFLAGS --remap-path-prefix=$folder=/tool"
    [ -f "$folder/Cargo.lock" ] || (cd "$folder" && "$wasm_cargo" generate-lockfile --quiet)
    build "$folder" ""
    cp "$CARGO_TARGET_DIR/$wasm_target/release/$name.wasm" "$3"
    look_at "$3"
    echo "$3: $(wc -c <"$3") bytes, $(digest "$3")"
    exit 0
fi

check=
if [ "${1:-}" = --check ]; then check=1; shift; fi
if [ $# = 0 ]; then
    names=$(cd "$here" && for manifest in */manifest.toml; do dirname "$manifest"; done)
else
    names=$*
fi
lock=$here/prebuilt.lock
mkdir -p "$here/prebuilt"
touch "$lock"
differ=0
for name in $names; do
    build "$here" "hearth-guest-$name"
    built=$CARGO_TARGET_DIR/$wasm_target/release/hearth_guest_$name.wasm
    look_at "$built"
    sum=$(digest "$built")
    if [ -n "$check" ]; then
        line=$(grep "  $name  " "$lock") || fail "$name is not in prebuilt.lock"
        locked=${line%%  *}
        [ "$(digest "$here/prebuilt/$name.wasm")" = "$locked" ] || fail "prebuilt/$name.wasm is not what prebuilt.lock says"
        if [ "$sum" = "$locked" ]; then
            echo "$name: the same bytes"
        elif [ "${line##*  }" = "$toolchain_id" ]; then
            echo "$name: DIFFERS, from the same toolchain: $sum" >&2
            differ=1
        else
            echo "$name: other bytes, from another toolchain (here $toolchain_id; locked ${line##*  }): its tests decide"
        fi
    else
        cp "$built" "$here/prebuilt/$name.wasm"
        { grep -v "  $name  " "$lock" || true; echo "$sum  $name  $toolchain_id"; } | LC_ALL=C sort -k2 >"$lock.new"
        mv "$lock.new" "$lock"
        echo "$name: $(wc -c <"$built") bytes, $sum"
    fi
done
exit $differ

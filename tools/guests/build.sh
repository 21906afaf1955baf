#!/usr/bin/env bash
# Builds the house's own tools as components, from source.
#
#   tools/guests/build.sh [NAME...]           builds them into built/ and writes built.lock
#   tools/guests/build.sh --check [NAME...]   builds them into a folder that is thrown away, and compares: the same toolchain must give
#                                             the same bytes; another one is said, and what it built must pass the same tests
#   tools/guests/build.sh --folder DIR OUT    builds somebody's own tool (a crate in DIR) into the file OUT
#
# A line of built.lock: digest (SHA-256), name, what built it. What is needed: see toolchain.sh. No component may import anything but
# hearth:tool; this is looked at after each build.
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

# Cargo names a crate by its place, unless it lies in the workspace, and the compiler orders by names. So what is built is a copy in which
# the SDK lies in the workspace of the guests.
staged=$CARGO_TARGET_DIR/src
stage() {
    rm -rf "$staged"
    mkdir -p "$staged/guests/sdk"
    tar -C "$here" --exclude=./target --exclude=./built -cf - . | tar -C "$staged/guests" -xf -
    tar -C "$sdk" --exclude=./target --exclude=./template -cf - . | tar -C "$staged/guests/sdk" -xf -
    cp -a "$here/../wit" "$staged/guests/wit"
    sed -i 's#path = "../sdk"#path = "sdk"#' "$staged/guests/Cargo.toml"
}

# Bytes say nothing about where they were built.
export RUSTFLAGS="--cfg getrandom_backend=\"custom\" --remap-path-prefix=$staged=/src --remap-path-prefix=$root=/src --remap-path-prefix=$cargo_home/registry/src/=/crates/ --remap-path-prefix=$CARGO_TARGET_DIR=/target"
# The same for what is written in C.
export CFLAGS_wasm32_unknown_unknown="-DNDEBUG -ffile-prefix-map=$cargo_home/registry/src/=/crates/ -ffile-prefix-map=$staged=/src -ffile-prefix-map=$CARGO_TARGET_DIR=/target"

build() { # folder of the crate or workspace, package or none, crate's file name
    (cd "$1" && "$wasm_cargo" build --quiet --locked --release --target $wasm_target ${2:+-p "$2"})
}

# What builds a guest: one with a part in C has two compilers.
built_by() { # name
    case $1 in
        script) echo "$toolchain_id, $c_compiler_id" ;;
        *) echo "$toolchain_id" ;;
    esac
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

lock=$here/built.lock
check=
if [ "${1:-}" = --check ]; then check=1; shift; fi
if [ $# = 0 ]; then
    names=$(cd "$here" && for manifest in */manifest.toml; do dirname "$manifest"; done)
else
    names=$*
fi
if [ -n "$check" ]; then
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
    # The tests look for every tool; those that are not asked for are the committed ones.
    cp "$here"/built/*.wasm "$out/"
else
    out=$here/built
    mkdir -p "$out"
    touch "$lock"
fi

# Compares what was built with what is committed: 0 the same, 1 an error, 2 by another toolchain.
compare() { # name, digest
    local line locked
    line=$(grep "  $1  " "$lock") || fail "$1 is not in built.lock"
    locked=${line%%  *}
    [ "$(digest "$here/built/$1.wasm")" = "$locked" ] || fail "built/$1.wasm is not what built.lock says"
    if [ "$2" = "$locked" ]; then
        echo "$1: the same bytes"
    elif [ "${line##*  }" = "$(built_by "$1")" ]; then
        echo "$1: DIFFERS, from the same toolchain: $2" >&2
        return 1
    else
        echo "$1: other bytes, from another toolchain (here $(built_by "$1"); locked ${line##*  })"
        return 2
    fi
}

stage
differ=0
other=
for name in $names; do
    [ "$name" != script ] || [ -n "$wasm_clang" ] || fail "script has a part in C: install clang, or name one in HEARTH_WASM_CLANG"
    build "$staged/guests" "hearth-guest-$name"
    cp "$CARGO_TARGET_DIR/$wasm_target/release/hearth_guest_$name.wasm" "$out/$name.wasm"
    look_at "$out/$name.wasm"
    sum=$(digest "$out/$name.wasm")
    if [ -n "$check" ]; then
        how=0
        compare "$name" "$sum" || how=$?
        case $how in 0) ;; 2) other=1 ;; *) differ=1 ;; esac
    else
        { grep -v "  $name  " "$lock" || true; echo "$sum  $name  $(built_by "$name")"; } | LC_ALL=C sort -k2 >"$lock.new"
        mv "$lock.new" "$lock"
        echo "$name: $(wc -c <"$out/$name.wasm") bytes, $sum"
    fi
done
if [ -n "$other" ]; then
    echo "what another toolchain built goes through the tests of the host"
    (cd "$root" && env -u RUSTC -u LD_LIBRARY_PATH -u RUSTFLAGS HEARTH_GUESTS="$out" CARGO_TARGET_DIR="$target" \
        cargo test --quiet --locked --release -p hearth-tool-host --test guests) || differ=1
fi
exit $differ

#!/usr/bin/env bash
# Sets up what turns a guest into a component, and is sourced by build.sh. Sets `toolchain_id` and `c_compiler_id`, and exports what cargo
# needs.
#
# Two ways, the first that is there:
#   rustup   the target `wasm32-unknown-unknown` of the installed compiler (`rustup target add wasm32-unknown-unknown`);
#   debian   the packages of rustc-web, unpacked into a folder of their own, without installing anything; the standard library of the
#            target is built once from their source. Needs apt-get, dpkg and network the first time.
# HEARTH_WASM_WAY=rustup|debian asks for one. The committed components were built by the way that built.lock names.
#
# A guest with a part in C (script) needs clang as well: by the way `rustup` the one of HEARTH_WASM_CLANG or of the path, by the way
# `debian` Debian's own, unpacked beside its rustc.
set -euo pipefail

wasm_target=wasm32-unknown-unknown
debian_packages="rustc-web libstd-rust-web-1.96 libstd-rust-web-dev rust-web-src libllvm22"
debian_clang_packages="clang-22 libclang-common-22-dev libclang-cpp22"

fail() { echo "build.sh: $*" >&2; exit 1; }

command -v rustup >/dev/null || fail "rustup is needed: its compiler carries the linker wasm-component-ld (https://rustup.rs)"
# The real cargo: the shim of rustup would set a compiler of its own.
wasm_cargo=$(rustup which cargo)
linker_root=$(rustc --print sysroot)
linker_bin=$linker_root/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
[ -x "$linker_bin/wasm-component-ld" ] || fail "this rustc has no wasm-component-ld in $linker_bin"
linker_id="linker of rust $(rustc -vV | sed -n 's/^release: //p')"
cargo_home=${CARGO_HOME:-$HOME/.cargo}

# Downloads packages of Debian and unpacks them into a folder; says the version of the first.
unpack_debian() { # folder, packages
    local dest=$1 debs version
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "neither the rustup target nor apt-get is here: rustup target add $wasm_target"
    debs=$(mktemp -d)
    # shellcheck disable=SC2086 # a list of words
    (cd "$debs" && apt-get -qq download $2 2>/dev/null) || fail "apt-get could not download: $2"
    for deb in "$debs"/*.deb; do dpkg -x "$deb" "$dest"; done
    version=$(dpkg-deb -f "$debs/${2%% *}"_*.deb Version)
    rm -rf "$debs"
    echo "$version"
}

# Unpacks Debian's compiler and builds the standard library of the target beside it.
prepare_debian() {
    local dest=$1 work version
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$work'" RETURN
    mkdir -p "$work/root" "$work/std/src"
    version=$(unpack_debian "$work/root" "$debian_packages") || exit 1
    printf '[package]\nname = "std-only"\nversion = "0.0.0"\nedition = "2024"\n' >"$work/std/Cargo.toml"
    : >"$work/std/src/lib.rs"
    (
        cd "$work/std"
        LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu RUSTC=$work/root/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$work/target \
            RUSTFLAGS="-Cembed-bitcode=yes --remap-path-prefix=$work/root/usr/lib/rustlib/src/rust=/rustc/src --remap-path-prefix=$cargo_home/registry/src/=/crates/" \
            "$wasm_cargo" build --quiet --release --target $wasm_target -Zbuild-std=core,alloc,std,panic_abort
    ) || fail "the standard library of $wasm_target did not build"
    mkdir -p "$work/root/usr/lib/rustlib/$wasm_target/lib"
    cp "$work/target/$wasm_target"/release/deps/lib*.rlib "$work/root/usr/lib/rustlib/$wasm_target/lib/"
    echo "$version" >"$work/root/version"
    mkdir -p "$(dirname "$dest")"
    rm -rf "$dest"
    mv "$work/root" "$dest"
}

# Unpacks Debian's clang into the same folder.
prepare_debian_clang() {
    local version
    version=$(unpack_debian "$1" "$debian_clang_packages") || exit 1
    echo "$version" >"$1/version-clang"
}

way=${HEARTH_WASM_WAY:-}
if [ -z "$way" ]; then
    if rustup target list --installed 2>/dev/null | grep -qx $wasm_target; then way=rustup; else way=debian; fi
fi
case $way in
    rustup)
        RUSTC=$(rustup which rustc)
        toolchain_id="rustup $("$RUSTC" -vV | sed -n 's/^release: //p') $("$RUSTC" -vV | sed -n 's/^commit-hash: //p' | cut -c1-9), $linker_id"
        wasm_clang=${HEARTH_WASM_CLANG:-$(command -v clang || true)}
        if [ -n "$wasm_clang" ]; then c_compiler_id="$("$wasm_clang" --version | head -1)"; else c_compiler_id=none; fi
        ;;
    debian)
        toolchain_root=${HEARTH_WASM_TOOLCHAIN:-${XDG_CACHE_HOME:-$HOME/.cache}/hearth/wasm-toolchain}
        [ -f "$toolchain_root/version" ] || prepare_debian "$toolchain_root"
        RUSTC=$toolchain_root/usr/bin/rustc
        export LD_LIBRARY_PATH=$toolchain_root/usr/lib/x86_64-linux-gnu
        toolchain_id="debian rustc-web $(cat "$toolchain_root/version"), $linker_id"
        [ -f "$toolchain_root/version-clang" ] || prepare_debian_clang "$toolchain_root"
        wasm_clang=$toolchain_root/usr/lib/llvm-22/bin/clang
        c_compiler_id="debian clang $(cat "$toolchain_root/version-clang")"
        ;;
    *) fail "HEARTH_WASM_WAY is rustup or debian, not $way" ;;
esac
export RUSTC
export PATH=$linker_bin:$PATH
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-component-ld
# The crate cc asks for these. Archives are taken apart by rustc, so that any ar will do.
if [ -n "$wasm_clang" ]; then
    export CC_wasm32_unknown_unknown=$wasm_clang
    export AR_wasm32_unknown_unknown=ar
fi

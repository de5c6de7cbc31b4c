#!/bin/sh
# Fuzzes the check for SECONDS (60), with the flags that cargo-fuzz would give; wants a stable toolchain and a C++ compiler.
# The crate is safe Rust: coverage is instrumented, addresses aren't.
set -eu
cd "$(dirname "$0")"
export RUSTC_BOOTSTRAP=1
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions --cfg fuzzing"
export RUSTFLAGS
target=$(rustc -vV | sed -n 's/^host: //p')
cargo build --release --target "$target"
mkdir -p corpus/check
# One that is accepted, and one of the other MAC and another construction, to start from.
printf '\0\0/7/8/a%%2B.deb?t=1618409761_MAC' >corpus/check/signed
printf '\043\010/7/8/\303\251?t=1618409761_MAC' >corpus/check/otherwise
exec "${CARGO_TARGET_DIR:-target}/$target/release/check" -dict=check.dict -print_final_stats=1 -max_total_time="${1:-60}" corpus/check

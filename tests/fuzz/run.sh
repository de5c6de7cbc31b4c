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
exec "target/$target/release/check" -max_total_time="${1:-60}" corpus/check

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
# One that is signed rightly for each construction, MAC and time: they lie in the first byte.
for one in $(seq 0 7) $(seq 32 39) $(seq 64 71) $(seq 96 103) $(seq 128 135) $(seq 160 167) $(seq 192 199) $(seq 224 231); do
  printf "\\$(printf %03o "$one")\\0/7/8/a%%2B.deb?t=1618409761_MAC" >"corpus/check/signed-$one"
done
exec "${CARGO_TARGET_DIR:-target}/$target/release/check" -dict=check.dict -print_final_stats=1 -max_total_time="${1:-60}" corpus/check

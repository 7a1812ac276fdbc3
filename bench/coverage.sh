#!/usr/bin/env bash
# Line coverage of `core` by its unit tests and the simulator together; fails below 95 %.
#
# Needs the LLVM tools of the compiler's own major version: rustup's component `llvm-tools`, or
# Debian's package llvm-NN. SEEDS (default 1000) more seeds than the simulator's own tests run.
set -euo pipefail
cd "$(dirname "$0")/.."
least=95
major=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
host=$(rustc -vV | sed -n 's/^host: //p')
tool() {
  local own
  own=$(rustc --print sysroot)/lib/rustlib/$host/bin/$1
  if [ -x "$own" ]; then echo "$own"; else command -v "$1-$major" || return 1; fi
}
if ! tool llvm-cov >/dev/null; then
  echo "installing llvm-$major" >&2
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "llvm-$major"
fi

dir=$PWD/target/coverage
rm -rf "$dir/profiles"
export LLVM_PROFILE_FILE=$dir/profiles/%p-%m.profraw
export RUSTFLAGS="-C instrument-coverage"
export CARGO_TARGET_DIR=$dir
cargo test -q --locked -p keepair-core -p keepair-sim
cargo build -q --locked --release -p keepair-sim
"$dir/release/keepair-sim" --seeds "0..${SEEDS:-1000}"

"$(tool llvm-profdata)" merge --sparse "$dir"/profiles/*.profraw -o "$dir/all.profdata"
# The newest test binary of each crate, and the simulator.
objects=(--object "$dir/release/keepair-sim")
for crate in keepair_core keepair_sim; do
  newest=$(find "$dir/debug/deps" -name "$crate-*" -executable -type f -printf '%T@ %p\n' |
    sort -rn | head -n 1 | cut -d' ' -f2)
  objects+=(--object "$newest")
done
report() {
  "$(tool llvm-cov)" "$1" --instr-profile "$dir/all.profdata" "${objects[@]}" \
    --sources $(find crates/core/src -name '*.rs' ! -path '*tests*') "${@:2}"
}
report report | awk '
  NF >= 10 && $1 != "Filename" { printf "%-24s %6s lines %6s missed %8s\n", $1, $8, $9, $10 }'
covered=$(report report | awk '$1 == "TOTAL" { sub("%", "", $10); print $10 }')
report show --show-instantiations=false 2>/dev/null | grep -E '^/|\|      0\|' >"$dir/missed.txt" || true
echo "lines of core that ran: $covered % (at least $least); those that did not: target/coverage/missed.txt"
awk -v covered="$covered" -v least=$least 'BEGIN { exit !(covered >= least) }'

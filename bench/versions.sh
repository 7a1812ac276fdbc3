#!/usr/bin/env bash
# Runs the lab against every Redis and Valkey that Debian has in its suites, not only this one's.
# Each server is unpacked with its own libraries below target/versions; nothing is installed.
#   bench/versions.sh [SUITE/PACKAGE ...] [-- LAB ARGUMENTS ...]
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=()
while (($#)) && [[ $1 != -- ]]; do wanted+=("$1"); shift; done
(($#)) && shift
((${#wanted[@]})) || wanted=(bullseye/redis-server bookworm/redis-server trixie/redis-server
  trixie/valkey-server sid/valkey-server)
(($#)) || set -- test --quick
command -v patchelf >/dev/null || apt-get install -y -qq --no-install-recommends patchelf

base=$PWD/target/versions
fetch() { # SUITE PACKAGE ROOT
  local suite=$1 package=$2 root=$3 lists=$base/lists-$1
  mkdir -p "$lists/partial" "$base/cache/archives/partial" "$root"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main" >"$lists.list"
  local opt=(-o Dir::Etc::sourcelist="$lists.list" -o Dir::Etc::sourceparts=-
    -o Dir::State::lists="$lists" -o Dir::Cache="$base/cache" -o Dir::State::status=/dev/null
    -o APT::Architecture=amd64 -o APT::Sandbox::User=root)
  [[ -e $lists/updated ]] || { apt-get "${opt[@]}" update -qq && touch "$lists/updated"; }
  local names
  names=$(apt-get "${opt[@]}" install -y --no-install-recommends --print-uris "$package" |
    sed -n "s/^'\([^']*\)' \([^ ]*\) .*/\2/p" | cut -d_ -f1 |
    grep -E '^(lib|lua|redis|valkey|zlib)' | sort -u)
  (cd "$root" && apt-get "${opt[@]}" download -qq $names && for deb in ./*.deb; do dpkg -x "$deb" .; done && rm -f ./*.deb)
}

status=0
for item in "${wanted[@]}"; do
  suite=${item%/*} package=${item#*/} root=$base/$suite-$package
  binary=$root/usr/bin/$package
  if [[ ! -e $root/ready ]]; then
    rm -rf "$root"; fetch "$suite" "$package" "$root"
    real=$(readlink -f "$binary"); [[ $real == "$root"/* ]] || real=$root/usr/bin/$(basename "$(readlink "$binary")")
    cp --remove-destination "$real" "$binary.own" && mv "$binary.own" "$binary"
    libs=$(find "$root" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd:)
    loader=$(find "$root" -name 'ld-linux-x86-64.so.2' -o -name 'ld-2.*.so' | head -1)
    patchelf --force-rpath --set-rpath "$libs" --set-interpreter "$(readlink -f "$loader")" "$binary"
    touch "$root/ready"
  fi
  echo "== $item: $("$binary" --version)"
  target/release/keepair-lab --redis "$binary" "$@" || status=1
done
exit $status

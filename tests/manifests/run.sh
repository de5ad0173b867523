#!/usr/bin/env bash
# Holds what `deploy/` gives to operators against the tools that read it, each as strictly as it can.
# Starts nothing: no cluster, no systemd, no container.
set -euo pipefail
cd "$(dirname "$0")/../.."

TOOLS=$(realpath -m "${CARGO_TARGET_DIR:-target}/tools")
readonly TOOLS

main() {
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT

  systemd_unit

  echo "manifests: $passed passed, $failed failed"
  ((failed == 0))
}

systemd_unit() {
  local unit=deploy/systemd/sddc-gateway.service
  # The threshold is in tenths.
  check 'systemd: exposure of at most 2.0' \
    systemd-analyze security --offline=true --threshold=20 --no-pager "$unit"
  # `verify` looks for the program, and ends with 0 whatever it has to say.
  sed 's#^ExecStart=/usr/bin/sddc-gateway#ExecStart=/bin/true#' "$unit" > "$scratch/sddc-gateway.service"
  check 'systemd: no unknown key or value' says_nothing systemd-analyze verify --man=no "$scratch/sddc-gateway.service"
  sed -i 's/^WatchdogSec=/WatchdogSeconds=/' "$scratch/sddc-gateway.service"
  check 'systemd: a misspelt key is found' fails says_nothing \
    systemd-analyze verify --man=no "$scratch/sddc-gateway.service"
}

# --- the checks ---

passed=0 failed=0

# Runs a command that says by its exit code whether the thing described holds.
check() {
  local what=$1 said
  shift
  if said=$("$@" 2>&1); then
    passed=$((passed + 1))
    echo "  ok      $what"
  else
    failed=$((failed + 1))
    echo "  FAILED  $what"
    tail -n 12 <<< "$said" | sed 's/^/            /'
  fi
}

says_nothing() {
  local said
  said=$("$@" 2>&1) || true
  echo "$said"
  [[ -z $said ]]
}

fails() { ! "$@"; }

main

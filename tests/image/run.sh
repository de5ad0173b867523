#!/usr/bin/env bash
# Builds the image from the Dockerfile and runs it as strictly as a cluster would: no capability, a
# read-only root, little memory. Needs neither a container engine's daemon nor an image registry.
#
# A second container of the same image plays VMware Cloud. As root only: building a root file system
# and running a container without a daemon take it.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/check.sh
. tests/check.sh

readonly IMAGE=localhost/sddc-gateway:test
readonly MAX_SIZE=$((20 * 1024 * 1024))
readonly START_DEADLINE_S=20
readonly STOP_DEADLINE_S=40 # above the gateway's own: drain_delay 3 s, drain 20 s
WORK=$(realpath -m "${CARGO_TARGET_DIR:-target}/image")
readonly WORK
readonly GATEWAY=sddc-gateway-test-$$ CLOUD=sddc-gateway-test-cloud-$$

main() {
  if [[ ${SKIP_IMAGE:-} == 1 ]]; then
    echo 'image: SKIPPED because SKIP_IMAGE=1'
    return
  fi
  can_run
  mkdir -p "$WORK"
  build
  scratch=$(mktemp -d)
  trap clean_up EXIT

  check_contents
  check_refusals
  start
  check_answers
  check_process
  check_stop

  if ((failed > 0)); then
    printf -- '--- %s\n' "$GATEWAY" && engine logs "$GATEWAY" 2>&1 | tail -n 30
    printf -- '--- %s\n' "$CLOUD" && engine logs "$CLOUD" 2>&1 | tail -n 30
  fi
  echo "image: $passed passed, $failed failed"
  ((failed == 0))
}

can_run() {
  local missing=() program
  for program in buildah podman runc debootstrap curl jq cargo; do
    command -v "$program" > /dev/null || missing+=("$program")
  done
  if ((EUID != 0 || ${#missing[@]} > 0)); then
    {
      echo 'image: FAILED, the image cannot be built and run here'
      ((EUID == 0)) || echo '  it takes root'
      ((${#missing[@]} == 0)) || echo "  missing: ${missing[*]}; as root \`make test-setup\` installs them"
      echo '  SKIP_IMAGE=1 leaves this test out, and says so'
    } >&2
    exit 1
  fi
}

# The crates come in from outside by way of mounts: the Dockerfile knows nothing of it.
build() {
  if ! cmp --silent Cargo.lock "$WORK/vendored.lock"; then
    rm -rf "$WORK/vendor"
    cargo vendor --quiet --locked --respect-source-config "$WORK/vendor" > /dev/null
    cp Cargo.lock "$WORK/vendored.lock"
  fi
  mkdir -p "$WORK/cargo"
  cat > "$WORK/cargo/config.toml" << 'CARGO'
[source.crates-io]
replace-with = "vendored"
[source.vendored]
directory = "/vendor"
[net]
offline = true
CARGO

  local base
  base=$(tests/image/base.sh "$WORK")
  VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
  REVISION=$(git rev-parse HEAD)
  # buildah takes a LABEL from its cache even when the arguments in it have changed. Without the last
  # image it makes the last stage anew; the stage that compiles stays cached.
  engine image rm --force "$IMAGE" > /dev/null 2>&1 || true
  # `docker`: the other format has no place for a health check.
  buildah bud --isolation chroot --pull=never --layers --format docker \
    --build-arg "RUST_IMAGE=$base" --build-arg "VERSION=$VERSION" --build-arg "REVISION=$REVISION" \
    --volume "$WORK/vendor:/vendor:ro" --volume "$WORK/cargo:/.cargo:ro" \
    --tag "$IMAGE" .
}

check_contents() {
  engine image inspect "$IMAGE" | jq '.[0]' > "$scratch/image.json"
  check "at most $((MAX_SIZE / 1024 / 1024)) MiB" image_has ".Size <= $MAX_SIZE"
  check 'nothing but the program and the CA bundle' only_two_files
  check 'no shell' no_shell
  check 'a numeric user that is not root' image_has '.Config.User == "65532:65532"'
  check 'the program is the entry point, without arguments' \
    image_has '.Config.Entrypoint == ["/sddc-gateway"] and (.Config.Cmd | length) == 0'
  check 'a health check without a shell' \
    image_has '.Healthcheck.Test == ["CMD", "/sddc-gateway", "healthcheck"]'
  check 'the stop signal is SIGTERM' image_has '.Config.StopSignal | IN("SIGTERM", "15")'
  check 'both ports are declared' image_has '.Config.ExposedPorts | keys == ["8080/tcp", "9090/tcp"]'
  check 'both listeners face outwards' image_has '.Config.Env | contains([
    "SDDC_GATEWAY_API__LISTEN=0.0.0.0:8080", "SDDC_GATEWAY_OPS__LISTEN=0.0.0.0:9090"])'
  check 'large memory goes back to the system' \
    image_has '.Config.Env | contains(["MALLOC_MMAP_THRESHOLD_=262144"])'
  check 'labels say what it is' image_has ".Labels
    | .[\"org.opencontainers.image.title\"] == \"sddc-gateway\"
      and (.[\"org.opencontainers.image.description\"] | length) > 0
      and .[\"org.opencontainers.image.licenses\"] == \"Apache-2.0\"
      and .[\"org.opencontainers.image.version\"] == \"$VERSION\"
      and .[\"org.opencontainers.image.revision\"] == \"$REVISION\"
      and has(\"org.opencontainers.image.source\")"
  check 'the program has the version of its label' prints_version
}

check_refusals() {
  # What the image's own settings lead to when nothing is configured: an open listener, refused.
  check 'without configuration it ends with 78' ends_with 78 serve
  check 'a health check without a gateway fails' ends_with 1 healthcheck
}

start() {
  local port
  port=$(free_ports)
  api=127.0.0.1:$port ops=127.0.0.1:$((port + 1)) cloud=127.0.0.1:$((port + 2))
  client_secret=image-test-$RANDOM$RANDOM$RANDOM
  printf '%s\n' "$client_secret" > "$scratch/client_secret"
  chown 65532 "$scratch/client_secret"
  chmod 0400 "$scratch/client_secret"

  in_container key ci > "$scratch/key" || true
  key=$(grep -oE 'sgw_[A-Za-z0-9_-]{43}' "$scratch/key" | head -n 1) || key=none
  keys=$(grep -oE 'ci:[0-9a-f]{64}' "$scratch/key" | head -n 1) || keys=none
  check 'it prints a new key and the digest to configure' key_fits_digest

  check 'the simulator starts' engine run --detach --name "$CLOUD" "${STRICT[@]}" "$IMAGE" \
    simulator --listen "$cloud" --client-id image-test --client-secret "$client_secret"
  check 'the simulator answers' answers 200 "http://$cloud/__stats"

  # As few settings as a real deployment needs, and where VMware Cloud is.
  check 'the gateway starts' engine run --detach --name "$GATEWAY" "${STRICT[@]}" \
    --volume "$scratch/client_secret:/run/secrets/client_secret:ro" \
    --env SDDC_GATEWAY_CSP__CLIENT_ID=image-test \
    --env SDDC_GATEWAY_CSP__CLIENT_SECRET_FILE=/run/secrets/client_secret \
    --env "SDDC_GATEWAY_ACCESS__KEYS=$keys" \
    --env "SDDC_GATEWAY_CSP__URL=http://$cloud" --env "SDDC_GATEWAY_VMC__URL=http://$cloud" \
    --env "SDDC_GATEWAY_API__LISTEN=$api" --env "SDDC_GATEWAY_OPS__LISTEN=$ops" \
    "$IMAGE"
  check 'it gets ready' answers 200 "http://$ops/readyz"
}

check_answers() {
  check 'without a key: 401' answers 401 "http://$api/sddcs"
  check 'with the key: 200' answers 200 "http://$api/sddcs" --header "Authorization: Bearer $key"
  curl --silent --max-time 10 --header "X-API-Key: $key" "http://$api/sddcs" > "$scratch/sddcs.json" || true
  check 'it lists SDDCs' jq --exit-status '.items | length > 0' "$scratch/sddcs.json"
  # Else the next check would prove nothing.
  check 'the simulated cloud tells secrets' cloud_tells_secrets
  check 'the answer tells none' tells_no_secret "$scratch/sddcs.json"
  check 'the docs are in the image' answers 200 "http://$api/docs"
  check "the image's health check passes" engine healthcheck run "$GATEWAY"
}

check_process() {
  local pid
  pid=$(engine inspect --format '{{.State.Pid}}' "$GATEWAY") || pid=0
  # A copy: the process may end between two looks.
  cat "/proc/$pid/status" > "$scratch/status" || true
  check 'it runs as 65532' grep -qP '^Uid:\t65532\t65532\t65532\t65532$' "$scratch/status"
  check 'it has no capability' grep -qP '^CapEff:\t0+$' "$scratch/status"
  check 'it cannot gain any' grep -qP '^NoNewPrivs:\t1$' "$scratch/status"
}

check_stop() {
  engine stop --time "$STOP_DEADLINE_S" "$GATEWAY" > /dev/null || true
  check 'SIGTERM ends it with 0' ended_with_0
  engine logs "$GATEWAY" > "$scratch/log" 2>&1 || true
  check 'it has logged' test -s "$scratch/log"
  check 'the log tells no secret' tells_no_secret "$scratch/log"
}

# --- the checks ---

image_has() {
  jq --exit-status "$1" "$scratch/image.json" || { jq -c '{Size, Healthcheck, Config}' "$scratch/image.json" && false; }
}

ended_with_0() {
  engine inspect "$GATEWAY" | jq --exit-status '.[0].State | .ExitCode, .OOMKilled, .ExitCode == 0'
}

only_two_files() {
  local id files
  id=$(engine create --pull never "$IMAGE") && files=$(engine export "$id" | tar -t | grep -v '/$' | sort)
  engine rm "$id" > /dev/null
  echo "$files"
  [[ $files == $'etc/ssl/certs/ca-certificates.crt\nsddc-gateway' ]]
}

no_shell() {
  local shell
  for shell in /bin/sh /bin/bash /busybox/sh; do
    ! engine run --rm "${STRICT[@]}" --entrypoint "$shell" "$IMAGE" -c true || return 1
  done
}

prints_version() { [[ $(in_container --version) == "sddc-gateway $VERSION"* ]]; }

ends_with() {
  local want=$1 code=0
  shift
  in_container "$@" || code=$?
  echo "exit code $code"
  ((code == want))
}

key_fits_digest() {
  [[ $key != none && $keys != none && $(printf '%s' "$key" | sha256sum) == "${keys#ci:}"* ]]
}

# Asks until the status is the wanted one: a container's start, and the first picture, take their time.
answers() {
  local want=$1 url=$2 got deadline=$((SECONDS + START_DEADLINE_S))
  shift 2
  while got=$(curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' "$@" "$url") || true; do
    [[ $got != "$want" ]] || return 0
    ((SECONDS < deadline)) || break
    sleep 0.1
  done
  echo "$url answers $got instead of $want"
  return 1
}

cloud_tells_secrets() {
  local token org
  token=$(curl --silent --fail --max-time 10 --user "image-test:$client_secret" \
    --data grant_type=client_credentials "http://$cloud/csp/gateway/am/api/auth/token" | jq -r .access_token) \
    && org=$(curl --silent --fail --max-time 10 --header "csp-auth-token: $token" \
      "http://$cloud/vmc/api/orgs" | jq -r '.[0].id') \
    && curl --silent --fail --max-time 10 --header "csp-auth-token: $token" \
      "http://$cloud/vmc/api/orgs/$org/sddcs" | grep -q CANARY
}

tells_no_secret() {
  ! grep -oF -e CANARY -e "$client_secret" -e "$key" "$1"
}

# --- containers ---

# Host networking: a bridge would need a firewall's help. `--read-only-tmpfs`: no writable /tmp either.
readonly STRICT=(
  --pull never
  --network host
  --read-only --read-only-tmpfs=false
  --cap-drop all
  --security-opt no-new-privileges
  --memory 64m
  --pids-limit 256
  --ulimit nofile=4096:4096 --ulimit nproc=4096:4096
  --log-driver k8s-file
)

# runc and plain cgroups work under every init, also where the machine is itself a container. Without
# systemd there is no timer for health checks: they are run when asked for.
engine() { DISABLE_HC_SYSTEMD=true podman --runtime runc --cgroup-manager cgroupfs "$@"; }

in_container() { engine run --rm "${STRICT[@]}" "$IMAGE" "$@"; }

# The first of three free ports in a row, below the range that outgoing connections are given.
free_ports() {
  local first port
  while true; do
    first=$((20000 + RANDOM % 10000))
    for port in "$first" $((first + 1)) $((first + 2)); do
      ! (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null || continue 2
    done
    echo "$first"
    return
  done
}

clean_up() {
  engine rm --force --ignore --time 0 "$GATEWAY" "$CLOUD" > /dev/null 2>&1 || true
  rm -rf "$scratch"
}

main

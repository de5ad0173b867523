#!/usr/bin/env bash
# Holds what `deploy/` gives to operators against the tools that read it, each as strictly as it can.
# Starts nothing: no cluster, no systemd, no container. `run.sh policies` is what `make test-policies` does,
# and nothing else. With GATEWAY, a program, it also lets that look at the configurations.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/check.sh
. tests/check.sh

TOOLS=$(realpath -m "${CARGO_TARGET_DIR:-target}/tools")
promtool=${PROMTOOL:-$TOOLS/prometheus/usr/bin/promtool}
command -v "$promtool" > /dev/null || promtool=promtool
readonly TOOLS promtool

main() {
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT

  if [[ ${1:-} == policies ]]; then
    policies
  else
    systemd_unit
    alerts
    kubernetes
    compose
    workflows
  fi

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
  if [[ -n ${GATEWAY:-} ]]; then
    check 'systemd: the gateway takes its settings' unit_settings "$unit"
  fi
  sed -i 's/^WatchdogSec=/WatchdogSeconds=/' "$scratch/sddc-gateway.service"
  check 'systemd: a misspelt key is found' fails says_nothing \
    systemd-analyze verify --man=no "$scratch/sddc-gateway.service"
}

# `%d` is the folder with the credentials.
unit_settings() {
  local settings
  mapfile -t settings < <(sed -n 's/^Environment=\(SDDC_GATEWAY_\)/\1/p' "$1" | sed -e "s#%d#$scratch#" -e "s#/var/lib/sddc-gateway#$scratch#")
  echo secret > "$scratch/client-secret"
  printf '[csp]\nclient_id = "id"\n' > "$scratch/unit.toml"
  ((${#settings[@]} == 2)) && env "${settings[@]}" "$GATEWAY" check --offline --config "$scratch/unit.toml"
}

alerts() {
  local rules=deploy/prometheus/alerts.yaml
  check 'alerts: the rules are sound' "$promtool" check rules --lint-fatal "$rules"
  check 'alerts: each fires when it should' no_warning "$promtool" test rules tests/manifests/alerts.test.yaml
  # promtool passes where an alert's name is misspelt, or has no case.
  grep -oP 'alert: \K\w+' "$rules" | sort > "$scratch/alerts"
  grep -oP '^      - alertname: \K\w+' tests/manifests/alerts.test.yaml | sort > "$scratch/tested"
  check 'alerts: each has a case in which it fires' diff "$scratch/alerts" "$scratch/tested"
  grep -oP '^## \K\w+' deploy/runbook.md | sort > "$scratch/explained"
  check 'alerts: each is in the runbook' diff "$scratch/alerts" "$scratch/explained"
  grep -oP 'runbook_url: deploy/runbook.md#\K\w+' "$rules" | sort > "$scratch/linked"
  check 'alerts: each links to its section' diff <(tr '[:upper:]' '[:lower:]' < "$scratch/alerts" | sort) "$scratch/linked"
}

kubernetes() {
  local overlay rule=deploy/kubernetes/overlays/monitoring/prometheusrule.yaml
  prometheus_rule > "$scratch/prometheusrule.yaml"
  [[ ${UPDATE_RULE:-} != 1 ]] || cp "$scratch/prometheusrule.yaml" "$rule"
  check 'kubernetes: its rules are those of Prometheus (UPDATE_RULE=1 writes them)' \
    diff "$scratch/prometheusrule.yaml" "$rule"
  for overlay in single monitoring replicated; do
    check "kubernetes: $overlay is rendered" render "$overlay"
    # Custom resources are a warning to it, and are looked at below.
    check "kubernetes: $overlay fits the schemas" "$TOOLS/python/bin/kubernetes-validate" --strict "$scratch/$overlay.yaml"
    check "kubernetes: $overlay hangs together" \
      "$TOOLS/python/bin/python" tests/manifests/kubernetes.py "$scratch/$overlay.yaml" deploy/kubernetes/base/gateway.toml
  done
  sed 's/livenessProbe:/livenesProbe:/' "$scratch/single.yaml" > "$scratch/misspelt.yaml"
  check 'kubernetes: a misspelt key is found' fails "$TOOLS/python/bin/kubernetes-validate" --strict "$scratch/misspelt.yaml"
  check 'kubernetes: the image has the version' grep -qx "    newTag: $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" \
    deploy/kubernetes/base/kustomization.yaml
  if [[ -n ${GATEWAY:-} ]]; then
    sed -e "s#/run/secrets/sddc-gateway#$scratch#" -e "s#/etc/sddc-gateway/callers#$PWD/deploy/kubernetes/base#" \
      -e "s#/var/lib/sddc-gateway#$scratch#" deploy/kubernetes/base/gateway.toml > "$scratch/gateway.toml"
    echo secret > "$scratch/client-secret"
    check 'kubernetes: the gateway takes its configuration' "$GATEWAY" check --offline --config "$scratch/gateway.toml"
  fi
}

policies() {
  # CKV_K8S_11, a limit of CPU: it makes answers late and saves nothing. CKV_K8S_15 and 43, always pulled
  # and by digest: the image's name is the operator's to set.
  for overlay in single monitoring replicated; do
    render "$overlay"
    check "policies: $overlay" "$TOOLS/checkov/bin/checkov" --framework kubernetes --skip-download --compact --quiet \
      --skip-check CKV_K8S_11,CKV_K8S_15,CKV_K8S_43 --file "$scratch/$overlay.yaml"
  done
  sed 's/runAsNonRoot: true/runAsNonRoot: false/; s/runAsUser: 65532/runAsUser: 0/' "$scratch/single.yaml" > "$scratch/root.yaml"
  check 'policies: a pod that runs as root is found' fails "$TOOLS/checkov/bin/checkov" --framework kubernetes \
    --skip-download --compact --quiet --skip-check CKV_K8S_11,CKV_K8S_15,CKV_K8S_43 --file "$scratch/root.yaml"
}

# The rules as the Prometheus operator takes them.
prometheus_rule() {
  echo '# Written by UPDATE_RULE=1 tests/manifests/run.sh, from deploy/prometheus/alerts.yaml.'
  printf 'apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: sddc-gateway\nspec:\n'
  sed -n '/^groups:/,$p' deploy/prometheus/alerts.yaml | sed 's/^./  &/'
}

render() { "$TOOLS/kubectl/kubectl" kustomize "deploy/kubernetes/overlays/$1" > "$scratch/$1.yaml"; }

compose() {
  local file=deploy/compose.yaml
  check 'compose: it fits the specification' schema compose-spec "$file"
  sed 's/read_only:/readonly:/' "$file" > "$scratch/compose.yaml"
  check 'compose: a misspelt key is found' fails schema compose-spec "$scratch/compose.yaml"
  check 'compose: each file that is mounted is there' mounts_are_there "$file"
  check 'compose: Prometheus takes its configuration' prometheus_config
  if [[ -n ${GATEWAY:-} ]]; then
    check 'compose: the gateway takes its settings' gateway_settings "$file"
  fi
}

mounts_are_there() {
  local path
  while read -r path; do
    [[ -e deploy/$path ]] || { echo "no deploy/$path"; return 1; }
  done < <(grep -oP '^ +- \./\K[^:]+' "$1")
}

prometheus_config() {
  sed "s#/etc/prometheus/alerts.yaml#$PWD/deploy/prometheus/alerts.yaml#" deploy/compose/prometheus.yaml > "$scratch/prometheus.yaml"
  "$promtool" check config --lint-fatal "$scratch/prometheus.yaml"
}

gateway_settings() {
  local settings
  mapfile -t settings < <(sed -nE 's/^ +(SDDC_GATEWAY_[A-Z_]+): "?([^"]*)"?$/\1=\2/p' "$1")
  ((${#settings[@]} > 5)) && env "${settings[@]}" SDDC_GATEWAY_KEYS__FILE=deploy/compose/keys "$GATEWAY" check --offline
}

workflows() {
  check 'workflows: they fit the schema' schema github-workflows .github/workflows/*.yml
  check 'workflows: no known weakness' "$TOOLS/python/bin/zizmor" --offline --quiet .github/workflows
  # One version everywhere: what is tested is what is released.
  check 'workflows: the compiler is the pinned one' each_names_the_compiler Dockerfile .github/workflows/*.yml
}

each_names_the_compiler() {
  local pinned file
  pinned=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
  for file in "$@"; do
    grep -qF "rust:$pinned-bookworm" "$file" || { echo "$file has another one than $pinned"; return 1; }
  done
}

schema() { "$TOOLS/python/bin/check-jsonschema" --builtin-schema "vendor.$1" "${@:2}"; }

# --- the checks ---

says_nothing() {
  local said
  said=$("$@" 2>&1) || true
  echo "$said"
  [[ -z $said ]]
}

no_warning() {
  local said
  said=$("$@" 2>&1) || { echo "$said"; return 1; }
  echo "$said"
  [[ $said != *WARNING* ]]
}

fails() { ! "$@"; }

main "$@"

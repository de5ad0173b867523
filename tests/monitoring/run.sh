#!/usr/bin/env bash
# A real Prometheus scrapes a real gateway in front of a failing simulator: the alerts of an outage
# fire, at a start during one and while running, and each query of the dashboard has data.
#
# The rules are those of deploy/prometheus/alerts.yaml with shorter times; which ones is below, in
# `shorten`. GATEWAY names the program, PROMETHEUS another Prometheus.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/check.sh
. tests/check.sh

TARGET=$(realpath -m "${CARGO_TARGET_DIR:-target}")
readonly TARGET
GATEWAY=${GATEWAY:-$TARGET/debug/sddc-gateway}
PROMETHEUS=${PROMETHEUS:-$TARGET/tools/prometheus/usr/bin/prometheus}
command -v "$PROMETHEUS" > /dev/null || PROMETHEUS=prometheus
readonly GATEWAY PROMETHEUS
DEADLINE_S=60

main() {
  scratch=$(mktemp -d)
  trap clean_up EXIT
  prepare

  # --- a start during an outage ---
  fault csp 503
  fault vmc 503
  start_gateway
  start_prometheus
  check 'start in an outage: not ready' fires SddcGatewayNotReady
  check 'start in an outage: nothing was ever read' fires SddcGatewayNothingRead
  check 'start in an outage: no token' fires SddcGatewayMintsFail
  check 'start in an outage: calls are held back' fires SddcGatewayCircuitOpen
  check 'the rules about old snapshots are silent: there is none' silent SddcGatewaySnapshotOld

  # --- all is well ---
  control DELETE /__faults > /dev/null
  check 'it recovers: ready' resolves SddcGatewayNotReady
  check 'it recovers: read' resolves SddcGatewayNothingRead
  check 'it recovers: called again' resolves SddcGatewayCircuitOpen
  keep_asking &
  check 'the caller gets answers' has_data "sddc_gateway_http_requests_total{caller=\"billing\", status=\"200\"} > 5"
  check 'no alert about answers fires while all is well' silent 'SddcGateway(OrgsMissing|Snapshot.*|ErrorBudget.*|Token.*)'
  check 'wrong keys: callers are denied' fires SddcGatewayCallersDenied
  check 'a caller beyond its rate is throttled' fires SddcGatewayCallerThrottled

  # --- an outage while running ---
  fault csp 503
  fault vmc 503
  check 'outage: the snapshot gets old' fires SddcGatewaySnapshotOld
  check 'outage: calls are held back' fires SddcGatewayCircuitOpen
  check 'outage: the token is not renewed' fires SddcGatewayTokenNotRenewed
  check 'outage: mints fail' fires SddcGatewayMintsFail
  check 'outage: the snapshot ends soon' fires SddcGatewaySnapshotEndsSoon
  check 'outage: organizations are missing' fires SddcGatewayOrgsMissing
  check "outage: a caller's error budget burns" fires 'SddcGatewayErrorBudgetBurnsFast", caller="billing'
  check 'the gateway stays ready' silent SddcGatewayNotReady
  control DELETE /__faults > /dev/null
  fault csp 401
  check 'refused credentials' fires SddcGatewayCredentialsRefused
  : > "$scratch/callers.toml"
  check 'a broken file of callers' fires SddcGatewayFileRefused
  dashboard
  check 'each metric that the rules name is there' rules_name_metrics
  check 'names and units of metrics are as Prometheus wants them' lint_metrics

  check 'Redis is there' silent SddcGatewaySharesNothing
  kill "$redis_server"
  check 'Redis is gone' fires SddcGatewaySharesNothing

  kill "$gateway"
  check 'a gateway that is gone' fires SddcGatewayDown
  # Else a misspelt query would pass for one with data.
  DEADLINE_S=1
  check 'a query with a fault has no data' fails has_data 'no_such_function(up)'
  check 'a query for what is not there has no data' fails has_data 'sddc_gateway_no_such_metric'

  ((failed == 0)) || tail -n 5 "$scratch"/*.log
  echo "monitoring: $passed passed, $failed failed"
  ((failed == 0))
}

# --- what runs ---

prepare() {
  local port
  port=$(free_ports)
  cloud=127.0.0.1:$port api=127.0.0.1:$((port + 1)) ops=127.0.0.1:$((port + 2)) prometheus=127.0.0.1:$((port + 3))
  keys=()
  new_key billing ''
  new_key ci 'rate = "1/h"'
  printf 'demo-secret' > "$scratch/secret"
  head -c 32 /dev/urandom | base64 > "$scratch/keys"
  redis=127.0.0.1:$((port + 4))
  # Called by this name, Debian's tool is the server.
  (exec -a redis-server redis-check-rdb --bind 127.0.0.1 --port "${redis#*:}" --save '' --dir "$scratch") \
    > "$scratch/redis.log" 2>&1 &
  redis_server=$!
  # Tokens of 20 s are renewed 10 s ahead.
  "$GATEWAY" simulator --listen "$cloud" --client-id demo-app --client-secret demo-secret --token-ttl 20 \
    > "$scratch/simulator.log" 2>&1 &
  check 'the simulator answers' answers "http://$cloud/__stats"
}

new_key() {
  local key
  key=$("$GATEWAY" key "$1" 2>&1 | grep -oE 'sgw_[A-Za-z0-9_-]{43}' | head -n 1)
  keys+=("$key")
  printf '[[callers]]\nname = "%s"\nkey_sha256 = ["%s"]\n%s\n' \
    "$1" "$(printf '%s' "$key" | sha256sum | cut -d ' ' -f 1)" "$2" >> "$scratch/callers.toml"
}

start_gateway() {
  env SDDC_GATEWAY_CSP__URL="http://$cloud" SDDC_GATEWAY_VMC__URL="http://$cloud" \
    SDDC_GATEWAY_CSP__CLIENT_ID=demo-app SDDC_GATEWAY_CSP__CLIENT_SECRET_FILE="$scratch/secret" \
    SDDC_GATEWAY_API__LISTEN="$api" SDDC_GATEWAY_OPS__LISTEN="$ops" \
    SDDC_GATEWAY_SHARED__REDIS_URL="redis://$redis" SDDC_GATEWAY_KEYS__FILE="$scratch/keys" \
    SDDC_GATEWAY_API__DRAIN_DELAY=0s SDDC_GATEWAY_ACCESS__CALLERS_FILE="$scratch/callers.toml" \
    SDDC_GATEWAY_INVENTORY__POLL=1s SDDC_GATEWAY_INVENTORY__FRESH=1s SDDC_GATEWAY_INVENTORY__STALE=15s \
    "$GATEWAY" serve > "$scratch/gateway.log" 2>&1 &
  gateway=$!
  check 'the gateway starts' answers "http://$ops/livez"
}

start_prometheus() {
  shorten < deploy/prometheus/alerts.yaml > "$scratch/alerts.yaml"
  sed -e 's/_interval: 5s/_interval: 1s/' -e "s/targets: .*/targets: ['$ops']/" \
    -e "s#/etc/prometheus/alerts.yaml#$scratch/alerts.yaml#" deploy/compose/prometheus.yaml > "$scratch/prometheus.yaml"
  "$PROMETHEUS" --config.file="$scratch/prometheus.yaml" --storage.tsdb.path="$scratch/data" \
    --web.listen-address="$prometheus" > "$scratch/prometheus.log" 2>&1 &
  check 'Prometheus starts' answers "http://$prometheus/-/ready"
  check 'each rule is loaded' same "$(query_api rules | jq '[.data.groups[].rules[]] | length')" \
    "$(grep -c 'alert:' deploy/prometheus/alerts.yaml)"
}

# Only times: what an alert looks at stays.
shorten() {
  sed -E -e 's/for: [0-9]+[smh]/for: 2s/' \
    -e '/increase\(/s/\[[0-9]+[smh]\]/[60s]/' -e '/rate\(/s/\[[0-9]+[smh]\]/[15s]/' \
    -e 's/> 600/> 4/' -e 's/> 16 \* 3600/> 8/' -e 's/< 150/< 8/'
}

# A caller with a key, one that is over its limit, and one with a wrong key; a stream of events.
keep_asking() {
  curl --silent --no-buffer --header "X-API-Key: ${keys[0]}" "http://$api/sddcs/events" > /dev/null 2>&1 &
  # shellcheck disable=SC2064 # that process, not a later one
  trap "kill $! 2> /dev/null; exit" TERM
  while true; do
    curl --silent --output /dev/null --header "X-API-Key: ${keys[0]}" "http://$api/sddcs" \
      --next --silent --output /dev/null --header "X-API-Key: ${keys[1]}" "http://$api/sddcs?limit=[1-9]" \
      --next --silent --output /dev/null --header "X-API-Key: wrong" "http://$api/sddcs?limit=[1-3]" || true
    sleep 0.2
  done
}

# --- the checks ---

# Each query of the dashboard, with its variables filled in.
dashboard() {
  local title expr
  while IFS=$'\t' read -r title expr; do
    check "dashboard: $title" has_data "$expr"
  done < <(jq -r '.panels[] | .title as $title | .targets[]? | [$title,
    (.expr | gsub("\\$__rate_interval"; "20s") | gsub("\\$instance"; ".*"))] | @tsv' deploy/grafana/sddc-gateway.json \
    | sed 's/\\\\/\\/g')
}

rules_name_metrics() {
  curl --silent --max-time 5 "http://$ops/metrics" | grep -oP '^# HELP \K\w+' | sort -u > "$scratch/metrics"
  grep -v 'alert:' deploy/prometheus/alerts.yaml | grep -oE 'sddc_gateway_[a-z_]+' | sort -u > "$scratch/named"
  [[ -s $scratch/named && -z $(comm -13 "$scratch/metrics" "$scratch/named" | tee /dev/stderr) ]]
}

lint_metrics() {
  local promtool=${PROMTOOL:-$TARGET/tools/prometheus/usr/bin/promtool}
  command -v "$promtool" > /dev/null || promtool=promtool
  curl --silent --max-time 5 "http://$ops/metrics" | "$promtool" check metrics
}

fires() { eventually has_result "ALERTS{alertstate=\"firing\", alertname=\"$1\"}"; }
resolves() { eventually has_no_result "ALERTS{alertstate=\"firing\", alertname=\"$1\"}"; }
silent() { has_no_result "ALERTS{alertstate=\"firing\", alertname=~\"$1\"}"; }
has_data() { eventually has_result "$1"; }

results() {
  curl --silent --max-time 5 --data-urlencode "query=$1" "http://$prometheus/api/v1/query" \
    | jq --exit-status 'if .status == "success" then .data.result | length else error(.error) end'
}
has_result() { [[ $(results "$1") == [1-9]* ]]; }
has_no_result() { [[ $(results "$1") == 0 ]]; }

query_api() { curl --silent --max-time 5 "http://$prometheus/api/v1/$1"; }
answers() { eventually curl --silent --fail --max-time 5 --output /dev/null "$1"; }
fails() { ! "$@"; }
same() { echo "$1, $2"; [[ $1 == "$2" ]]; }

control() { curl --silent --fail --max-time 5 --request "$1" "http://$cloud$2" ${3:+--data "$3"}; }
fault() { control POST /__faults "{\"target\": \"$1\", \"path\": \"*\", \"kind\": \"status\", \"status\": $2}" > /dev/null; }

eventually() {
  local deadline=$((SECONDS + DEADLINE_S))
  until "$@"; do
    ((SECONDS < deadline)) || { echo "not within $DEADLINE_S s: $*"; return 1; }
    sleep 0.2
  done
}

# The first of four free ports in a row, below the range that outgoing connections are given.
free_ports() {
  local first port
  while true; do
    first=$((20000 + RANDOM % 10000))
    for port in $(seq "$first" $((first + 4))); do
      ! (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null || continue 2
    done
    echo "$first"
    return
  done
}

clean_up() {
  local job
  for job in $(jobs -p); do kill "$job" 2> /dev/null || true; done
  wait 2> /dev/null
  rm -rf "$scratch"
}

main

#!/usr/bin/env bash
# Fuzzes every target, or those that are named, for FUZZ_SECONDS each. What libFuzzer finds worth
# keeping and what makes a body fail stay below the target directory: the tree stays clean.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
readonly SECONDS_EACH=${FUZZ_SECONDS:-60}
readonly OUT=$TARGET_DIR/fuzz
targets=("$@")
((${#targets[@]} > 0)) || mapfile -t targets < <(ls fuzz/corpus)

# Of the sanitizers only `none` works with a stable compiler, whose code coverage needs no unstable
# flag. Little is lost: the gateway has no `unsafe`, and debug assertions and overflow checks are on.
# With more than one unit the build takes a third of the time.
"$TARGET_DIR/tools/bin/cargo-fuzz" build --fuzz-dir fuzz --target-dir "$OUT" \
  --sanitizer none --codegen-units 16 body
body=$OUT/$(rustc --print host-tuple)/release/body

failed=()
summary=()
mkdir -p "$OUT/failures"
for target in "${targets[@]}"; do
  found=$OUT/corpus/$target
  log=$OUT/$target.log
  mkdir -p "$found"
  printf '%s: %s s\n' "$target" "$SECONDS_EACH"
  if ! FUZZ_TARGET=$target "$body" "$found" "fuzz/corpus/$target" \
    -max_total_time="$SECONDS_EACH" -max_len=16384 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$OUT/failures/$target-" > "$log" 2>&1; then
    failed+=("$target")
    grep -A 3 -E 'panicked at|^SUMMARY|Test unit written' "$log" || tail "$log"
  fi
  summary+=("$(awk -v target="$target" '
    /^stat::number_of_executed_units:/ { runs = $2 }
    / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") coverage = $(i + 1) }
    END { printf "%-16s %12d executions, %6d edges", target, runs, coverage }' "$log")")
done

printf '%s\n' "${summary[@]}"
if ((${#failed[@]} > 0)); then
  printf 'failed: %s. Mend it, and put the file of %s into its corpus.\n' "${failed[*]}" "$OUT/failures" >&2
  exit 1
fi

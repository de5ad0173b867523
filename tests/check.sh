# Sourced by the scripts that hold things against commands: counts what holds and what does not.

# shellcheck disable=SC2034 # whoever sources this reports them
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
    # The last lines will do: the command line and a whole answer only drown the reason.
    tail -n 12 <<< "$said" | sed 's/^/            /'
  fi
}

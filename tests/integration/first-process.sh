# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# As a container's first process: orphans are reaped, and the end of the workload is our end, with its code.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need unshare
unshare --pid --fork --mount-proc true 2>/dev/null || skip "no PID namespaces here"
code=0
unshare --pid --fork --mount-proc ffrtmp run -q --forward-signals --job-id "$TAG" -- bash -c '
    for _ in $(seq 20); do (sleep 0.05 & exec true) & done; wait
    sleep 0.5
    ps -eo stat= | grep -c "^Z" >zombies
    exit 33' || code=$?
assert_eq 33 $code
assert_eq 0 "$(cat zombies)" "zombies"
no_leaves || fail "left $(leaves)"

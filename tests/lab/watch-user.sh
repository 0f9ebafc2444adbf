# shellcheck shell=bash
# variants: user bare
# timeout: 200
#
# A user's own watcher: the kernel tells it nothing, so it looks at intervals, and has its user's processes in the leaves of
# the user's manager, or on the ladder where there is none.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
# (kill_jobs forgets all state: of the watcher too.)
trap 'kill "${watcher:-}" "${stream:-}" 2>/dev/null || true; kill_jobs' EXIT
cp "$(command -v sleep)" labtarget
job_of() { ffrtmp ps --json | jq -er --argjson pid "$1" '.[] | select(.identity.pid == $pid) | .job_id'; }
adopted() { job_of "$1" >/dev/null 2>&1; }
ffrtmp watch --target labtarget --memory-max 200M --nice 4 --scan-interval 500ms >out 2>err &
watcher=$!
./labtarget 300 & stream=$!
wait_for 60 adopted $stream
grep -q 'no news of programs that start' err || fail "$(cat err)"
assert_eq 1 "$(wc -l <err)" "lines: $(cat err)"
job=$(job_of $stream)
if [ "$LAB_VARIANT" = user ]; then
    wait_for 20 grep -q "ffrtmp-jobs.scope/$job" /proc/$stream/cgroup
    assert_eq $((200 << 20)) "$(cat "$(job_dir "$job")/memory.max")"
else
    grep -q '! memory.max' out || fail "does not say what is not in force: $(cat out)"
fi
assert_eq 4 "$(sed 's/.*) //' /proc/$stream/stat | cut -d' ' -f17)"
kill $stream
wait $stream 2>/dev/null || true
wait_for 30 is_state "$job" ended
kill $watcher
wait $watcher || fail "exit code $?"

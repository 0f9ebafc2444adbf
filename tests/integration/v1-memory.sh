# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# memory.limit_in_bytes: the kernel kills what goes beyond it, and the result says that the job's own limit did.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 memory
need python3
expect 0 ffrtmp run -d --memory-max 64M --job-id "$TAG-r" -- sleep 30
assert_eq $((64 << 20)) "$(cat "$(cgroup_dir "$(pid_of "$TAG-r")" memory)/memory.limit_in_bytes")"
ffrtmp stop "$TAG-r"
expect 137 ffrtmp run --memory-max 48M --swap-max 0 --job-id "$TAG" --result-file r.json -- python3 -c 'x = bytearray(300 << 20); print("survived")'
assert_lacks "$out" survived
json r.json '.outcome == "oom_killed" and .signal == 9 and .killer == "own limit"' >/dev/null
json r.json '.usage.memory_peak_bytes <= 50331648 and .usage.memory_peak_bytes > 30000000' >/dev/null
assert_contains "$err" "memory limit"
# A child of a shell that dies so is the same; one that stays below is not.
expect 1 ffrtmp run --memory-max 48M --swap-max 0 --result-file c.json -- sh -c 'python3 -c "x = bytearray(300 << 20)"; exit 1'
json c.json '.outcome == "oom_killed"' >/dev/null
expect 0 ffrtmp run --memory-max 256M --result-file b.json -- python3 -c 'x = bytearray(100 << 20)'
json b.json '.outcome == "exited" and .usage.memory_peak_bytes > 100000000' >/dev/null
# kill -9 from outside is not the limit's doing.
expect 137 ffrtmp run --memory-max 256M --result-file k.json -- sh -c 'kill -9 $$'
json k.json '.outcome == "signaled" and .killer == "unknown"' >/dev/null
no_leaves || fail "left $(leaves)"

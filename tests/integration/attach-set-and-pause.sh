# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# set changes the limits of jobs of run and of attached ones, or nothing; memory is not lowered into a kill. pause and resume.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 cpu memory pids
need python3
hold='import time; x = bytearray(120 << 20)
for i in range(0, len(x), 4096): x[i] = 1
open("'$TMP'/held", "w").write("x"); time.sleep(200)'
ffrtmp run -q -d --job-id "$TAG" --memory-max 400M --cpu-max 100% -- python3 -c "$hold" >/dev/null
wait_for 20 test -s held
pid=$(pid_of "$TAG")
memory=$(cgroup_dir "$pid" memory)
expect 0 ffrtmp set "$TAG" --cpu-max 50% --nice 4 --json
jq -e '.receipt.limits[] | select(.limit == "cpu.max") | .in_force.text == "50%"' .out >/dev/null || fail "$out"
assert_eq 50000 "$(cat "$(cgroup_dir "$pid" cpu)/cpu.cfs_quota_us")"
assert_eq 4 "$(nices_of "$pid")"
expect 0 ffrtmp set "$TAG" --memory-max 200M
assert_eq $((200 << 20)) "$(cat "$memory/memory.limit_in_bytes")"
# Below what it holds: refused, and nothing of the same command stays.
expect 125 ffrtmp set "$TAG" --memory-max 50M --cpu-max 20%
assert_eq 1 "$(wc -l <.err)" "lines: $err"
assert_contains "$err" "it uses"
assert_eq $((200 << 20)) "$(cat "$memory/memory.limit_in_bytes")"
assert_eq 50000 "$(cat "$(cgroup_dir "$pid" cpu)/cpu.cfs_quota_us")" "the other limit of a refused command"
runs "$pid" || fail "it was killed"
expect 125 ffrtmp set "$TAG" --memory-max bogus
expect 125 ffrtmp set "$TAG" --memory-high 100M --require all
assert_contains "$err" "memory.high"

ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }
sh -c 'while :; do :; done' &
busy=$!
expect 0 ffrtmp attach --pid $busy --job-id "$TAG-b" --once --cpu-max 90%
expect 0 ffrtmp pause "$TAG-b"
at=$(ticks $busy); sleep 0.5
assert_eq "$at" "$(ticks $busy)" "CPU time while paused"
assert_eq true "$(ffrtmp status --json "$TAG-b" | jq .paused)"
assert_contains "$(ffrtmp ps)" paused
expect 0 ffrtmp resume "$TAG-b"
wait_for 5 sh -c "[ \$(sed 's/.*) //' /proc/$busy/stat | awk '{ print \$12 + \$13 }') -gt $at ]"
assert_eq false "$(ffrtmp status --json "$TAG-b" | jq .paused)"
# What is paused is woken by detach and by stop.
expect 0 ffrtmp pause "$TAG-b"
expect 0 ffrtmp detach "$TAG-b"
at=$(ticks $busy)
wait_for 5 sh -c "[ \$(sed 's/.*) //' /proc/$busy/stat | awk '{ print \$12 + \$13 }') -gt $at ]"
kill $busy
expect 0 ffrtmp pause "$TAG"
expect 0 ffrtmp stop --grace 2s "$TAG"
wait_for 5 gone "$pid"
# One without a cgroup says that it cannot; a limit gives it one.
sleep 100 &
pid=$!
before=$(settings_of $pid)
expect 0 ffrtmp attach --pid $pid --job-id "$TAG-n" --once --nice 3
expect 125 ffrtmp pause "$TAG-n"
assert_contains "$err" "cgroup"
assert_eq false "$(ffrtmp status --json "$TAG-n" | jq .paused)"
expect 0 ffrtmp set "$TAG-n" --cpu-max 60%
assert_contains "$(cgroup_dir $pid cpu)" "/ffrtmp/$TAG-n"
expect 0 ffrtmp pause "$TAG-n"
expect 0 ffrtmp resume "$TAG-n"
expect 0 ffrtmp detach "$TAG-n"
assert_eq "$before" "$(settings_of $pid)"
kill $pid
expect 125 ffrtmp set "$TAG-n" --nice 3
no_leaves || fail "left $(leaves)"

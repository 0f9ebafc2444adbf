# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# why of running jobs: a CPU quota that throttles is named with a larger value that set takes; a job that is fine is
# called fine; one that is stopped or paused, so. Nothing is changed by asking.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 cpu cpuacct
need_v1 memory freezer

why() { expect 0 ffrtmp why --json "$@" && cp .out why.json; }

expect 0 ffrtmp run -q -d --cpu-max 10% --job-id "$TAG-q" -- sh -c 'while :; do :; done'
before=$(cat "$(cgroup_dir "$(pid_of "$TAG-q")" cpu)/cpu.cfs_quota_us")
# On a crowded host it may take a longer look until the quota bites.
for window in 1s 3s 8s; do
    why --window $window "$TAG-q"
    [ "$(jq -r '.causes[0].cause' why.json)" != "cpu quota" ] || break
done
json why.json '.causes[0] | .cause == "cpu quota" and .certainty == "certain" and .limit == "cpu.max" and .share > 0.1' >/dev/null
json why.json '.sentence | contains("10%") and contains("throttled")' >/dev/null
json why.json '.figures | .throttled_share > 0.1 and .cpus_used < 0.3 and .quota_cpus == 0.1' >/dev/null
value=$(json why.json '.causes[0].value')
[ "${value%\%}" -gt 10 ] || fail "suggests $value"
assert_eq "$before" "$(cat "$(cgroup_dir "$(pid_of "$TAG-q")" cpu)/cpu.cfs_quota_us")" "asking changed the quota"
# The command is one that works.
sh -c "$(json why.json '.causes[0].command')" 2>set.err || fail "$(cat set.err)"
assert_contains "$(cat set.err)" "$value"
expect 0 ffrtmp why --window 300ms "$TAG-q"
assert_contains "$out" "job $TAG-q: "

expect 0 ffrtmp run -q -d --cpu-max 150% --memory-max 200M --job-id "$TAG-fine" -- sleep 100
why --window 300ms "$TAG-fine"
json why.json '.causes == [] and .state == "running" and (.sentence | contains("nothing"))' >/dev/null
json why.json '.figures | .cpus_used < 0.1 and .memory_max == 209715200' >/dev/null

kill -STOP "$(pid_of "$TAG-fine")"
wait_for 10 grep -q '^State:.*T' "/proc/$(pid_of "$TAG-fine")/status"
why --window 300ms "$TAG-fine"
json why.json '.causes[0].cause == "stopped"' >/dev/null
kill -CONT "$(pid_of "$TAG-fine")"

# Two that want the same CPU: neither has a quota, and each is starved by the other, which is named.
first=$(taskset -pc $$ | sed 's/.*: //; s/[,-].*//')
for job in a b; do expect 0 ffrtmp run -q -d --job-id "$TAG-$job" -- taskset -c "$first" sh -c 'while :; do :; done'; done
starved() { ffrtmp why --json --window 1s "$TAG-a" >why.json && [ "$(jq -r '.causes[0].cause' why.json)" = "host cpu" ]; }
wait_for 40 starved
json why.json '.causes[0] | .certainty == "likely" and .limit == "cpu.weight"' >/dev/null
json why.json '.figures | .waiting_cpus > 0.1 and .busiest_other.pid > 0' >/dev/null
for job in a b; do ffrtmp stop --grace 1s "$TAG-$job"; done

# A memory limit that is hit again and again, by page cache: v1 tells of the hits and not of their cost.
expect 0 ffrtmp run -q -d --memory-max 16M --job-id "$TAG-mem" -- sh -c 'while :; do dd if=/dev/zero of=big bs=1M count=64 status=none; done'
for window in 2s 6s 12s; do
    why --window $window "$TAG-mem"
    [ "$(jq -r '[.causes[].limit] | index("memory.max")' why.json)" = null ] || break
done
json why.json '.causes[] | select(.limit == "memory.max") | .value' >/dev/null

if expect 0 ffrtmp pause "$TAG-fine"; then
    why "$TAG-fine"
    json why.json '.causes[0].cause == "paused"' >/dev/null
    expect 0 ffrtmp resume "$TAG-fine"
fi
for job in q fine mem; do ffrtmp stop --grace 1s "$TAG-$job"; done

# Killed for memory: by its own limit, and said so.
need python3
expect 0 ffrtmp run -q -d --memory-max 32M --swap-max 0 --job-id "$TAG-oom" -- python3 -c 'x = bytearray(300 << 20)'
ffrtmp wait "$TAG-oom" || assert_eq 137 $?
why "$TAG-oom"
json why.json '.state == "ended" and .causes[0].cause == "memory limit" and .causes[0].certainty == "certain" and .figures.killer == "own limit"' >/dev/null
assert_contains "$(json why.json '.causes[0].option')" --memory-max
wait_for 5 no_leaves

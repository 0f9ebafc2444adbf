# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# --placement none: no cgroup at all; nice, I/O priority, OOM score and affinity are in /proc, and the receipt says what is weaker.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
before=$(sort /proc/self/cgroup)
expect 0 ffrtmp run -q -d --placement none --job-id "$TAG" --nice 7 --ionice best-effort:6 --oom-score-adj 300 --cpu-max 100% --memory-max 300M -- \
    sh -c 'sleep 30; :'
pid=$(pid_of "$TAG")
assert_eq "$before" "$(sort "/proc/$pid/cgroup")" "its cgroups"
assert_eq 7 "$(sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $17 }')" nice
assert_eq 300 "$(cat "/proc/$pid/oom_score_adj")"
assert_contains "$(ionice -p "$pid")" "best-effort: prio 6"
assert_eq 1 "$(taskset -pc "$pid" | awk -F: '{ print $2 }' | tr -s ',-' '\n' | wc -l)" "CPUs: $(taskset -pc "$pid")"
ffrtmp status --json "$TAG" >status.json
json status.json '.receipt.limits[] | select(.limit == "nice") | .strength == "enforced"' >/dev/null
json status.json '.receipt.limits[] | select(.limit == "cpu.max") | .strength == "advisory" and (.why | length) > 0' >/dev/null
json status.json '.receipt.limits[] | select(.limit == "memory.max") | .strength != "enforced" and (.why | length) > 0' >/dev/null
assert_eq "" "$(leaves)" cgroups
ffrtmp stop "$TAG"

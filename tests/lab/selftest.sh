# shellcheck shell=bash
# variants: root user bare hybrid
# timeout: 180
#
# Every limit that is to be had is measured to bite, and nothing is left.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

code=0
TMPDIR=$PWD ffrtmp selftest --json >selftest.json 2>err || code=$?
cat selftest.json err
assert_eq 0 $code "exit code"
assert_eq 0 "$(wc -c <err)" "stderr"
verdict() { jq -er --arg l "$1" '.limits[] | select(.limit == $l) | .verdict' selftest.json; }
json selftest.json '.schema == 1 and .passed' >/dev/null
case $LAB_VARIANT in
    root)   bite='cpu.max cpuset.cpus memory.max memory.high pids.max io.max' absent='' ;;
    user)   bite='cpu.max memory.max memory.high pids.max' absent='cpuset.cpus io.max' ;;
    bare)   bite='' absent='cpu.max cpuset.cpus memory.max memory.high pids.max io.max' ;;
    # systemd leaves v1's cpuset alone.
    hybrid) bite='cpu.max memory.max pids.max io.max' absent='cpuset.cpus memory.high' ;;
esac
for limit in $bite nice ionice oom_score_adj 'time limit'; do assert_eq bites "$(verdict "$limit")" "$limit"; done
for limit in $absent; do assert_eq absent "$(verdict "$limit")" "$limit"; done
assert_eq "" "$(find . -name 'ffrtmp-selftest*')" "folders left"
none_left() { [ -z "$(find /sys/fs/cgroup -name 'selftest-*' 2>/dev/null)" ]; }
wait_for 20 none_left
[ -z "$(ffrtmp ps --all --json 2>/dev/null | jq -r '.[].job_id' | grep selftest)" ] || fail "jobs left"

# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# alone
# selftest: every limit that is in force here is measured to bite, and nothing is left behind.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
verdict() { json self.json '.limits[] | select(.limit == "'"$1"'") | .verdict'; }
left() { find /sys/fs/cgroup -type d -name 'selftest-*' 2>/dev/null; }
none_left() { [ -z "$(left)" ]; }

expect 0 ffrtmp selftest --json
cp .out self.json
assert_eq "" "$err" stderr
json self.json '.schema == 1 and .passed and (.limits | length > 8) and all(.limits[]; .text | length > 3)' >/dev/null
json self.json '[.limits[].verdict] - ["bites", "absent"] == []' >/dev/null
for limit in nice ionice oom_score_adj 'time limit'; do assert_eq bites "$(verdict "$limit")" "$limit"; done
if [ "$(id -u)" = 0 ] && [ ! -d /run/systemd/system ]; then
    [ -z "$(v1_mount memory)" ] || assert_eq bites "$(verdict memory.max)" memory.max
    [ -z "$(v1_mount pids)" ] || assert_eq bites "$(verdict pids.max)" pids.max
    [ -z "$(v1_mount memory)" ] || assert_eq absent "$(verdict memory.high)" memory.high
fi
wait_for 10 none_left
assert_eq "" "$(find "$TMP" -name 'ffrtmp-selftest*')" "folders left"
assert_eq "[]" "$(ffrtmp ps --all --json | jq -c .)" "jobs left"

# Where nothing can be had it says so, and that is no failure.
expect 0 ffrtmp selftest
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    unshare -m sh -c "umount -R /sys/fs/cgroup && exec ffrtmp selftest --json" >self.json || fail "exit code $?"
    for limit in cpu.max memory.max pids.max io.max; do assert_eq absent "$(verdict $limit)" $limit; done
    assert_eq bites "$(verdict nice)" nice
fi

# A limit that does not hold is a cross and exit code 1: a quota that somebody else takes away meanwhile.
if [ "$(id -u)" = 0 ] && [ -n "$(v1_mount cpu)" ] && [ ! -d /run/systemd/system ]; then
    cpu=$(v1_mount cpu)/ffrtmp
    ffrtmp selftest --json >self.json &
    test=$!
    there() { compgen -G "$cpu/selftest-$test-cpu/cpu.cfs_quota_us" >/dev/null; }
    wait_for 20 there
    # After it was read back into the receipt, long before the dummy is done.
    sleep 0.2
    echo -1 >"$cpu/selftest-$test-cpu/cpu.cfs_quota_us"
    code=0
    wait $test || code=$?
    assert_eq 1 $code "exit code with a limit that was taken away"
    assert_eq fails "$(verdict cpu.max)" cpu.max
    json self.json '.passed == false' >/dev/null
fi
expect 125 ffrtmp selftest cpu
expect 125 ffrtmp selftest-dummy nonsense

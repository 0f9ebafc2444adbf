# shellcheck shell=bash
# variants: root
#
# Cgroups that cannot be read, a state folder that cannot be written: it runs, and says what is lost.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

for how in 'mount -t tmpfs none /sys/fs/cgroup' 'umount -R /sys/fs/cgroup' 'mount -t tmpfs -o mode=0 none /sys/fs/cgroup'; do
    unshare -m sh -c "$how && exec ffrtmp run --memory-max 300M --nice 5 --result-file $PWD/result.json -- nice" >out 2>err ||
        fail "$how: exit code $?: $(cat err)"
    assert_eq 5 "$(cat out)" "$how: nice"
    assert_eq advisory "$(row result.json memory.max .strength)" "$how"
    grep -qE '^  note: .*cgroup' err || fail "$how: does not say why: $(cat err)"
    code=0
    unshare -m sh -c "$how && exec ffrtmp run --require memory.max --memory-max 300M -- touch $PWD/started" 2>err || code=$?
    assert_eq 125 $code "$how: --require"
    [ ! -e started ] || fail "$how: started in spite of --require"
done

mkdir -p /run/ffrtmp
hide='mount -t tmpfs -o ro none /run/ffrtmp'
unshare -m sh -c "$hide && exec ffrtmp run --memory-max 50M -- cat /proc/self/cgroup" >out 2>err || fail "exit code $?: $(cat err)"
grep -q '^0::/ffrtmp.slice/ffrtmp-jobs.scope/' out || fail "without state it is not placed: $(cat out err)"
grep -q 'Read-only file system' err || fail "$(cat err)"
grep -q 'no state is kept: ps, status, wait, logs and stop will not know this job' err || fail "$(cat err)"
unshare -m sh -c "$hide && exec ffrtmp run -d --memory-max 50M --log $PWD/log -- sh -c 'sleep 1; echo still here'" 2>err || fail "detached: $?: $(cat err)"
wait_for 20 grep -qs 'still here' log
wait_for 20 no_scope

# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# A /sys/fs/cgroup that is hidden, empty or read-only: the job runs all the same, and the receipt says what is weaker.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root"
unshare --mount true 2>/dev/null || skip "no mount namespaces here"
hidden() { unshare --mount sh -c "$1"' && shift && exec "$@"' sh "$@"; }
for how in 'mount -t tmpfs -o size=64k none /sys/fs/cgroup' 'mount -t tmpfs -o size=64k,ro,mode=000 none /sys/fs/cgroup' 'umount -l -R /sys/fs/cgroup' \
    'for m in $(awk "/ - cgroup/ { print \$5 }" /proc/self/mountinfo); do mount -o remount,bind,ro $m || exit; done'; do
    hidden "$how" true 2>/dev/null || continue
    expect 5 hidden "$how" ffrtmp run --cpu-max 100% --memory-max 300M --nice 3 -- sh -c 'nice; exit 5'
    assert_eq 3 "$out" "with $how"
    assert_contains "$err" "no cgroup" "with $how"
    assert_contains "$err" "advisory" "with $how"
    expect 125 hidden "$how" ffrtmp run --cpu-max 100% --require all -- touch started
    [ ! -e started ] || fail "started with $how"
    assert_eq 1 "$(wc -l <.err)" "lines with $how: $err"
    expect 125 hidden "$how" ffrtmp run --placement cgroup --cpu-max 100% -- touch started
    [ ! -e started ] || fail "started with $how"
    expect 0 hidden "$how" ffrtmp run -q -d --job-id "$TAG" -- sh -c 'sleep 0.3; exit 0'
    expect 0 ffrtmp wait "$TAG"
done

# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# The help of each verb fits a screen, names every option that it takes, and goes to stdout with code 0.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
for verb in '' run job attach watch detach set pause resume ps top status why wait logs stop profiles capabilities doctor selftest completion; do
    # shellcheck disable=SC2086
    expect 0 ffrtmp $verb --help
    assert_eq "" "$err" "stderr of $verb --help"
    lines=$(wc -l <.out) widest=$(awk '{ if (length > w) w = length } END { print w }' .out)
    [ "$lines" -ge 2 ] && [ "$lines" -le 50 ] || fail "ffrtmp $verb --help has $lines lines"
    [ "$widest" -le 110 ] || fail "ffrtmp $verb --help is $widest wide"
    # shellcheck disable=SC2086
    expect 0 ffrtmp help $verb
done
for option in cpu-max cpus cpu-weight cpuset memory-max memory-high swap-max io-max io-weight pids-max nice ionice oom-score-adj cpu-quota memory-limit \
    profile job-id timeout detach exec log workdir env json result-file require placement cgroup-parent thread-fit no-thread-fit progress forward-signals quiet; do
    ffrtmp run --help | grep -q -- "--$option\b" || fail "--$option is not in the help"
done
expect 125 ffrtmp
# A full disk behind stdout is told by the exit code.
[ ! -e /dev/full ] || { code=0; ffrtmp run --help >/dev/full 2>/dev/null || code=$?; assert_eq 125 $code "help into a full disk"; }

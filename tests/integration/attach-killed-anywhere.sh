# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 300
# kill -9 before and after each thing that attach does: whatever had been done, detach puts it back.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 cpu memory cpuset
need strace
python3 -c '
import threading, time
for _ in range(3): threading.Thread(target=time.sleep, args=(300,)).start()' &
pid=$!
wait_for 10 test -e "/proc/$pid/task" && wait_for 10 sh -c "[ \$(ls /proc/$pid/task | wc -l) = 4 ]"
before=$(settings_of $pid)
limits=(--cpu-max 80% --memory-max 300M --cpuset 0 --nice 7 --ionice idle --oom-score-adj 200)
kills=0 undone=0
for call in mkdirat write renameat setpriority ioprio_set sched_setaffinity; do
    for ((n = 1; ; n++)); do
        [ "$n" -lt 200 ] || fail "no end of $call"
        code=0
        strace -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n -- \
            ffrtmp attach --pid $pid --job-id "$TAG" --once -q "${limits[@]}" >/dev/null 2>err || code=$?
        runs $pid || fail "killed by $call $n"
        if [ $code = 0 ]; then    # it makes fewer of them than that
            expect 0 ffrtmp detach "$TAG"
            assert_eq "$before" "$(settings_of $pid)" "after all of it"
            break
        fi
        assert_eq 137 $code "$call $n: $(cat err)"
        kills=$((kills + 1))
        [ "$before" = "$(settings_of $pid)" ] || undone=$((undone + 1))
        if [ -e "$FFRTMP_STATE_DIR/jobs/$TAG" ]; then expect 0 ffrtmp detach "$TAG"; fi
        assert_eq "$before" "$(settings_of $pid)" "killed at $call $n, then detached"
        no_leaves || fail "killed at $call $n: left $(leaves)"
    done
done
echo "killed $kills times, $undone of them half way"
[ $undone -ge 10 ] || fail "only $undone of $kills kills left something to put back"
# The same for detach: killed anywhere, it is done again.
for call in write setpriority sched_setaffinity renameat; do
    for ((n = 1; n < 200; n++)); do
        expect 0 ffrtmp attach --pid $pid --job-id "$TAG" --once -q "${limits[@]}"
        code=0
        strace -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n -- ffrtmp detach -q "$TAG" 2>err || code=$?
        expect 0 ffrtmp detach "$TAG"
        assert_eq "$before" "$(settings_of $pid)" "detach killed at $call $n"
        [ $code != 0 ] || break
    done
done
no_leaves || fail "left $(leaves)"
kill -9 $pid

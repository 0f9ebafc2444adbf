# shellcheck shell=bash
# variants: root user
# timeout: 600
#
# kill -9 before each thing that attach does, on cgroup v2 with systemd: detach puts back whatever had been done.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT
sleep 900 &
pid=$!
state() { cat /proc/$pid/cgroup; sed 's/.*) //' /proc/$pid/stat | cut -d' ' -f17; taskset -pc $pid; cat /proc/$pid/oom_score_adj; ionice -p $pid; }
before=$(state)
limits=(--cpu-max 80% --memory-max 300M --ionice idle)
[ "$LAB_VARIANT" = user ] || limits+=(--nice 7 --cpuset 0 --oom-score-adj 200)
kills=0 undone=0
for call in renameat mkdirat write ioprio_set setpriority; do
    for ((n = 1; n < 100; n++)); do
        code=0
        strace -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n -- \
            ffrtmp attach --pid $pid --job-id k --once -q "${limits[@]}" >/dev/null 2>err || code=$?
        ! gone $pid || fail "killed at $call $n"
        if [ $code != 0 ]; then
            assert_eq 137 $code "$call $n: $(cat err)"
            kills=$((kills + 1))
            [ "$before" = "$(state)" ] || undone=$((undone + 1))
        fi
        [ ! -e "$(state_folder)/jobs/k" ] || ffrtmp detach -q k 2>err || fail "detach after $call $n: $(cat err)"
        assert_eq "$before" "$(state)" "killed at $call $n, then detached"
        [ $code != 0 ] || break
    done
done
echo "killed $kills times, $undone of them half way"
[ $undone -ge 4 ] || fail "only $undone of $kills kills left something to put back"
wait_for 30 no_scope
kill $pid

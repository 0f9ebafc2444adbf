# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 120
# A watcher that runs out of descriptors says so, and adopts those that it had to leave out when jobs have ended.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
# shellcheck source=tests/integration/watch.bash
. "$TESTS/watch.bash"
need_v1 cpu memory
target=$(make_target)
left_out() { grep -q 'Too many open files.*tried again when a job has ended' watch.err; }
count_adopted() { local n=0 pid; for pid in "${pids[@]}"; do ! adopted "$pid" || n=$((n + 1)); done; echo $n; }
# Whatever is left over after the last job that fits: where /proc cannot be read any more, the rest would not even be seen.
for limit in 74 71 70; do
    ulimit -n $limit
    rm -f watch.err
    start_watch --target "$target" --nice 3 --memory-max 200M
    pids=()
    for ((i = 0; i < 20; i++)); do ./"$target" 1000 & pids+=($!); done
    wait_for 30 left_out
    some=$(count_adopted)
    [ "$some" -gt 0 ] && [ "$some" -lt 20 ] || fail "adopted $some of 20 with $limit descriptors"
    # Told once of each, however often it is tried.
    assert_eq "" "$(sed -n 's/^.*not adopted: \([^,]*\),.*/\1/p' watch.err | sort | uniq -d)" "told twice"
    rest=()
    for pid in "${pids[@]}"; do
        if adopted "$pid"; then kill "$pid"; wait "$pid" 2>/dev/null || true; else rest+=("$pid"); fi
    done
    # Room for at least one more, then one by one as the next end.
    for pid in "${rest[@]}"; do
        wait_for 30 adopted "$pid"
        kill "$pid"
        wait "$pid" 2>/dev/null || true
    done
    stop_watch
done

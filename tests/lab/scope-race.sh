# shellcheck shell=bash
# variants: root user hybrid
# timeout: 120
#
# Eight first launches at once, again and again: the scope that one of them makes, or that is just
# going away with its last job, serves them all. Nobody falls back to a lesser place.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

for round in 1 2 3 4; do
    running=()
    for one in {1..8}; do
        ffrtmp run --memory-max 50M -- cat /proc/self/cgroup >"$round-$one.out" 2>"$round-$one.err" &
        running+=($!)
    done
    for pid in "${running[@]}"; do
        wait "$pid" || fail "round $round: exit code $?: $(cat "$round"-*.err)"
    done
    for one in {1..8}; do
        grep -q '^0::.*/ffrtmp.slice/ffrtmp-jobs.scope/cat-' "$round-$one.out" ||
            fail "round $round: $(cat "$round-$one.out" "$round-$one.err")"
    done
    # Sometimes the next round finds no scope, sometimes one that is being taken down.
    if [ $((round % 2)) = 0 ]; then wait_for 10 no_scope; fi
done

# One by one, each just when the scope of the one before is being taken down.
for one in {1..10}; do
    ffrtmp run --memory-max 50M --pids-max 20 -- cat /proc/self/cgroup >out 2>err
    grep -q '^0::.*/ffrtmp.slice/ffrtmp-jobs.scope/cat-' out || fail "$one: $(cat out err)"
    assert_eq 2 "$(grep -cE '^  (memory|pids).max .* cgroup v[12] ' err)" "limits in force in: $(cat err)"
done
wait_for 10 no_scope

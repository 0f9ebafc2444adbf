# shellcheck shell=bash disable=SC2154
# Processes are named by what they run, not by a number: the executable counts, not argv[0]; a tree is one job; what is a job already is left out.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
cp "$(command -v sleep)" "$TAG-one"
cp "$(command -v bash)" "$TAG-tree"
pids=()
below() { local child; for child in $(pgrep -P "$1"); do echo "$child"; below "$child"; done; }
trap 'kill "${pids[@]}" $(below "${pids[3]}") 2>/dev/null || true' EXIT
"./$TAG-one" 100 &
pids+=($!)
"./$TAG-one" 100 &
pids+=($!)
(exec -a "$TAG-one" sleep 100) &
pids+=($!)
# A process and one below it of the same name: one job.
"./$TAG-tree" -c "./$TAG-tree -c 'sleep 100; true'; true" &
pids+=($!)
named() { [ "$(for pid in "${pids[@]}"; do basename "$(readlink "/proc/$pid/exe")"; done | tr '\n' ' ')" = "$TAG-one $TAG-one sleep $TAG-tree " ] && [ "$(pgrep -P "${pids[3]}" | wc -l)" = 1 ]; }
wait_for 20 named
expect 0 ffrtmp attach --plan --json --name "$TAG-*" --nice 7
assert_eq "${pids[0]} ${pids[1]} ${pids[3]}" "$(jq -r '[.[].pid] | join(" ")' <<<"$out")"
expect 125 ffrtmp attach --once --name "$TAG-*" --nice 7 --job-id "$TAG"
assert_contains "$err" "3 processes are meant"
expect 0 ffrtmp attach --once -q --name "$TAG-o?e" --nice 7
assert_eq 2 "$(wc -l <<<"$out")" "jobs: $out"
jobs=$out
for pid in "${pids[0]}" "${pids[1]}"; do assert_eq 7 "$(ps -o ni= -p "$pid" | tr -d ' ')" "nice"; done
assert_eq 0 "$(ps -o ni= -p "${pids[2]}" | tr -d ' ')" "one that only calls itself so"
# Those are jobs now: nothing is left to attach, and the line says which job.
expect 125 ffrtmp attach --once --name "$TAG-one" --nice 8
assert_contains "$err" "is job"
assert_eq 1 "$(wc -l <<<"$err")"
expect 125 ffrtmp attach --once --name "$TAG-none" --nice 8
assert_contains "$err" "no process to attach: an executable named $TAG-none"
expect 125 ffrtmp attach --once --name /usr/bin/sleep
assert_contains "$err" "file name alone"
expect 125 ffrtmp attach --once --name sleep --pid "${pids[2]}"
assert_contains "$err" "give one of them"
expect 125 ffrtmp attach --once --name ""
expect 125 ffrtmp attach --once --unit no-such-unit-here.service --nice 8
assert_contains "$err" "unit no-such-unit-here.service"
for job in $jobs; do expect 0 ffrtmp detach -q "$job"; done
assert_eq 0 "$(ps -o ni= -p "${pids[0]}" | tr -d ' ')" "nice after detach"

# shellcheck shell=bash
# variants: root user hybrid
# timeout: 180
#
# A process in a shared place (a unit with others in it; a login session) is moved into a leaf of ours with all that
# descends from it, and put back. What its old place held it to, the new one holds it to as well.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
cleanup() { systemctl stop lab-shared 2>/dev/null || true; [ "$LAB_VARIANT" = user ] || loginctl terminate-user lab2 2>/dev/null || true; kill_jobs; }
trap cleanup EXIT

# This test's own shell shares a unit with the lab's runner.
sh -c 'sleep 300 & sleep 300 & wait' &
pid=$!
wait_for 10 sh -c "[ \$(pgrep -P $pid | wc -l) = 2 ]"
before=$(places_of $pid)
ffrtmp attach --pid $pid --plan --cpu-max 60% --memory-max 300M >plan
grep -q 'into a cgroup of its own' plan || fail "plan: $(cat plan)"
ffrtmp attach --pid $pid --job-id m1 --once --json --cpu-max 60% --memory-max 300M >job 2>err || fail "$(cat err)"
cat err
jq -e '.receipt.limits | map(select(.limit == "cpu.max" or .limit == "memory.max") | .strength) == ["enforced", "enforced"]' job >/dev/null || fail "$(cat job)"
for each in $pid $(pgrep -P $pid); do grep -q ffrtmp-jobs.scope/m1 "/proc/$each/cgroup" || fail "$each stands in $(cat "/proc/$each/cgroup")"; done
dir=$(job_dir m1)
if [ "$LAB_VARIANT" = hybrid ]; then assert_eq $((300 << 20)) "$(cat "$dir/memory.limit_in_bytes")"; else assert_eq $((300 << 20)) "$(cat "$dir/memory.max")"; fi
ffrtmp pause m1
ffrtmp resume m1
ffrtmp detach m1
assert_eq "$before" "$(places_of $pid)" "first cgroups"
for each in $(pgrep -P $pid); do assert_eq "$before" "$(places_of "$each")" "its child"; done
wait_for 20 no_scope
kill $pid $(pgrep -P $pid)

[ "$LAB_VARIANT" = root ] || exit 0
# A unit with a limit of its own and several processes: one that is not the main one is moved, and the limit goes along.
systemd-run --quiet --unit=lab-shared -p MemoryMax=400M sh -c 'sleep 300 & sleep 301'
wait_for 10 sh -c 'pgrep -f "^sleep 301"'
main=$(systemctl show -P MainPID lab-shared)
pid=$(pgrep -P "$main" -f '^sleep 300')
before=$(cat "/proc/$pid/cgroup")
ffrtmp attach --pid "$pid" --job-id m2 --once --json --cpu-max 60% >job 2>err || fail "$(cat err)"
assert_eq $((400 << 20)) "$(cat "$(job_dir m2)/memory.max")" "the unit's limit was lifted"
jq -e '.receipt.limits[] | select(.limit == "memory.max") | .why | contains("carried over")' job >/dev/null || fail "$(cat job)"
ffrtmp detach m2
assert_eq "$before" "$(cat "/proc/$pid/cgroup")"
# The main one is not: only its own settings change, and the receipt says why.
memory=$(cat "/sys/fs/cgroup$(cgroup_of "$main")/memory.max")
ffrtmp attach --pid "$main" --plan --cpu-max 60% --nice 3 >plan
cat plan
[ "$(pgrep -P "$main" | wc -l)" = 2 ] || fail "the unit has other processes than was thought"
systemctl stop lab-shared
wait_for 10 gone "$pid"

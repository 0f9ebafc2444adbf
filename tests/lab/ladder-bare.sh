# shellcheck shell=bash
# variants: bare
#
# Without any cgroup the ladder is used, every rung is really set, and none of it is called more
# than advisory.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
export FFRTMP_STATE_DIR=$PWD/state
cleanup() { [ -z "${pid:-}" ] || kill -KILL "$pid" 2>/dev/null || true; }
trap cleanup EXIT

# started ARGUMENT...: a detached job; its PID in `pid`, its status in job.json.
started() {
    cleanup
    ffrtmp run -d "$@" -- sleep 100 2>err >id
    ffrtmp status --json "$(cat id)" >job.json
    pid=$(json job.json .identity.pid)
    wait_for 10 grep -q sleep "/proc/$pid/comm"
}

started --cpu-weight 25 --io-weight 40 --cpu-max 80% --memory-max 300M --oom-score-adj 200 --pids-max 50 --io-max "$PWD wbps=1M"
assert_eq none "$(json job.json .receipt.placement)"
nice=$(ps -o ni= -p "$pid" | tr -d ' ')
[ "$nice" -gt 0 ] || fail "nice is $nice for a weight of 25"
assert_eq "nice $nice" "$(row job.json cpu.weight .in_force.text)"
assert_eq SCHED_BATCH "$(chrt -p "$pid" | sed -n 's/.*policy: //p')"
if [ -e "/proc/$pid/autogroup" ]; then grep -q "nice $nice\$" "/proc/$pid/autogroup" || fail "$(cat "/proc/$pid/autogroup")"; fi
assert_eq "best-effort: prio 7" "$(ionice -p "$pid")"
assert_eq best-effort:7 "$(row job.json io.weight .in_force.text)"
[[ $(sed -n 's/^Cpus_allowed_list:\t//p' "/proc/$pid/status") =~ ^[01]$ ]] || fail "affinity: $(grep Cpus_allowed_list "/proc/$pid/status")"
assert_eq "1 CPU" "$(row job.json cpu.max .in_force.text)"
assert_eq 200 "$(cat "/proc/$pid/oom_score_adj")"
assert_eq 314572800 "$(sed -n 's/^Max data size *\([0-9]*\) .*/\1/p' "/proc/$pid/limits")" RLIMIT_DATA
for limit in cpu.weight io.weight cpu.max memory.max; do
    assert_eq advisory "$(row job.json $limit .strength)" "$limit"
    grep -q "^~ $limit .*advisory" err || fail "no word of advisory for $limit: $(cat err)"
done
assert_eq enforced "$(row job.json oom_score_adj .strength)"
for limit in pids.max io.max; do
    assert_eq none "$(row job.json $limit .strength)" "$limit"
    [ -n "$(row job.json $limit .why)" ] || fail "$limit: no reason"
done
# It says where the job lives and what ends it.
unit=$(basename "$(cgroup_of $$)")
grep -q "note: the job lives in $unit: stopping that unit ends it" err || fail "no word about $unit: $(cat err)"
grep -q 'no service manager answers.*enable-linger' err || fail "no way out is named: $(cat err)"

started --cpuset 1 --nice 7 --ionice idle
assert_eq 1 "$(sed -n 's/^Cpus_allowed_list:\t//p' "/proc/$pid/status")" "affinity for --cpuset"
assert_eq advisory "$(row job.json cpuset.cpus .strength)"
assert_eq "7 idle" "$(ps -o ni= -p "$pid" | tr -d ' ') $(ionice -p "$pid")"
assert_eq enforced "$(row job.json nice .strength)"

# The memory rung bites: an allocation beyond it fails.
code=0
ffrtmp run -q --memory-max 64M -- python3 -c 'bytearray(200 << 20)' 2>python.err || code=$?
assert_eq 1 $code
grep -q MemoryError python.err || fail "$(cat python.err)"

# Required is required.
code=0
ffrtmp run --require memory.max --memory-max 64M -- touch begun 2>err || code=$?
assert_eq "125 1" "$code $(wc -l <err)" "--require: $(cat err)"
[ ! -e begun ] || fail "started in spite of --require"

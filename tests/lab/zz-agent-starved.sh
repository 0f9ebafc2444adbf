# shellcheck shell=bash
# variants: root
# timeout: 300
#
# The agent beside more work than the machine has: what its unit keeps for it is in force in the kernel, on each level up to the root, and for
# as long as CPUs and memory are all taken, by its own jobs and by others, no heartbeat is missed, a job is started and ends, and
# jobs stay in their limits.
#
# zz, because it installs as zz-agent-unit does (see there).

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
[ -x "$LAB_BIN/agent" ] && [ -x "$LAB_BIN/master" ] || skip "agent and master were not built"
period=5    # seconds from heartbeat to heartbeat, the master's default; the lease is three and a half
loaded=40   # seconds, at least
stage /usr/local ffrtmp-agent ffrtmp-master
api() { curl -sS --fail --max-time 60 --cacert master-ca.crt -H "Authorization: Bearer $(cat admin.key)" "https://127.0.0.1:8443/api/v1$1" "${@:2}"; }
submit() { api /jobs -H 'Content-Type: application/json' -d "$1" | jq -er .id; }
state() { api "/jobs/$1" | jq -r .state; }
hogs=(lab-hog-cpu lab-hog-elsewhere lab-hog-memory lab-hog-files)
cleanup() {
    systemctl stop "${hogs[@]}" 2>/dev/null || true
    systemctl stop ffrtmp-agent ffrtmp-master 2>/dev/null || true
    systemctl stop "user@$(id -u ffrtmp).service" 2>/dev/null || true    # its jobs with it
    "$LAB_ROOT/scripts/uninstall" --purge >/dev/null 2>&1 || true
    rm -rf /run/systemd/system/ffrtmp-master.service.d /run/systemd/system/labmaster.slice
    systemctl revert ffrtmp_agent.slice 2>/dev/null || true
    systemctl daemon-reload
}
trap cleanup EXIT

"$LAB_ROOT/scripts/install" --stage "$PWD/stage" >log 2>&1 || fail "$(cat log)"
# The master stands for another host, which has nothing to suffer; this test is to see what happens in time.
systemctl set-property --runtime "$(basename "$(cgroup_of $$)")" CPUWeight=10000
mkdir -p /run/systemd/system/ffrtmp-master.service.d
printf '[Slice]\nMemoryMin=128M\nCPUWeight=300\n' >/run/systemd/system/labmaster.slice
printf '[Service]\nSlice=labmaster.slice\nMemoryMin=128M\nOOMScoreAdjust=-900\n' >/run/systemd/system/ffrtmp-master.service.d/lab.conf
systemctl daemon-reload
echo 'listen = "127.0.0.1:8443"' >/etc/ffrtmp/master.toml
systemctl start ffrtmp-master || fail "$(journalctl -b -u ffrtmp-master --no-pager | tail -n 20)"
cp /var/lib/ffrtmp-master/tls/ca.crt master-ca.crt
cp /var/lib/ffrtmp-master/admin.key .
command install -m 0644 master-ca.crt /etc/ffrtmp/
command install -m 0600 -o ffrtmp admin.key /etc/ffrtmp/agent.key
cat >/etc/ffrtmp/agent.toml <<'TOML'
master = "https://127.0.0.1:8443"
api-key-file = "/etc/ffrtmp/agent.key"
max-concurrent-jobs = 4
allow-exec = true
disk-reserve = "1M"
[tls]
ca = "/etc/ffrtmp/master-ca.crt"
[limits]
memory-max = "40M"
TOML
systemctl start ffrtmp-agent || fail "$(journalctl -b -u ffrtmp-agent --no-pager | tail -n 30)"
joined() { [ "$(/usr/local/bin/ffrtmp node --json | jq -r '.ready and .master_reached')" = true ]; }
wait_for 200 joined
show() { systemctl show -P "$1" ffrtmp-agent; }
pid=$(show MainPID)
here=/sys/fs/cgroup$(cgroup_of "$pid")
echo "joined after $SECONDS s; it stands in $here"

# kept: the bytes that no reclaim takes from the agent: the kernel keeps for a cgroup no more than for any of those above it.
kept() {
    local dir=$here least='' now
    while [ "$dir" != /sys/fs/cgroup ]; do
        now=$(cat "$dir/memory.min")
        if [ -z "$least" ] || [ "$now" -lt "$least" ]; then least=$now; fi
        dir=${dir%/*}
    done
    echo "$least"
}
# share: what is the agent's of all CPUs when everybody wants them, in percent: on each level its part of the weights.
share() {
    local dir=$here part=100000 sibling all
    while [ "$dir" != /sys/fs/cgroup ]; do
        if [ -e "$dir/cpu.weight" ]; then
            all=0
            for sibling in "${dir%/*}"/*/; do
                ! grep -qsx 'populated 1' "$sibling/cgroup.events" || all=$((all + $(cat "$sibling/cpu.weight" 2>/dev/null || echo 0)))
            done
            part=$((part * $(cat "$dir/cpu.weight") / all))
        fi
        dir=${dir%/*}
    done
    echo $((part / 1000))
}
[ "$(kept)" -ge $((32 << 20)) ] || fail "$(kept) bytes are kept for the agent: $(dir=$here; while [ "$dir" != /sys/fs/cgroup ]; do grep -H . "$dir/memory.min"; dir=${dir%/*}; done)"
assert_eq -500 "$(cat "/proc/$pid/oom_score_adj")" "its place in the queue for the OOM killer"
# That this would have been seen.
systemctl set-property --runtime ffrtmp_agent.slice MemoryMin=0
assert_eq 0 "$(kept)" "kept, with nothing kept for the slice"
systemctl set-property --runtime ffrtmp_agent.slice MemoryMin=32M
[ "$(kept)" -ge $((32 << 20)) ] || fail "not kept again"

# Everything is taken: memory until a tenth is left (never more: the guest is to live), a file that is read round and round, so that the
# rest is reclaimed all the time, two jobs of the agent that want all CPUs, and the same in two slices that are not the agent's. None of
# it in system.slice, where this test stands, which is to look on.
fallocate -l 400M file
total=$(awk '/^MemTotal/ { print $2 * 1024 }' /proc/meminfo)
cat >eat.py <<'PY'
import mmap, time
kept = []
def available():
    return next(int(l.split()[1]) for l in open("/proc/meminfo") if l.startswith("MemAvailable")) >> 10
while True:
    if available() > 110: kept.append(mmap.mmap(-1, 8 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE))
    else: time.sleep(0.1)
PY
scanned() { awk '/^pgscan_(kswapd|direct) / { n += $2 } END { print n }' /proc/vmstat; }
left() { awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; }
before=$(scanned)
systemd-run --quiet --collect --unit lab-hog-memory --slice labhog.slice -p MemoryMax=$((total * 9 / 10)) -p OOMScoreAdjust=1000 python3 "$PWD/eat.py"
for ((i = 0; i < 600 && $(left) >= 150; i++)); do sleep 0.1; done
systemd-run --quiet --collect --unit lab-hog-files --slice labhog.slice -p OOMScoreAdjust=1000 sh -c "while :; do cat '$PWD/file' >/dev/null; done"
for ((i = 0; i < 600 && $(scanned) < before + 10000; i++)); do sleep 0.1; done
echo "after $SECONDS s: $(left) MB left, $(($(scanned) - before)) pages looked at for reclaim"
if [ "$(left)" -ge 150 ] || [ "$(scanned)" -lt $((before + 10000)) ]; then fail "memory is not short: $(cat /proc/meminfo)"; fi
burn='for i in 1 2 3; do (while :; do :; done) & done; wait'
job=$(jq -n --arg burn "$burn" '{type: "exec", queue: "batch", params: {command: ["sh", "-c", $burn]}}')
burners=("$(submit "$job")" "$(submit "$job")")
at_work() { [ "$(state "${burners[0]}") $(state "${burners[1]}")" = "running running" ]; }
wait_for 60 at_work
systemd-run --quiet --collect --unit lab-hog-cpu --slice labmore.slice sh -c "$burn"
systemd-run --quiet --collect --unit lab-hog-elsewhere --slice labhog.slice sh -c "$burn"

# The agent's own count, without a process started for each look.
beats_now() {
    local line
    exec 9<>/dev/tcp/127.0.0.1/9091
    printf 'GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n' >&9
    while read -r -t 20 line <&9; do case $line in ffrtmp_agent_heartbeats_total*) beats=${line##* } beats=${beats%$'\r'} ;; esac; done
    exec 9>&-
}
now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
beats_now
since=$(date -u +%FT%T.%3NZ)
first=$beats last=$beats begin=$(now_ms) at=$begin longest=0 blind=0 looked=$begin least=$(cat "$here/memory.current")
had=$((least < 32 << 20 ? least : 32 << 20))    # of it, what is kept
eater=$(submit '{"type": "exec", "max_attempts": 1, "params": {"command": ["tail", "/dev/zero"]}}')
short=$(submit '{"type": "exec", "params": {"command": ["true"]}}')
ended() { case $(state "$1") in succeeded | failed | cancelled) ;; *) return 1 ;; esac; }
# Beside the looks, and seldom: under emulation each question to the master takes a good part of a second from it.
{ for job in $short $eater; do until ended "$job"; do sleep 4; done; done; touch over; } & asking=$!
both=
while now=$(now_ms) && { [ $((now - begin)) -lt $((loaded * 1000)) ] || [ -z "$both" ]; }; do
    [ $((now - begin)) -lt 150000 ] || fail "the jobs that were submitted meanwhile have not ended: $(api "/jobs/$eater") $(api "/jobs/$short")"
    beats_now
    now=$(now_ms)
    [ $((now - looked)) -le $blind ] || blind=$((now - looked))
    looked=$now
    [ $((now - at)) -le $longest ] || longest=$((now - at))
    [ "$beats" = "$last" ] || { last=$beats at=$now; }
    read -r current <"$here/memory.current"
    [ "$current" -ge "$least" ] || least=$current
    [ -n "$both" ] || [ ! -e over ] || both=$now
    sleep 0.3
done
wait $asking
took=$((now - begin)) scans=$(($(scanned) - before))
due=$((took / (period * 1000)))
echo "$took ms under load: $((last - first)) heartbeats of $due that were due, longest without one $longest ms (looked at least every $blind ms); both jobs over after $((both - begin)) ms;" \
    "$scans pages looked at for reclaim; the agent had at least $((least >> 10)) kB, its share of the CPUs $(share) %"
grep -H some /proc/pressure/{cpu,memory} {"$here",/sys/fs/cgroup/labmaster.slice}/{cpu,memory,io}.pressure
for unit in "${hogs[@]}"; do assert_eq active "$(systemctl is-active "$unit")" "$unit at the end: there was less load than was meant"; done
[ "$scans" -gt 100000 ] || fail "memory was not short"

[ $(((last - first) * 100)) -ge $((due * 80)) ] || fail "heartbeats are missing"
# What is certain: the pauses between two looks are the test's, not the agent's. The master's word, below, is about all of the time.
[ $((longest - blind)) -lt $((period * 3500)) ] || fail "longer than a lease without a heartbeat"
api '/events?after=0-0&limit=1000' >events
jq -e '[.events[] | select(.kind == "job.succeeded")] | length >= 1' events >/dev/null || fail "events: $(cat events)"
assert_eq 0 "$(jq --arg since "$since" '[.events[] | select(.kind == "node.offline" and .at >= $since)] | length' events)" \
    "times that the master gave the node up: $(jq -c '.events[] | select(.kind | startswith("node.")) | [.at, .kind]' events)"
assert_eq "$pid 0" "$(show MainPID) $(show NRestarts)" "the agent's process"
assert_eq 0 "$(sed -n 's/^oom_kill //p' "$here/memory.events")" "OOM kills in the agent's unit"
# Half of it: some of what it had was never used again, and it gives back by itself.
[ "$least" -ge $((had / 2)) ] || fail "memory was taken from the agent: of $had bytes it kept $least"
[ "$(share)" -ge 10 ] || fail "the agent's share of the CPUs is $(share) %"

assert_eq succeeded "$(state "$short")" "the job that was submitted under load: $(api "/jobs/$short")"
api "/jobs/$eater" >eaten
assert_eq "failed oom_killed own limit" "$(jq -r '"\(.state) \(.result.outcome) \(.result.killer)"' eaten)" "the job that took memory: $(cat eaten)"
uid=$(id -u ffrtmp)
count=0
for record in "/run/user/$uid"/ffrtmp/jobs/*/record.json; do
    pid=$(jq -r .workload.pid "$record")
    [ -e "/proc/$pid/cgroup" ] || continue
    dir=/sys/fs/cgroup$(cgroup_of "$pid")
    assert_eq "20 $((40 << 20))" "$(cat "$dir/cpu.weight") $(cat "$dir/memory.max")" "share and memory of a batch job in $dir"
    case $dir in */user@"$uid".service/*ffrtmp-jobs.scope/*) ;; *) fail "a job stands in $dir" ;; esac
    count=$((count + 1))
done
assert_eq 2 $count "jobs that still burn CPU"

# shellcheck shell=bash
# variants: root hybrid
# timeout: 400
#
# The unit of ffrtmp watch: systemd has its word that it is ready, its watchdog is fed, it reloads, and what it adopts goes on
# without it. A service's ffmpeg is limited in place, another process is moved into a leaf.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
unit=/run/systemd/system/ffrtmp-watch.service
cleanup() {
    systemctl stop ffrtmp-watch lab-stream 2>/dev/null || true
    rm -rf $unit /etc/ffrtmp/watch.toml
    systemctl daemon-reload
    [ -z "${stray:-}" ] || kill -9 "$stray" 2>/dev/null || true
    kill_jobs
}
trap cleanup EXIT
watch_pid() { systemctl show -P MainPID ffrtmp-watch; }
job_of() { ffrtmp ps --json | jq -er --argjson pid "$1" '.[] | select(.identity.pid == $pid) | .job_id'; }
adopted() { job_of "$1" >/dev/null 2>&1; }
rule() { printf '[[rule]]\nname = "%s"\ntargets = ["%s"]\n[rule.limits]\n%s\n' "$@"; }

# As it is installed, and watched closely enough to notice here that it is.
ffrtmp=$(command -v ffrtmp)
sed "s,/usr/bin/ffrtmp,$ffrtmp,; s,^WatchdogSec=.*,WatchdogSec=20," "$LAB_TESTS/../../systemd/ffrtmp-watch.service" >$unit
mkdir -p /etc/ffrtmp
rule streams ffmpeg $'cpu-max = "60%"\nmemory-max = "300M"' >/etc/ffrtmp/watch.toml
systemctl daemon-reload
systemctl start ffrtmp-watch || fail "$(systemctl status ffrtmp-watch; journalctl -b -u ffrtmp-watch --no-pager | tail)"
assert_eq "active running" "$(systemctl show -P ActiveState ffrtmp-watch) $(systemctl show -P SubState ffrtmp-watch)"
journalctl -b -u ffrtmp-watch --no-pager | grep 'no news of programs' && fail "not told of programs that start"
wait_for 20 sh -c "systemctl show -P StatusText ffrtmp-watch | grep -q '0 jobs, 1 rules, told of programs that start'"
watcher=$(watch_pid)

# In a service of its own: in place, the unit's limits are set by systemd.
systemd-run --quiet --unit=lab-stream ffmpeg -nostdin -v error -re -f lavfi -i testsrc2=size=64x48:rate=5 -c:v mpeg4 -f null -
wait_for 30 sh -c "[ \"\$(cat /proc/\$(systemctl show -P MainPID lab-stream)/comm)\" = ffmpeg ]"
stream=$(systemctl show -P MainPID lab-stream)
wait_for 60 adopted "$stream"
job=$(job_of "$stream")
ffrtmp status --json "$job" | jq -e '.receipt.placement == "unit in place" and .receipt.unit == "lab-stream.service" and .rule == "streams"' >/dev/null ||
    fail "$(ffrtmp status --json "$job")"
ffrtmp status --json "$job" | jq -e '.receipt.limits | map(select(.strength != "enforced")) == []' >/dev/null || fail "not enforced: $(ffrtmp status --json "$job")"
assert_eq $((300 << 20)) "$(systemctl show -P MemoryMax lab-stream)"
# Among others, as here: moved into a leaf of ours.
ffmpeg -nostdin -v error -re -f lavfi -i testsrc2=size=64x48:rate=5 -c:v mpeg4 -f null - & stray=$!
wait_for 60 adopted $stray
other=$(job_of $stray)
wait_for 30 grep -q "ffrtmp-jobs.scope/$other" /proc/$stray/cgroup
# Named so only.
cp "$(command -v sleep)" labtarget
bash -c 'exec -a ffmpeg ./labtarget 300' & named=$!
# A job of run is let be.
ffrtmp run -q -d --job-id own --memory-max 200M -- ffmpeg -nostdin -v error -re -f lavfi -i testsrc2=size=64x48:rate=5 -c:v mpeg4 -f null -

# Reload.
rule streams ffmpeg 'nice = 4' >/etc/ffrtmp/watch.toml
rule others labtarget 'nice = 5' >>/etc/ffrtmp/watch.toml
systemctl reload ffrtmp-watch
wait_for 60 adopted $named    # its file has a rule now
assert_eq run "$(ffrtmp status --json own | jq -r .mode)"
echo 'nonsense = 1' >>/etc/ffrtmp/watch.toml
systemctl reload ffrtmp-watch
wait_for 30 sh -c "journalctl -b -u ffrtmp-watch --no-pager | grep -q 'the rules stay as they were'"
sed -i '/nonsense/d' /etc/ffrtmp/watch.toml

# It has outlived its watchdog's time by now, or does so here.
sleep 25
assert_eq "$watcher" "$(watch_pid)" "the watchdog bit"
assert_eq 0 "$(systemctl show -P NRestarts ffrtmp-watch)"

# Killed, it is started again and takes its jobs up; stopped, it leaves them.
kill -9 "$watcher"
wait_for 60 sh -c "[ \$(systemctl show -P MainPID ffrtmp-watch) != 0 ] && [ \$(systemctl show -P MainPID ffrtmp-watch) != $watcher ]"
wait_for 60 is_state "$job" running
wait_for 60 is_state "$other" running
systemctl stop ffrtmp-watch
for pid in "$stream" $stray $named; do ! gone "$pid" || fail "$pid ended with the unit"; done
is_state "$job" unobserved || fail "$job is $(state_of "$job")"
assert_eq $((300 << 20)) "$(systemctl show -P MemoryMax lab-stream)"
grep -q "ffrtmp-jobs.scope/$other" /proc/$stray/cgroup || fail "it left its leaf: $(cat /proc/$stray/cgroup)"
# What ends while nobody watches is written down by the next.
kill $stray
wait $stray 2>/dev/null || true
stray=
systemctl start ffrtmp-watch
wait_for 30 is_state "$other" ended
is_state "$job" running || fail "$job is $(state_of "$job")"
systemctl stop lab-stream
wait_for 30 is_state "$job" ended
kill $named
ffrtmp stop own 2>/dev/null || true
journalctl -b -u ffrtmp-watch --no-pager | tail -n 30

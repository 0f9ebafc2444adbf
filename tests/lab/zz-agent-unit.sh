# shellcheck shell=bash
# variants: root
# timeout: 600
#
# The agent as it is installed: its unit, jobs in the user manager of its user and not in the unit, twenty restarts that the peer of
# a live stream does not notice, an upgrade and scripts/uninstall beside it.
#
# It is the last of its variant: in the course of it the guest's system bus and logind are started anew (why is not known yet), and a
# user manager of systemd 252 that ran before does not come back to the bus. Such a manager cannot be given processes of login sessions
# ("could not start the scope: failed"), which attach-session and user-from-elsewhere need.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
[ -x "$LAB_BIN/agent" ] && [ -x "$LAB_BIN/master" ] || skip "agent and master were not built"
stage /usr/local ffrtmp-agent
put_it() { "$LAB_ROOT/scripts/install" --stage "$PWD/stage"; }
page() { /usr/local/bin/ffrtmp node --json; }
fleet() { "$LAB_BIN/ffrtmp-fleet" jobs --master https://127.0.0.1:8443 --ca "$PWD/master/tls/ca.crt" --api-key-file "$PWD/master/admin.key" "$@"; }
cleanup() {
    systemctl stop ffrtmp-agent lab-master 2>/dev/null || true
    loginctl terminate-user ffrtmp 2>/dev/null || true
    "$LAB_ROOT/scripts/uninstall" --purge >/dev/null 2>&1 || true
    rm -rf /srv/media
}
trap cleanup EXIT

put_it >log 2>&1 || fail "$(cat log)"
systemd-analyze verify /usr/local/lib/systemd/system/ffrtmp-agent.service 2>verified || true
! grep -i 'ffrtmp-agent.service:' verified || fail "the unit has mistakes"

systemd-run -q --unit lab-master "$LAB_BIN/master" --listen 127.0.0.1:8443 --state-dir "$PWD/master"
wait_for 60 test -s master/admin.key
wait_for 60 test -s master/tls/ca.crt
command install -m 0644 master/tls/ca.crt /etc/ffrtmp/master-ca.crt
command install -m 0600 -o ffrtmp master/admin.key /etc/ffrtmp/agent.key
mkdir -p /srv/media
make_video /srv/media/short.mp4 1
cat >/etc/ffrtmp/agent.toml <<'TOML'
master = "https://127.0.0.1:8443"
api-key-file = "/etc/ffrtmp/agent.key"
max-concurrent-jobs = 2
input-roots = ["/srv/media"]
disk-reserve = "1M"
allow-inward-urls = true
[tls]
ca = "/etc/ffrtmp/master-ca.crt"
TOML
ffrtmp-agent --check --config /etc/ffrtmp/agent.toml
systemctl start ffrtmp-agent || fail "$(systemctl status ffrtmp-agent; journalctl -b -u ffrtmp-agent --no-pager | tail -n 30)"
joined() { [ "$(page | jq -r '.ready and .master_reached')" = true ]; }
wait_for 120 joined

# One job from submit to result.
fleet submit transcode /srv/media/short.mp4 -o out.mp4 -p preset=ultrafast --wait >waited 2>&1 || fail "$(cat waited; journalctl -b -u ffrtmp-agent --no-pager | tail -n 30)"

# A live stream to an RTMP peer: where it lives, and that nobody notices twenty restarts.
rate=5
ffmpeg -nostdin -v error -y -listen 1 -timeout 120 -i rtmp://127.0.0.1:19351/live/x -c copy -copyts -flush_packets 1 received.flv 2>peer.err &
peer=$!
wait_for 60 sh -c "ss -ltn | grep -q 19351"
fleet submit test-source -o rtmp://127.0.0.1:19351/live/x -p size=64x48 -p fps=$rate -p bitrate=50k --queue live >submitted 2>&1 || fail "$(cat submitted)"
runs() { page | jq -e '[.jobs[] | select(.step == "running")] | length >= 1' >/dev/null; }
wait_for 60 runs
wait_for 60 test -s received.flv
run=$(page | jq -r '.jobs[0].run_id')
uid=$(id -u ffrtmp)
record=/run/user/$uid/ffrtmp/jobs/$run/record.json
pid=$(jq -er .workload.pid "$record")
place=$(cgroup_of "$pid")
case $place in
    */user@"$uid".service/*ffrtmp*) ;;
    *) fail "the job stands in $place" ;;
esac
assert_eq 800 "$(cat "/sys/fs/cgroup$place/cpu.weight")" "the live queue's share"
main() { systemctl show -P MainPID ffrtmp-agent; }
before=$(awk '{print $14 + $15}' "/proc/$pid/stat")
for round in $(seq 20); do
    old=$(main)
    if [ $((round % 4)) -eq 0 ]; then
        kill -9 "$old"
        renewed() { [ "$(main)" != "$old" ] && [ "$(main)" != 0 ]; }
        wait_for 60 renewed
    else
        systemctl restart ffrtmp-agent || fail "restart $round: $(journalctl -b -u ffrtmp-agent --no-pager | tail -n 20)"
    fi
    [ -d "/proc/$pid" ] || fail "the job is gone after restart $round"
done
wait_for 60 runs
assert_eq "$pid" "$(jq -er .workload.pid "$record")" "the process after twenty restarts"
assert_eq "$place" "$(cgroup_of "$pid")" "its place after twenty restarts"
[ "$(awk '{print $14 + $15}' "/proc/$pid/stat")" -ge "$before" ] || fail "it stood still"
assert_eq "" "$(cat "/sys/fs/cgroup/ffrtmp_agent.slice/ffrtmp-agent.service/cgroup.procs" | grep -x "$pid" || true)" "in the agent's unit"

# An upgrade, and an end of the service, beside the running job.
put_it >log 2>&1 || fail "$(cat log)"
wait_for 60 runs
"$LAB_ROOT/scripts/uninstall" >log 2>&1 || fail "$(cat log)"
grep -q 'workloads of the agent go on' log || fail "$(cat log)"
[ ! -e /usr/local/bin/ffrtmp-agent ] || fail "not uninstalled"
[ -d "/proc/$pid" ] || fail "uninstalling ended a workload"
# It is stopped by name, and the peer has all of it: five frames a second without a gap, for as long as it ran.
setpriv --reuid ffrtmp --regid ffrtmp --init-groups env HOME=/ XDG_RUNTIME_DIR="/run/user/$uid" "$LAB_BIN/ffrtmp" stop "$run" 2>err || fail "$(cat err)"
wait $peer || fail "the peer failed: $(cat peer.err)"
ffprobe -v error -select_streams v -show_entries packet=pts_time -of csv=p=0 received.flv | tr -d , | sort -n |
    awk 'NR > 1 && ($1 - last > 0.2015 || $1 - last < 0.1985) { print "gap at " $1; bad = 1 } { last = $1 } END { print NR " frames"; exit bad || NR < 100 }' ||
    fail "frames were lost"

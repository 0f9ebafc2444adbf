# shellcheck shell=bash
# variants: root
# timeout: 400
#
# The master's units: its socket starts it, it says when it is ready, reloads, is fed to the watchdog, answers who waits before it ends,
# and refuses nobody while it is restarted.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
master=$(command -v master) || skip "the master was not built"
units=$LAB_ROOT/systemd state=/var/lib/ffrtmp-master at=https://127.0.0.1:8443
cleanup() {
    systemctl stop ffrtmp-master.socket ffrtmp-master.service 2>/dev/null || true
    journalctl -b -u ffrtmp-master --no-pager | tail -n 40
    rm -rf /run/systemd/system/ffrtmp-master.* /etc/ffrtmp $state
    systemctl daemon-reload
    userdel ffrtmp-master 2>/dev/null || true
}
trap cleanup EXIT
show() { systemctl show -P "$1" ffrtmp-master.service; }
told() { journalctl -b -u ffrtmp-master --no-pager | grep -q "$1"; }
ask() { curl -sS --max-time 90 --cacert $state/tls/ca.crt -H "Authorization: Bearer $(cat $state/admin.key)" "$@"; }
post() { ask -H 'Content-Type: application/json' "$@"; }

# As they are installed; the watchdog is quicker, so that one test can wait for it.
systemd-sysusers "$units/ffrtmp-master.sysusers"
sed "s,/usr/bin/ffrtmp-master,$master,; s,^WatchdogSec=.*,WatchdogSec=20\nTimeoutAbortSec=5," "$units/ffrtmp-master.service" \
    >/run/systemd/system/ffrtmp-master.service
cp "$units/ffrtmp-master.socket" /run/systemd/system/
mkdir -p /etc/ffrtmp
printf 'log_level = "info"\n[timers]\nheartbeat_min = "60s"\n' >/etc/ffrtmp/master.toml
systemctl daemon-reload

# The socket alone; who connects first starts the master, and is answered.
systemctl start ffrtmp-master.socket
assert_eq inactive "$(show ActiveState)" "before anybody came"
curl -sSk --max-time 120 $at/health | jq -e '.status == "live"' >/dev/null || fail "no answer through the socket"
wait_for 30 sh -c "systemctl show -P StatusText ffrtmp-master | grep -q serving"
assert_eq "active running notify" "$(show ActiveState) $(show SubState) $(show Type)"
pid=$(show MainPID)
assert_eq ffrtmp-master "$(stat -c %U "/proc/$pid")" "its user"
assert_eq "600 600 600" "$(stat -c %a $state/admin.key $state/tls/ca.key $state/master.db | xargs)" "modes"
told 'CA pin: sha256:' || fail "no pin in the journal"
job=$(post $at/api/v1/jobs -d '{"type": "t"}' | jq -er .id)

# Reload: a mistake changes nothing.
printf 'log_level = "debug"\n[timers]\nheartbeat_min = "60s"\n' >/etc/ffrtmp/master.toml
systemctl reload ffrtmp-master
wait_for 30 told ' reloaded'
echo 'nonsense = 1' >>/etc/ffrtmp/master.toml
systemctl reload ffrtmp-master
wait_for 30 told 'not reloaded.*nonsense'
sed -i /nonsense/d /etc/ffrtmp/master.toml
assert_eq "$pid" "$(show MainPID)" "reloading keeps the process"

# A restart: a parked poll is answered, and nobody is refused: connections wait in the socket.
node=$(post $at/api/v1/nodes/register -d '{"name": "edge", "nonce": "0123456789abcdef", "capabilities": {"types": ["other"]}}')
id=$(jq -er .id <<<"$node") token=$(jq -er .token <<<"$node")
curl -sS --max-time 90 --cacert $state/tls/ca.crt -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -o poll -w '%{http_code}' \
    "$at/api/v1/nodes/$id/lease" -d '{"nonce": "n", "wait_s": 60, "free": {"slots": 1}}' >poll.status & poll=$!
parked() { ask $at/metrics | grep -q '^ffrtmp_parked_polls 1$'; }
wait_for 60 parked
touch go
while [ -e go ]; do ask -o /dev/null -f $at/health && echo fine || echo refused; done >asked 2>asked.errors & asking=$!
wait_for 60 test -s asked
began=$SECONDS
systemctl restart ffrtmp-master
[ $((SECONDS - began)) -lt 55 ] || fail "the poll held the restart up"
wait $poll || fail "the parked poll was cut: $?"
assert_eq "200 0" "$(cat poll.status) $(jq '.grants | length' poll)" "the parked poll's answer"
count=$(wc -l <asked)
more() { [ "$(wc -l <asked)" -gt $((count + 2)) ]; }
wait_for 60 more
rm go
wait $asking
! grep -q refused asked || fail "$(grep -c refused asked) of $(wc -l <asked) refused: $(head -n 3 asked.errors)"
[ "$(show MainPID)" != "$pid" ] || fail "not restarted"
assert_eq success "$(show Result)"

# The watchdog: fed for twice its time; one that hangs is ended and started anew, with everything it had.
sleep 45
assert_eq 0 "$(show NRestarts)" "the watchdog bit"
pid=$(show MainPID)
kill -STOP "$pid"
restarted() { [ "$(show NRestarts)" -ge 1 ] && [ "$(show ActiveState)" = active ]; }
wait_for 120 restarted
wait_for 60 sh -c "curl -sSk --max-time 60 -f $at/health >/dev/null"
assert_eq queued "$(ask "$at/api/v1/jobs/$job" | jq -r .state)" "the job of before"

systemctl stop ffrtmp-master.socket ffrtmp-master.service
assert_eq "inactive success 0" "$(show ActiveState) $(show Result) $(show ExecMainStatus)"

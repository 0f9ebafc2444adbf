# shellcheck shell=bash
# variants: root
# timeout: 400
#
# scripts/install and uninstall on a host with systemd: users and their manager are made, a running service is started anew by an
# upgrade, a version that does not start is taken back, and no workload notices any of it.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
at=$PWD/stage/opt/ffrtmp
install() { "$LAB_ROOT/scripts/install" --prefix /opt/ffrtmp --stage "$PWD/stage"; }
cleanup() {
    systemctl stop ffrtmp-watch 2>/dev/null || true
    for pid in "${mine[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    "$LAB_ROOT/scripts/uninstall" --prefix /opt/ffrtmp >/dev/null 2>&1 || true
    rm -rf /etc/ffrtmp /opt/ffrtmp "$link"
    systemctl daemon-reload
    if [ -n "${uid:-}" ]; then    # uninstalled beside a job, the manager stays
        rm -f /var/lib/systemd/linger/ffrtmp
        systemctl stop "user@$uid" "user-runtime-dir@$uid" 2>/dev/null || true
    fi
    kill_jobs
}
mine=() link=/etc/systemd/system/ffrtmp-watch.service
trap cleanup EXIT

stage /opt/ffrtmp
cp "$LAB_ROOT/systemd/ffrtmp-agent.sysusers" "$at/lib/sysusers.d/ffrtmp-agent.conf"
cp "$LAB_ROOT/systemd/ffrtmp-agent.tmpfiles" "$at/lib/tmpfiles.d/ffrtmp-agent.conf"
install || fail "install: exit code $?"
uid=$(id -u ffrtmp) || fail "no user ffrtmp"
wait_for 60 systemctl --quiet is-active "user@$uid.service"
grep -qw io "/sys/fs/cgroup/user.slice/user-$uid.slice/user@$uid.service/cgroup.controllers" || fail "its manager has no io controller"
[ -d /etc/ffrtmp ] && [ -e /var/lib/systemd/linger/ffrtmp ] || fail "not prepared"
# /opt is not where systemd looks for units.
ln -s /opt/ffrtmp/lib/systemd/system/ffrtmp-watch.service "$link"
printf '[[rule]]\ntargets = ["lab-stream"]\n[rule.limits]\nmemory-max = "300M"\n' >/etc/ffrtmp/watch.toml
systemctl daemon-reload
systemctl start ffrtmp-watch || fail "$(systemctl status ffrtmp-watch)"

# A job of run, an adopted process, and a job of the agent's user.
/opt/ffrtmp/bin/ffrtmp run -q -d --job-id up -- sleep 1000 || fail "run"
mine+=("$(/opt/ffrtmp/bin/ffrtmp status --json up | jq .identity.pid)")
cp "$(command -v sleep)" lab-stream
systemd-run --quiet --scope ./lab-stream 1000 & mine+=($!)
adopted() { /opt/ffrtmp/bin/ffrtmp ps --json | jq -e --argjson pid "${mine[1]}" 'any(.identity.pid == $pid)' >/dev/null; }
wait_for 60 adopted
as_ffrtmp() { setpriv --reuid ffrtmp --regid ffrtmp --init-groups env HOME=/ XDG_RUNTIME_DIR="/run/user/$uid" "$@"; }
as_ffrtmp /opt/ffrtmp/bin/ffrtmp run -q -d --job-id theirs --memory-max 100M -- sleep 1000 || fail "run as ffrtmp"
mine+=("$(as_ffrtmp /opt/ffrtmp/bin/ffrtmp status --json theirs | jq .identity.pid)")
all_run() { for pid in "${mine[@]}"; do ! gone "$pid" || fail "workload $pid was ended ($1)"; done; }
limit=$(cat "/sys/fs/cgroup$(cgroup_of "${mine[2]}")/memory.max")
assert_eq $((100 << 20)) "$limit" "limit of a job of the agent's user"

# An upgrade.
watcher=$(systemctl show -P MainPID ffrtmp-watch)
echo '# new' >>"$at/share/ffrtmp/user-delegate.conf"
install >out || fail "upgrade: $(cat out)"
[ "$(systemctl show -P MainPID ffrtmp-watch)" != "$watcher" ] || fail "the service runs the old version"
all_run "upgrade"
# One that does not start as a service: all is as it was, and the service runs.
sed -i 's,^ExecStart=.*,ExecStart=/bin/false,' "$at/lib/systemd/system/ffrtmp-watch.service"
if install >out 2>&1; then fail "a version that does not start was kept"; fi
grep -q 'does not start with the new version' out || fail "$(cat out)"
grep -q '^ExecStart=/opt/ffrtmp/bin/ffrtmp' /opt/ffrtmp/lib/systemd/system/ffrtmp-watch.service || fail "the unit is the new one"
systemctl --quiet is-active ffrtmp-watch || fail "the service does not run: $(systemctl status ffrtmp-watch)"
all_run "a failed upgrade"

# Gone, and nobody noticed.
if "$LAB_ROOT/scripts/uninstall" --prefix /opt/ffrtmp --purge 2>err; then fail "purged while a workload runs"; fi
grep -q 'still run' err || fail "$(cat err)"
"$LAB_ROOT/scripts/uninstall" --prefix /opt/ffrtmp >out || fail "uninstall: $(cat out)"
grep -q 'workloads of the agent go on' out || fail "$(cat out)"
all_run "uninstall"
[ ! -e /opt/ffrtmp/bin/ffrtmp ] && ! systemctl --quiet is-active ffrtmp-watch || fail "still there"
assert_eq $((100 << 20)) "$(cat "/sys/fs/cgroup$(cgroup_of "${mine[2]}")/memory.max")" "limit after uninstall"

# shellcheck shell=bash
# variants: root
# timeout: 180
#
# A stream in somebody's login session: root adopts it out of there and gives it back; the user adopts it through the user
# manager, is told before that there is no way back, and is told after that it stays where it is.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
cleanup() { systemctl stop lab-login 2>/dev/null || true; loginctl terminate-session "${session:-none}" 2>/dev/null || true; kill_jobs
            pkill -u lab sleep || true; rm -rf /run/user/1500/ffrtmp; }
trap cleanup EXIT
# A login: systemd-run with PAM makes a session scope beside the user manager.
systemd-run --quiet --unit=lab-login -p PAMName=login -p User=lab sh -c 'sleep 600 & wait'
wait_for 30 sh -c 'pgrep -u lab -x sleep >/dev/null && grep -q session- /proc/$(pgrep -u lab -x sleep | head -n 1)/cgroup'
pid=$(pgrep -u lab -x sleep | head -n 1)
before=$(cgroup_of "$pid")
session=$(sed 's/.*session-\(.*\)\.scope/\1/' <<<"$before")
ffrtmp attach --pid "$pid" --plan --memory-max 200M >plan
grep -q 'login session' plan || fail "$(cat plan)"
ffrtmp attach --pid "$pid" --job-id s1 --once --memory-max 200M 2>err || fail "$(cat err)"
cat err
grep -q ffrtmp-jobs.scope/s1 <<<"$(cgroup_of "$pid")" || fail "it stands in $(cgroup_of "$pid")"
ffrtmp detach s1 2>err || fail "$(cat err)"
cat err
assert_eq "$before" "$(cgroup_of "$pid")" "back in its session"

as_lab() { setpriv --reuid 1500 --regid 1500 --init-groups env XDG_RUNTIME_DIR=/run/user/1500 "$@"; }
as_lab ffrtmp attach --pid "$pid" --plan --memory-max 200M >plan
grep -q 'no way back' plan || fail "$(cat plan)"
as_lab ffrtmp attach --pid "$pid" --job-id s2 --once --memory-max 200M 2>err || fail "$(cat err)"
cat err
grep -q 'user@1500.service/ffrtmp.slice/ffrtmp-jobs.scope/s2' <<<"$(cgroup_of "$pid")" || fail "it stands in $(cgroup_of "$pid")"
assert_eq $((200 << 20)) "$(cat "/sys/fs/cgroup$(cgroup_of "$pid")/memory.max")"
code=0
as_lab ffrtmp detach s2 2>err || code=$?
cat err
assert_eq 125 $code "detach that cannot"
grep -q 'not everything could be put back' err || fail "$(cat err)"
assert_eq max "$(cat "/sys/fs/cgroup$(cgroup_of "$pid")/memory.max")" "its limit is lifted all the same"

# Root and a unit of the user's own manager: that manager is asked, as that user.
as_lab systemd-run --user --quiet --unit=lab-own sleep 700
wait_for 20 pgrep -u lab -f '^/usr/bin/sleep 700|^sleep 700'
pid=$(as_lab systemctl --user show -P MainPID lab-own)
ffrtmp attach --pid "$pid" --job-id s3 --once --memory-max 150M 2>err || fail "$(cat err)"
cat err
grep -q 'unit in place' err || fail "$(cat err)"
assert_eq $((150 << 20)) "$(cat "/sys/fs/cgroup$(cgroup_of "$pid")/memory.max")"
ffrtmp detach s3
assert_eq max "$(cat "/sys/fs/cgroup$(cgroup_of "$pid")/memory.max")"

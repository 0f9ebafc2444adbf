# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# A user without any rights: what needs privileges is refused by the kernel, and the receipt says so.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need setpriv
[ "$(id -u)" = 0 ] || skip "needs root to become another user"
[ ! -d /run/systemd/system ] || skip "systemd may give cgroups to users: see the lab"
chmod 711 "$TMP"
install -d -o 65533 -g 65533 -m 700 "$TMP/own"
as_user() { setpriv --reuid 65533 --regid 65533 --clear-groups --inh-caps=-all env -u HOME FFRTMP_STATE_DIR="$TMP/own/state" "$@"; }
cd own || exit
ffrtmp=$(command -v ffrtmp)
as_user test -x "$ffrtmp" || skip "another user cannot reach $ffrtmp"
expect 0 as_user "$ffrtmp" run --nice 5 --oom-score-adj 200 --cpu-max 100% --memory-max 500M --result-file ./r.json -- sh -c 'nice; cat /proc/self/oom_score_adj; nproc'
assert_eq $'5\n200\n1' "$out"
json r.json '.receipt[] | select(.limit == "cpu.max") | .strength == "advisory"' >/dev/null
json r.json '.placement == "none" and .exit_code == 0' >/dev/null
expect 0 as_user "$ffrtmp" run --nice -5 -- nice
assert_eq 0 "$out"
assert_contains "$err" "nice"
[[ $err == *"not permitted"* || $err == *"denied"* || $err == *"privilege"* ]] || fail "does not say why: $err"
expect 125 as_user "$ffrtmp" run --nice -5 --require nice -- touch started
[ ! -e started ] || fail "started"
assert_eq 1 "$(wc -l <"$TMP/.err")" "lines: $err"
expect 125 as_user "$ffrtmp" run --memory-max 1G --require all -- touch started
expect 125 as_user "$ffrtmp" run --placement cgroup --memory-max 1G -- touch started
[ ! -e started ] || fail "started"
expect 0 as_user "$ffrtmp" run -q -d --job-id "$TAG" -- sleep 30
expect 0 as_user "$ffrtmp" stop "$TAG"
expect 130 as_user "$ffrtmp" wait "$TAG"

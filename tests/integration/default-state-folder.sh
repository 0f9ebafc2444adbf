# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# Without FFRTMP_STATE_DIR: /run/ffrtmp for root, XDG_RUNTIME_DIR for a user, and a folder in /tmp as the last way.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need setpriv
[ "$(id -u)" = 0 ] || skip "needs root"
uid=$((61000 + $$ % 1000))
mkdir runtime
chown $uid runtime
as_user() { setpriv --reuid $uid --regid $uid --clear-groups env -u FFRTMP_STATE_DIR -u HOME "$@"; }
as_user XDG_RUNTIME_DIR="$TMP/runtime" "$(command -v ffrtmp)" run -q --job-id "$TAG" -- true
[ -s "runtime/ffrtmp/jobs/$TAG/result.json" ] || fail "not in XDG_RUNTIME_DIR: $(find runtime)"
trap 'rm -rf /tmp/ffrtmp-$uid' EXIT
as_user -u XDG_RUNTIME_DIR "$(command -v ffrtmp)" run -q --job-id "$TAG" -- true
[ -s "/tmp/ffrtmp-$uid/jobs/$TAG/result.json" ] || fail "not in /tmp/ffrtmp-$uid"
assert_eq "700 $uid" "$(stat -c '%a %u' "/tmp/ffrtmp-$uid")"
env -u FFRTMP_STATE_DIR -u HOME -u XDG_RUNTIME_DIR ffrtmp run -q --job-id "$TAG" -- true
[ -s "/run/ffrtmp/jobs/$TAG/result.json" ] || fail "not in /run/ffrtmp"
rm -rf "/run/ffrtmp/jobs/$TAG"

# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# Two users of one host may choose the same id, each in a state folder of their own: neither hurts the other.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
expect 0 ffrtmp run -q -d --memory-max 64M --job-id "$TAG" -- sleep 60
first=$(pid_of "$TAG")
code=0
FFRTMP_STATE_DIR=$TMP/other ffrtmp run -q --memory-max 32M --job-id "$TAG" -- true 2>err || code=$?
[ $code = 0 ] || { assert_eq 125 $code; assert_eq 1 "$(wc -l <err)"; }
runs "$first" || fail "the first job was ended"
if [ "$(ffrtmp status --json "$TAG" | jq -r '.receipt.limits[0].strength')" = enforced ] && [ -n "$(v1_mount memory)" ]; then
    assert_eq $((64 << 20)) "$(cat "$(cgroup_dir "$first" memory)/memory.limit_in_bytes")" "the first job's limit"
fi
expect 0 ffrtmp stop "$TAG"
ffrtmp wait "$TAG" || true
wait_for 5 no_leaves
# A record that outlived its job does not reach the job that has its cgroup's name now.
expect 0 ffrtmp run -q -d --job-id "$TAG-n" -- sleep 60
first=$(pid_of "$TAG-n")
kill -KILL "$(ffrtmp status --json "$TAG-n" | jq -e .observer.pid)" "$first"
wait_for 5 gone "$first"
leaves_of "$TAG-n" | xargs -r rmdir
FFRTMP_STATE_DIR=$TMP/other expect 0 ffrtmp run -q -d --job-id "$TAG-n" -- sleep 60
second=$(FFRTMP_STATE_DIR=$TMP/other pid_of "$TAG-n")
ffrtmp stop "$TAG-n" 2>/dev/null || true
sweep
runs "$second" || fail "stop reached the other state folder's job"
[ "$(id -u)" != 0 ] || [ -n "$(leaves_of "$TAG-n")" ] || fail "took the other job's cgroup"
FFRTMP_STATE_DIR=$TMP/other expect 0 ffrtmp stop "$TAG-n"

# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# A living job keeps its id; an ended one gives it up.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
expect 0 ffrtmp run -q -d --job-id "$TAG" -- sleep 60
first=$(pid_of "$TAG")
for mode in '' --detach --exec; do
    # shellcheck disable=SC2086
    expect 125 ffrtmp run $mode --job-id "$TAG" -- touch started
    assert_eq 1 "$(wc -l <"$TMP/.err")" "lines: $err"
    assert_contains "$err" "$TAG"
    [ ! -e started ] || fail "the second one started"
done
runs "$first" || fail "the first one was hurt"
assert_eq running "$(ffrtmp status --json "$TAG" | jq -r .state)"
expect 0 ffrtmp stop "$TAG"
wait_for 5 gone "$first"
ffrtmp wait "$TAG" || true
expect 0 ffrtmp run -q --job-id "$TAG" -- true
no_leaves || fail "left $(leaves)"

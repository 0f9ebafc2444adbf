# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# --exec sets up first and fails last: what it made is gone again.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
printf '#!/nonexistent/interpreter\n' >orphan
chmod +x orphan
expect 127 ffrtmp run -q --exec --memory-max 64M --job-id "$TAG" -- ./orphan
assert_eq 1 "$(wc -l <.err)" "lines: $err"
assert_eq "" "$(find state/jobs -mindepth 1)" "job folders"
no_leaves || fail "left $(leaves)"

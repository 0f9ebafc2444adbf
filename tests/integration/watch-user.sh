# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 120
# A user without rights: watch says that it is not told, looks at intervals, adopts that user's processes and nobody else's.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
# shellcheck source=tests/integration/watch.bash
. "$TESTS/watch.bash"
need setpriv
[ "$(id -u)" = 0 ] || skip "needs root to become another user"
[ ! -d /run/systemd/system ] || skip "systemd may give cgroups to users: see the lab"
target=$(make_target)
program=$PWD/$target
chmod 711 "$TMP"
install -d -o 65533 -g 65533 -m 700 "$TMP/own"
ffrtmp=$(command -v ffrtmp)
user=(setpriv --reuid 65533 --regid 65533 --clear-groups --inh-caps=-all env -u HOME FFRTMP_STATE_DIR="$TMP/own/state")
"${user[@]}" test -x "$ffrtmp" || skip "another user cannot reach $ffrtmp"
"${user[@]}" test -x "$program" || skip "another user cannot reach $program"
cd own || exit
"$program" 1000 & roots=$!
# Since 6.6 the kernel tells everybody of programs that start, but nobody in another network namespace.
unshare -n "${user[@]}" "$ffrtmp" watch --target "$target" --nice 6 --scan-interval 200ms >watch.out 2>watch.err & watch=$!
wait_for 20 grep -q "looking every 200 ms" watch.err
"${user[@]}" "$program" 1000 & users=$!
wait_for 20 sh -c "[ \"\$(sed 's/.*) //' /proc/$users/stat | cut -d' ' -f17)\" = 6 ]"
assert_eq 0 "$(nices_of $roots)"
wait_for 20 grep -q adopted watch.out
assert_eq 1 "$(grep -c adopted watch.out)" "$(cat watch.out)"
assert_eq 1 "$(wc -l <watch.err)" "$(cat watch.err)"
kill $watch
wait $watch || fail "exit code $?"
kill $roots $users

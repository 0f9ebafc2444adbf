# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 600
# alone
# Processes appear and die at random under watch: none is missed that lived longer than the promise, nothing is left of any, no
# stranger is touched, and the watcher stays as small as it was. WATCH_CHURN="PROCESSES SECONDS" makes it another length.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
# shellcheck source=tests/integration/watch.bash
. "$TESTS/watch.bash"
need_v1 cpu memory
read -r count seconds <<<"${WATCH_CHURN:-500 120}"
promise=3    # seconds; generous, for a test is not a clock
target=$(make_target)
cp "$target" "x$target"
start_watch --target "$target" --cpu-max 80% --memory-max 200M --nice 3
rss() { awk "/^RssAnon:/ { print \$2 }" "/proc/$watch/status"; }    # memory of its own: pages of its program come and go
fds() { find "/proc/$watch/fd" -mindepth 1 -maxdepth 1 | wc -l; }
# Warm it up, so that what is allocated once is there.
python3 "$TESTS/watch-churn.py" "./$target" "./x$target" 20 4 $promise >warm.json
leafless() { [ -z "$(find /sys/fs/cgroup -type d -name "$target-*" 2>/dev/null)" ]; }
wait_for 30 leafless
sleep 1
rss_before=$(rss) fds_before=$(fds)
python3 "$TESTS/watch-churn.py" "./$target" "./x$target" "$count" "$seconds" $promise >churn.json
wait_for 30 leafless
sleep 1
rss_after=$(rss) fds_after=$(fds)
jq -r '"seed \(.seed): \(.long | length) long, \(.short) short, \(.strangers | length) strangers"' churn.json
echo "own memory $rss_before -> $rss_after kB, descriptors $fds_before -> $fds_after, $(grep -c ^adopted watch.out) adopted"
sed -n "s/^adopted [^ ]*: $target \([0-9]*\), by rule flags: .*/\1/p" watch.out | sort >adopted
assert_eq "$(grep -c ^adopted watch.out)" "$(wc -l <adopted)" "lines"
assert_eq "" "$(uniq -d adopted)" "adopted twice (or a PID came round)"
assert_eq "" "$(jq -r '.long[]' churn.json | sort | comm -23 - adopted | xargs)" "missed"
assert_eq "" "$(jq -r '.strangers[]' churn.json warm.json | sort | comm -12 - adopted | xargs)" "strangers that were adopted"
! grep -q '! ' watch.out || fail "limits that were not put in force: $(grep '! ' watch.out | head -3)"
assert_lacks "$(cat watch.err)" "not adopted"
# Every end is written: what has no result is nobody.
for record in "$FFRTMP_STATE_DIR"/jobs/*/record.json; do
    [ -s "${record%record.json}result.json" ] || fail "no result: $record"
done
assert_eq "$fds_before" "$fds_after" "descriptors"
[ "$rss_after" -le $((rss_before + 1024)) ] || fail "its memory grew from $rss_before to $rss_after kB"
stop_watch

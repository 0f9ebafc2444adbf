# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 120
# A flood into the job's log: its space stays near the cap, the writer never waits, the end is still there.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
begin=$(date +%s%N)
expect 0 ffrtmp run -q -d --log-max 1M --job-id "$TAG" -- sh -c 'yes "a line of the flood" | head -c 200000000; sleep 1; echo the last line'
most=0
while gone=$(ffrtmp status --json "$TAG" | jq -r .state) && [ "$gone" = running ]; do
    now=$(du -B1 "state/jobs/$TAG/log" | cut -f1)
    [ "$now" -le "$most" ] || most=$now
    sleep 0.05
done
ffrtmp wait "$TAG"
seconds=$(($(date +%s%N) - begin))
[ "$seconds" -lt 20000000000 ] || fail "the writer was slowed down: $seconds ns"
left=$(du -B1 "state/jobs/$TAG/log" | cut -f1)
[ "$left" -le $((2 << 20)) ] || fail "the log takes $left bytes of 1M in the end"
assert_contains "$(tail -c 100 "state/jobs/$TAG/log" | tr -d '\0')" "the last line"
assert_contains "$(ffrtmp logs -n 1 "$TAG")" "the last line"
assert_lacks "$(ffrtmp logs "$TAG" | head -c 100 | od -c)" '\0'
# A log without a cap is the operator's own and is left alone.
expect 0 ffrtmp run -q --log own.log -- sh -c 'head -c 9000000 /dev/zero | tr "\0" x'
assert_eq 9000000 "$(stat -c %s own.log)"
[ "$(du -B1 own.log | cut -f1)" -ge 9000000 ] || fail "a hole in the operator's own file"
# A burst that is over before anybody had a second look.
expect 0 ffrtmp run -q -d --log-max 1M --job-id "$TAG-burst" -- sh -c 'head -c 20000000 /dev/zero | tr "\0" x'
ffrtmp wait "$TAG-burst"
left=$(du -B1 "state/jobs/$TAG-burst/log" | cut -f1)
[ "$left" -le $((1 << 20)) ] || fail "the burst has left $left bytes of 1M"

# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 120
# Two launches of one id at the same time: exactly one wins, every time, and the loser leaves nothing behind.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
# The winner's workload lives until the loser has answered, so that a slow machine cannot run them one after the other.
until_answered='for i in $(seq 600); do [ ! -s code.a ] && [ ! -s code.b ] || exit 0; sleep 0.05; done'
for round in $(seq 20); do
    rm -f code.a code.b
    for who in a b; do
        { code=0; ffrtmp run -q --job-id "$TAG-$round" -- sh -c "echo $who >>won.$round; $until_answered" 2>err.$who || code=$?
          echo $code >code.$who; } &
    done
    wait
    assert_eq "0 125" "$(sort -n code.a code.b | xargs)" "round $round ($(cat err.a err.b))"
    assert_eq 1 "$(wc -l <"won.$round")" "workloads in round $round"
    assert_eq 1 "$(cat err.a err.b | wc -l)" "lines in round $round: $(cat err.a err.b)"
done
no_leaves || fail "left $(leaves)"
assert_eq "" "$(find "$FFRTMP_STATE_DIR/jobs" -name '.*')" "left aside"

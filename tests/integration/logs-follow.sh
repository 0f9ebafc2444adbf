# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# logs -f shows lines as they come and ends with the job; -n starts at the end; a gone reader is no drama.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
expect 0 ffrtmp run -q -d --job-id "$TAG" -- sh -c 'for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done; printf "no newline"'
ffrtmp logs -f "$TAG" >followed &
follower=$!
wait_for 5 grep -q 'line 2' followed
grep -q 'line 6' followed && fail "nothing was followed"
wait_for 10 gone $follower
wait $follower
assert_eq "line 1,line 2,line 3,line 4,line 5,line 6,no newline" "$(paste -sd, followed)"
assert_eq "line 5,line 6,no newline" "$(ffrtmp logs -n 3 "$TAG" | paste -sd,)"
code=0
ffrtmp logs -f -n 2 "$TAG" >again || code=$?
assert_eq 0 $code
assert_contains "$(cat again)" "line 6"
ffrtmp run -q -d --job-id "$TAG-p" -- sh -c 'while :; do echo tick; sleep 0.05; done' >/dev/null
timeout 10 sh -c "ffrtmp logs -f $TAG-p | head -n 3" >three || fail "logs -f did not end with its reader"
assert_eq 3 "$(wc -l <three)"
expect 0 ffrtmp run -q --job-id "$TAG-i" -- true
expect 125 ffrtmp logs "$TAG-i"
assert_contains "$err" "no log"
ffrtmp stop "$TAG-p"

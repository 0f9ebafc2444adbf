# shellcheck shell=bash
# variants: root
# timeout: 200
#
# A disk that fills under the master: what does not fit is refused with 507, what was taken stays, and room is all it needs to go on.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
master=$(command -v master) || skip "the master was not built"
mkdir disk
mount -t tmpfs -o size=8m tmpfs disk
trap 'kill $pid 2>/dev/null; wait $pid 2>/dev/null; umount -l disk; cat err | tail -n 20' EXIT
start() {
    "$master" --listen 127.0.0.1:8444 --state-dir disk/state >out 2>>err & pid=$!
    wait_for 60 grep -q '^CA pin' out
}
start
ask() { curl -sS --max-time 60 --cacert disk/state/tls/ca.crt -H "Authorization: Bearer $(cat disk/state/admin.key)" "$@"; }
submit() { ask -H 'Content-Type: application/json' -o answer -w '%{http_code}' https://127.0.0.1:8444/api/v1/jobs -d @body; }
count() { ask "https://127.0.0.1:8444/api/v1/jobs?limit=1000" | jq '.jobs | length'; }

head -c 2000000 /dev/zero >disk/ballast
jq -n '{jobs: [range(20) | {type: "t", params: {text: ([range(4000) | "x"] | add)}}]}' >body
taken=0 status=201
while [ "$status" = 201 ] && [ $taken -lt 5000 ]; do
    status=$(submit)
    [ "$status" != 201 ] || taken=$((taken + 20))
done
assert_eq 507 "$status" "what a full disk answers"
jq -e '.status == 507 and (.detail | contains("full"))' answer >/dev/null || fail "$(cat answer)"
[ "$taken" -gt 100 ] || fail "only $taken fitted"
assert_eq $taken "$(count)" "jobs"
assert_eq 507 "$(submit)" "and again"
# (Whether /ready is 503 meanwhile depends on whether its small write still fits into what the log has.)

rm disk/ballast
wait_for 30 sh -c "[ \"\$(curl -sSk -o /dev/null -w '%{http_code}' https://127.0.0.1:8444/ready)\" = 200 ]"
assert_eq 201 "$(submit)" "with room again"
kill -9 $pid
wait $pid 2>/dev/null || true
start
assert_eq $((taken + 20)) "$(count)" "jobs after kill -9"

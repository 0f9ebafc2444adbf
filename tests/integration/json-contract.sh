# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# --json and --result-file: one valid JSON document with every field of the contract, in every outcome.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
fields='["schema", "job_id", "mode", "command", "identity", "started_at", "ended_at", "duration_s", "outcome", "exit_code", "signal", "core_dumped", "reason", "killer", "receipt", "usage", "media", "platform_sla"]'
usage='["cpu_user_s", "cpu_system_s", "throttled_s", "memory_peak_bytes", "io_read_bytes", "io_write_bytes", "pressure"]'
check() {
    json "$1" ". as \$r | .schema == 1 and ($fields | all(. as \$f | \$r | has(\$f)))" >/dev/null
    json "$1" ".usage as \$u | $usage | all(. as \$f | \$u | has(\$f))" >/dev/null
    json "$1" '(.started_at, .ended_at) | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\\.[0-9]+)?Z$")' >/dev/null
    json "$1" '(.reason | length > 5 and (contains("\n") | not)) and (.platform_sla | has("compliant") and (.reason | length > 0))' >/dev/null
    json "$1" '.identity.pid > 0 and (.identity.boot_id | length == 36) and (.duration_s >= 0)' >/dev/null
}
outcome() { check "$1" && json "$1" ".outcome == \"$2\" and .exit_code == $3 and .signal == $4" >/dev/null; }
expect 3 ffrtmp run --json --cpu-max 100% --result-file file.json -- sh -c 'exit 3'
outcome .out exited 3 null
outcome file.json exited 3 null
assert_eq 1 "$(jq -s length .out)" documents
expect 134 ffrtmp run --json -- sh -c 'kill -ABRT $$'
outcome .out signaled null 6
expect 124 ffrtmp run --json --timeout 300ms -- sleep 20
check .out
json .out '.outcome == "timed_out" and .killer == "own limit" and .duration_s > 0.2 and .duration_s < 10' >/dev/null
ffrtmp run -q --json -- sleep 20 >detached.json &
wrapper=$!
sleep 0.5
kill -TERM $wrapper
wait $wrapper || assert_eq 143 $?
outcome detached.json detached null null
kill "$(jq .identity.pid detached.json)"
# Names that are not UTF-8, or need escapes, are valid JSON all the same.
expect 0 ffrtmp run --json -- true $'caf\xe9' $'quote " and \\ and \n and \x01' 'ünï'
check .out
json .out '.command[3] == "ünï"' >/dev/null
expect 0 ffrtmp run --json -d --job-id "$TAG" -- true
json .out '.schema == 1 and .job_id and .identity.pid and .receipt' >/dev/null
ffrtmp wait "$TAG"
check "state/jobs/$TAG/result.json"
expect 0 ffrtmp ps --json --all
json .out 'type == "array"' >/dev/null

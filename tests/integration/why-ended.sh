# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# why of jobs that have ended: one sentence first, the cause by evidence, and what is a guess called likely.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need ffmpeg

# why JOB: its document in why.json, its text in $out.
why() {
    expect 0 ffrtmp why --json "$1"
    jq . .out >why.json
    json why.json '.schema == 1 and .job_id == "'"$1"'" and .state == "ended" and (.sentence | length > 10)' >/dev/null
    json why.json '(.causes | type) == "array" and all(.causes[]; .command == null)' >/dev/null
    expect 0 ffrtmp why "$1"
    assert_eq "job $1: $(jq -r .sentence why.json)" "$(head -n 1 .out)" "the sentence comes first"
}

expect 0 ffrtmp run -q -d --job-id "$TAG-ff" -- ffmpeg -nostdin -v error -y -i "$TMP/missing.mp4" out.mp4
code=0
ffrtmp wait "$TAG-ff" || code=$?
[ $code -ne 0 ] || fail "ffmpeg read a file that is not there"
why "$TAG-ff"
json why.json '.causes[0].cause == "missing file" and .causes[0].certainty == "likely"' >/dev/null
json why.json '.log_tail[-1] | contains("No such file or directory")' >/dev/null
assert_contains "$out" "exit code $code: ffmpeg failed"
assert_contains "$out" "No such file"

expect 0 ffrtmp run -q -d --job-id "$TAG-to" --timeout 300ms -- sleep 60
ffrtmp wait "$TAG-to" || assert_eq 124 $?
why "$TAG-to"
json why.json '.causes[0].cause == "time limit" and .causes[0].certainty == "certain"' >/dev/null
assert_contains "$out" "--timeout"

expect 0 ffrtmp run -q -d --job-id "$TAG-sig" -- sleep 60
kill -TERM "$(pid_of "$TAG-sig")"
ffrtmp wait "$TAG-sig" || assert_eq 143 $?
why "$TAG-sig"
json why.json '.causes[0].cause == "SIGTERM" and .causes[0].certainty == "likely" and .figures.signal == 15' >/dev/null
json why.json '.sentence | contains("likely")' >/dev/null

expect 0 ffrtmp run -q -d --job-id "$TAG-stop" -- sleep 60
expect 0 ffrtmp stop --grace 1s "$TAG-stop"
ffrtmp wait "$TAG-stop" || true
why "$TAG-stop"
json why.json '.causes[0].certainty == "certain" and (.causes[0].text | contains("operator"))' >/dev/null

expect 0 ffrtmp run -q -d --job-id "$TAG-ok" -- true
ffrtmp wait "$TAG-ok"
why "$TAG-ok"
json why.json '.causes == [] and (.sentence | contains("finished"))' >/dev/null

# Secrets of a log line stay hidden.
expect 0 ffrtmp run -q -d --job-id "$TAG-key" -- sh -c 'echo rtmp://host/app/HUSHHUSH: Connection refused >&2; exit 1'
ffrtmp wait "$TAG-key" || assert_eq 1 $?
why "$TAG-key"
json why.json '.causes[0].cause == "network"' >/dev/null
assert_lacks "$(cat why.json .out)" HUSH

expect 125 ffrtmp why "$TAG-none"
assert_contains "$err" "no such job"
assert_eq 1 "$(wc -l <.err)" "lines of the error"
expect 125 ffrtmp why
expect 125 ffrtmp why --window 5 "$TAG-ok" extra
expect 125 ffrtmp why --window 1ms "$TAG-ok"

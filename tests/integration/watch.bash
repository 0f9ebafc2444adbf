# shellcheck shell=bash disable=SC2015,SC2034
# Helpers for the tests of ffrtmp watch: . "$TESTS/watch.bash"

# make_target: a program of a name that nothing else on this host has, in the present folder; prints the name.
make_target() {
    local name="tgt${TAG//[^a-z0-9]/}"
    cp "$(readlink -f "$(command -v sleep)")" "$name"
    echo "$name"
}

# start_watch ARGUMENT...: its pid is in $watch; returns when it has looked at all that runs (Type=notify's READY=1).
start_watch() {
    rm -f notify notified
    python3 "$TESTS/watch-notified.py" notify notified & listener=$!
    wait_for 20 test -S notify
    NOTIFY_SOCKET=$PWD/notify ffrtmp watch "$@" >>watch.out 2>>watch.err & watch=$!
    wait_for 60 watch_said READY=1
}
# watch_said LINE [TIMES]
watch_said() { runs "$watch" || fail "watch has ended: $(cat watch.err)"; [ "$(grep -csx "$1" notified)" -ge "${2:-1}" ]; }

# stop_watch [SIGNAL]: and it must end well.
stop_watch() {
    local code=0
    kill "-${1:-TERM}" "$watch"
    wait "$watch" 2>/dev/null || code=$?
    [ "${1:-TERM}" = KILL ] || assert_eq 0 $code "exit code of watch: $(cat watch.err)"
    kill "$listener" 2>/dev/null || true
}

# job_of PID: the job without a result whose process it is; fails when there is none.
job_of() {
    local record
    for record in "$FFRTMP_STATE_DIR"/jobs/*/record.json; do
        [ ! -e "${record%record.json}result.json" ] || continue
        if jq -e --argjson pid "$1" '.workload.pid == $pid' "$record" >/dev/null 2>&1; then
            record=${record%/record.json}
            echo "${record##*/}"
            return 0
        fi
    done
    return 1
}
adopted() { job_of "$1" >/dev/null; }

# limited PID: adopted, and its record has its receipt.
limited() { local job; job=$(job_of "$1") && jq -e '.receipt.limits | length > 0' "$FFRTMP_STATE_DIR/jobs/$job/record.json" >/dev/null; }

# jobs_of_watch: the ids of all that a rule adopted.
jobs_of_watch() { cat "$FFRTMP_STATE_DIR"/jobs/*/record.json 2>/dev/null | jq -r 'select(.rule != null) | .job_id'; }
ended() { [ -s "$FFRTMP_STATE_DIR/jobs/$1/result.json" ]; }

# runs_as PID NAME: it has executed that program.
runs_as() { [[ $(readlink "/proc/$1/exe") == */"$2" ]]; }

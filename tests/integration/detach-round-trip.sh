# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 120
# A real ffmpeg detached: ps, status, logs, wait, the result, with its progress.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need ffmpeg
expect 0 ffrtmp run -d --progress --cpu-max 100% --memory-max 512M --job-id "$TAG" -- \
    ffmpeg -nostdin -y -re -f lavfi -i testsrc=size=64x48:rate=25:duration=4 -c:v mpeg4 out.mp4
assert_eq "$TAG" "$out" "what --detach prints"
assert_contains "$err" memory.max "the receipt"
workload=$(pid_of "$TAG")
has_progress() { ffrtmp status --json "$TAG" | jq -e '.media.frames > 10' >/dev/null; }
wait_for 10 has_progress
ffrtmp status --json "$TAG" >status.json
json status.json '.state == "running" and .media.fps != null and .media.out_time_s > 0 and .media.speed != null' >/dev/null
json status.json '.usage.cpu_user_s >= 0 and .memory_bytes > 0 and (.receipt.limits | length) >= 2' >/dev/null
assert_contains "$(ffrtmp status "$TAG")" frames
assert_contains "$(ffrtmp ps)" "$TAG"
ffrtmp ps --json | jq -e ".[] | select(.job_id == \"$TAG\" and .state == \"running\" and .identity.pid == $workload)" >/dev/null
assert_contains "$(ffrtmp logs "$TAG")" "Input #0, lavfi"
assert_contains "$(readlink "/proc/$workload/fd/0")" /dev/null
[ "$(awk '{ print $6 }' "/proc/$workload/stat")" != "$(awk '{ print $6 }' /proc/self/stat)" ] || fail "in the caller's session"
ffrtmp wait "$TAG"
gone "$workload" || fail "wait came back early"
assert_playable out.mp4 4
result "$TAG" '.outcome == "exited" and .exit_code == 0 and .media.frames == 100 and .media.out_time_s > 3.5' >/dev/null
result "$TAG" '.media.bitrate_bps > 0 and .media.dropped == 0 and .media.duplicated == 0' >/dev/null
assert_lacks "$(ffrtmp ps)" "$TAG"
assert_contains "$(ffrtmp ps --all)" "$TAG"
assert_contains "$(ffrtmp status "$TAG")" "exit code 0"
wait_for 5 no_leaves

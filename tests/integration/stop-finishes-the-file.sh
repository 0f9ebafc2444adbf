# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 120
# stop on ffmpeg: a playable file, exit code 255, the operator named; stop again says that it has ended.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need ffmpeg
expect 0 ffrtmp run -q -d --job-id "$TAG" -- ffmpeg -nostdin -y -re -f lavfi -i testsrc=size=64x48:rate=25 -c:v mpeg4 out.mp4
sleep 2
expect 0 ffrtmp stop "$TAG"
assert_contains "$err" SIGINT
expect 255 ffrtmp wait "$TAG"
ffprobe -v error out.mp4 || fail "not playable"
result "$TAG" '.killer == "operator" and .outcome == "exited" and .exit_code == 255' >/dev/null
assert_contains "$(result "$TAG" .reason)" operator
expect 0 ffrtmp stop "$TAG"
assert_contains "$err" ended
# A job whose recorder is gone can be stopped all the same.
expect 0 ffrtmp run -q -d --job-id "$TAG-u" -- ffmpeg -nostdin -y -re -f lavfi -i testsrc=size=64x48:rate=25 -c:v mpeg4 u.mp4
kill -KILL "$(ffrtmp status --json "$TAG-u" | jq -e .observer.pid)"
sleep 1.5
expect 0 ffrtmp stop "$TAG-u"
ffprobe -v error u.mp4 || fail "u.mp4 is not playable"
result "$TAG-u" '.killer == "operator"' >/dev/null
wait_for 5 no_leaves

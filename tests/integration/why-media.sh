# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# A stream that a quota holds below real time: why tells its speed now, and a quota at which it would keep up.
# timeout: 120
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 cpu
need ffmpeg
expect 0 ffrtmp run -q -d --cpu-max 10% --progress --job-id "$TAG" -- ffmpeg -nostdin -v error -y -re -f lavfi -i testsrc2=size=1920x1080:rate=60:duration=3600 -c:v mpeg4 -f null -
progress=$(json "$FFRTMP_STATE_DIR/jobs/$TAG/record.json" .progress)
wait_for 60 grep -qs out_time_us "$progress"
for window in 3s 6s 12s; do
    expect 0 ffrtmp why --json --window $window "$TAG"
    cp .out why.json
    [ "$(jq -r '.causes[0].cause' why.json)" != "cpu quota" ] || break
done
json why.json '.causes[0].cause == "cpu quota" and .figures.speed >= 0 and .figures.speed < 0.98' >/dev/null
json why.json '.sentence | contains("x real time")' >/dev/null
value=$(json why.json '.causes[0].value')
[ "${value%\%}" -gt 10 ] || fail "suggests $value"
ffrtmp stop --grace 2s "$TAG"

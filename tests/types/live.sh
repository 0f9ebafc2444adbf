# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# test-source, relay and record against a real nginx-rtmp that is restarted in the middle.
# timeout: 240
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
trap nginx_stop EXIT
port=$(free_port)
nginx_rtmp "$port"
at=rtmp://127.0.0.1:$port/live
expect 0 ffrtmp job test-source -o "$at/in-SECRET" -p size=320x180 -p fps=25 -p bitrate=300k -d --job-id "$TAG-source"
sleep 2
expect 0 ffrtmp job relay "$at/in-SECRET" -o "$at/out-SECRET" -d --job-id "$TAG-relay" --stall 6s
sleep 2
expect 0 ffrtmp job record "$at/out-SECRET" -o rec -p segment=2s -d --job-id "$TAG-record" --stall 6s
segments() { find rec -name 'segment-*.mkv' | wc -l; }
some() { [ "$(segments)" -ge "$1" ]; }
wait_for 40 some 2
expect 0 ffrtmp status "$TAG-relay" --json
json .out '.job_type == "relay" and .media.out_time_s > 0' >/dev/null
assert_lacks "$out" SECRET "a stream key in status"
# The peer goes away and comes back: all three start again by themselves.
nginx_stop
sleep 3
before=$(segments)
nginx_rtmp "$port"
wait_for 90 some $((before + 2))
for job in source relay record; do
    ffrtmp status "$TAG-$job" --json | jq -e '.restarts >= 1 and .state == "running"' >/dev/null || fail "$job was not started again: $(ffrtmp status "$TAG-$job")"
done
# Stopped by name, they end and stay so; the recording's last segment is kept.
for job in record relay source; do expect 0 ffrtmp stop "$TAG-$job"; done
sleep 2
for job in record relay source; do
    assert_eq ended "$(ffrtmp status "$TAG-$job" --json | jq -r .state)" "$job"
    result "$TAG-$job" '.job.restarts >= 1 and .killer == "operator"' >/dev/null
done
for segment in rec/segment-*.mkv; do
    assert_eq "audio video " "$(streams "$segment")"
    ffmpeg -v fatal -i "$segment" -f null - || fail "$segment does not decode"
done
grep -rl SECRET state/jobs/*/result.json && fail "a stream key in a result"
nothing_left

# shellcheck shell=bash disable=SC2034
# What a stream itself says about when it ticked: . "$REPO/tests/stream_clock.bash", or $LAB_ROOT in the lab.

# CLOCK: a chain of FFmpeg filters that stamps each frame with the wall clock of the process it passes through, in
# milliseconds. Written to a file of its own, with CLOCK_OUT, it is the stream's own account of when it ticked.
CLOCK="scale=16:16,settb=1/1000,setpts=(RTCTIME-RTCSTART)/1000"
CLOCK_OUT=(-c:v mpeg4 -fps_mode passthrough -enc_time_base 1:1000 -f matroska)

# keeps_time FILE PERIOD_MS FROM TO: between the frames FROM and TO no tick is lost that the stream would have kept if left
# alone: ticks that come later than 99 in 100 came before FROM, and later than a whole period, are no more than 1 in 100, give
# or take what chance does to so few (three standard deviations).
keeps_time() {
    ffprobe -v error -select_streams v -show_entries packet=pts_time -of csv=p=0 "$1" | tr -d , | awk -v period="$2" -v from="$3" -v to="$4" '
        NR > 1 { gap[NR] = int(($1 - last) * 1000 + 0.5) } { last = $1 }
        # The first second starts encoders and connections.
        END { for (i = int(1000 / period) + 2; i < from; i++) alone[gap[i]]++
              total = from - int(1000 / period) - 2
              for (ms = 0; ms < 60000 && seen < total; ms++) { seen += alone[ms]; if (!p99 && seen >= total * 0.99) p99 = ms; if (alone[ms]) most = ms }
              limit = p99 > 2 * period ? p99 : 2 * period
              for (i = from; i <= to; i++) { n++; late += gap[i] >= limit; if (gap[i] > worst) worst = gap[i] }
              printf "left alone: %d ticks, p99 %d ms, latest %d ms; adopted: %d ticks, %d of %d ms and later, latest %d ms\n", total, p99, most, n, late, limit, worst
              exit !(total > 0 && n > 0 && late <= n / 100 + 3 * sqrt(n / 100)) }'
}

# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# GStreamer and FFmpeg make the same of the same: duration, streams, sizes, rates, sound.
# timeout: 300
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
film in.mp4 4
for engine in ffmpeg gstreamer; do
    expect 0 ffrtmp job transcode in.mp4 -o $engine.mp4 -p engine=$engine -p height=90 -p preset=ultrafast --job-id "$TAG-$engine"
    result "$TAG-$engine" ".job.engine == \"$engine\"" >/dev/null
    assert_decodes $engine.mp4
    assert_lasts 4 $engine.mp4
done
facts() { ffprobe -v error -show_entries stream=codec_name,width,height,r_frame_rate,sample_rate -of compact "$1" | sort; }
assert_eq "$(facts ffmpeg.mp4)" "$(facts gstreamer.mp4)" "the streams"
frames() { ffprobe -v error -count_frames -select_streams v:0 -show_entries stream=nb_read_frames -of csv=p=0 "$1"; }
assert_near "$(frames ffmpeg.mp4)" "$(frames gstreamer.mp4)" 2 frames
# Its progress is known although gst-launch writes none for us.
result "$TAG-gstreamer" '.media.out_time_s >= 0 or .job.media_s == 4' >/dev/null
# It keeps names with blanks and quotes, and a film without sound.
silent_film "a \"b\" 'c' ü.mp4" 1
expect 0 ffrtmp job transcode "a \"b\" 'c' ü.mp4" -o "o \"p\" ü.mkv" -p engine=gstreamer
assert_lasts 1 "o \"p\" ü.mkv"
expect 125 ffrtmp job transcode in.mp4 -o no.mp4 -p engine=gstreamer -p codec=h265
assert_contains "$err" "engine=ffmpeg makes the rest"
expect 125 ffrtmp job transcode in.mp4 -o no.mp4 -p engine=avisynth
# Elements that this host does not have are told before anything runs.
expect 127 env GST_PLUGIN_SYSTEM_PATH_1_0="$PWD/none" GST_REGISTRY="$PWD/registry" ffrtmp job transcode in.mp4 -o no.mp4 -p engine=gstreamer
assert_contains "$err" x264enc
assert_contains "$err" gstreamer1.0-plugins
[ ! -e no.mp4 ] || fail "something was made"
# Stopped, GStreamer ends its stream; a cut film is no result, and nothing is left.
expect 0 ffrtmp job transcode in.mp4 -o cut.mp4 -p engine=gstreamer -p preset=veryslow -p height=2160 -d --job-id "$TAG-stop"
sleep 1
expect 0 ffrtmp stop "$TAG-stop"
[ ! -e cut.mp4 ] || fail "half a film has the final name"
nothing_left

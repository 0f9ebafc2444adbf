# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# audio, hash, exif, probe, quality.
# timeout: 240
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
film in.mp4 5
for case in "m4a aac" "mp3 mp3" "opus opus" "flac flac" "wav pcm_s16le"; do
    expect 0 ffrtmp job audio in.mp4 -o "out.${case% *}"
    assert_eq "${case#* }" "$(stream "out.${case% *}" a codec_name)"
    assert_eq "audio " "$(streams "out.${case% *}")"
    assert_lasts 5 "out.${case% *}"
    assert_decodes "out.${case% *}"
done
expect 0 ffrtmp job audio in.mp4 -o loud.wav -p loudness=-30 -p channels=1 -p sample_rate=22050
assert_eq "1 22050" "$(stream loud.wav a channels) $(stream loud.wav a sample_rate)"
lufs=$(ffmpeg -nostdin -i loud.wav -af ebur128 -f null - 2>&1 | sed -n 's/^ *I: *\(-[0-9.]*\) LUFS/\1/p' | tail -n 1)
awk -v a="$lufs" 'BEGIN { exit !(a > -31.5 && a < -28.5) }' || fail "normalised to $lufs LUFS"
for algorithm in md5 sha256 sha512; do
    expect 0 ffrtmp job hash in.mp4 -p algorithm=$algorithm
    assert_eq "$(${algorithm}sum <in.mp4 | cut -d' ' -f1)" "$(jq -r .digest .out)" $algorithm
done
# Decoded frames are the same in another container, the file is not.
# (Sound would differ by the encoder's delay, which MP4 cuts off and Matroska does not.)
silent_film v.mp4 2
ffmpeg -v error -i v.mp4 -c copy same.mkv
ffrtmp job hash v.mp4 -p of=frames -p algorithm=md5 -o a.json && ffrtmp job hash same.mkv -p of=frames -p algorithm=md5 -o b.json
ffmpeg -v error -i v.mp4 -map 0:v -c:v rawvideo -f hash -hash md5 - | tr 'A-F' 'a-f' >want
assert_contains "$(cat want)" "$(jq -r .digest a.json)"
assert_eq "$(jq .digest a.json)" "$(jq .digest b.json)" "the frames"
expect 0 ffrtmp job probe in.mp4
json .out '.video.codec == "h264" and .video.width == 320 and .video.fps == 25 and .video.rotation == 0 and .audio.sample_rate == 48000 and .duration == 5 and .bit_rate > 1000' >/dev/null
expect 0 ffrtmp job probe in.mp4 --json
json .out '.job.data.video.codec == "h264" and .outcome == "exited"' >/dev/null
assert_eq 1 "$(jq -s length .out)" documents
# quality: a film against itself is perfect, against a bad copy it is not.
expect 0 ffrtmp job quality in.mp4 in.mp4
json .out '.psnr_db.min == 100 and .ssim.mean == 1 and .frames == 125' >/dev/null
ffrtmp job transcode in.mp4 -o bad.mp4 -p crf=45 -p height=90 -p preset=ultrafast
expect 0 ffrtmp job quality in.mp4 bad.mp4 -o q.json
json q.json '.psnr_db.mean > 10 and .psnr_db.mean < 45 and .psnr_db.min <= .psnr_db.p5 and .psnr_db.p5 <= .psnr_db.mean and .ssim.mean < 0.999' >/dev/null
if ffmpeg -hide_banner -filters 2>/dev/null | grep -q libvmaf; then json q.json '.vmaf.mean < 100' >/dev/null; else
    assert_eq null "$(jq .vmaf q.json)" "no VMAF here"
    expect 125 ffrtmp job quality in.mp4 bad.mp4 -p vmaf=yes
    assert_contains "$err" libvmaf
fi
picture pic.jpg
exiftool -q -overwrite_original -Make=Maker -Model='Model 1' pic.jpg
expect 0 ffrtmp job exif pic.jpg
json .out '."EXIF:Make" == "Maker" and ."EXIF:Model" == "Model 1"' >/dev/null

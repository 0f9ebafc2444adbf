# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# raw-preview: the preview inside a RAW file, and a RAW file without one developed. The RAW files are made here: DNG.
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
picture preview.jpg 320x240
cat >dng.py <<'P'
# dng.py OUT [PREVIEW.jpg]: 256x192 of sensor data, left half red, right half blue; with a preview in the first directory.
import struct, sys
W, H = 256, 192
raw = b"".join(struct.pack("<%dH" % W, *[
    (40000 if (x < W // 2) == (y % 2 == 0 and x % 2 == 0) and (x % 2 == y % 2) else 4000) for x in range(W)]) for y in range(H))
preview = open(sys.argv[2], "rb").read() if len(sys.argv) > 2 else None
def directory(at, tags):
    """An IFD at an offset, its larger values behind it."""
    tags = sorted(tags)
    values, entries = b"", b""
    beyond = at + 2 + 12 * len(tags) + 4
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 10: 8}
    for tag, kind, count, data in tags:
        assert len(data) == sizes[kind] * count, tag
        if len(data) <= 4:
            entries += struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")
        else:
            entries += struct.pack("<HHII", tag, kind, count, beyond + len(values))
            values += data + b"\0" * (len(data) % 2)
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0) + values
short = lambda *v: (3, len(v), struct.pack("<%dH" % len(v), *v))
long_ = lambda *v: (4, len(v), struct.pack("<%dI" % len(v), *v))
text = lambda s: (2, len(s) + 1, s.encode() + b"\0")
matrix = (10, 9, struct.pack("<18i", *sum([[int(v * 10000), 10000] for v in (0.9, -0.2, -0.1, -0.4, 1.2, 0.2, 0.0, 0.1, 0.7)], [])))
neutral = (5, 3, struct.pack("<6I", 1, 1, 1, 1, 1, 1))
common = [(271, *text("Test")), (272, *text("Sensor")), (50706, 1, 4, b"\1\4\0\0"), (50708, *text("Test Sensor")),
          (50721, *matrix), (50728, *neutral), (50778, *short(21))]
def sensor(offset):
    return [(254, *long_(0)), (256, *long_(W)), (257, *long_(H)), (258, *short(16)), (259, *short(1)), (262, *short(32803)),
            (273, *long_(offset)), (277, *short(1)), (278, *long_(H)), (279, *long_(len(raw))), (33421, *short(2, 2)),
            (33422, 1, 4, b"\0\1\1\2"), (50714, *short(0)), (50717, *long_(65535))]
RAW, FIRST, SUB, PREVIEW = 8192, 8, 4096, 8192 + len(raw)
out = bytearray(struct.pack("<2sHI", b"II", 42, FIRST))
def put(at, data):
    out.extend(b"\0" * (at + len(data) - len(out)))
    out[at:at + len(data)] = data
if preview:
    put(FIRST, directory(FIRST, common + [(254, *long_(1)), (256, *long_(320)), (257, *long_(240)), (258, *short(8, 8, 8)), (259, *short(7)),
        (262, *short(6)), (273, *long_(PREVIEW)), (277, *short(3)), (278, *long_(240)), (279, *long_(len(preview))), (330, *long_(SUB))]))
    put(SUB, directory(SUB, sensor(RAW)))
    put(PREVIEW, preview)
else:
    put(FIRST, directory(FIRST, common + sensor(RAW)))
put(RAW, raw)
open(sys.argv[1], "wb").write(out)
P
python3 dng.py plain.dng
python3 dng.py full.dng preview.jpg
# Without a preview the sensor's data is developed.
expect 0 ffrtmp job raw-preview plain.dng -o developed.webp
assert_eq webp "$(stream developed.webp v codec_name)"
wide=$(stream developed.webp v width)
[ "$wide" -ge 240 ] && [ "$wide" -le 256 ] || fail "developed to $wide pixels"
mean() { ffmpeg -v error -i "$1" -vf "crop=100:100:$2:40,scale=1:1,format=rgb24" -f rawvideo - | od -An -tu1; }
# shellcheck disable=SC2046
[ "$(mean developed.webp 10)" != "$(mean developed.webp 140)" ] || fail "both halves are the same"
# With one, it is taken as it is; its size tells which.
expect 0 ffrtmp job raw-preview full.dng -o preview.webp
made preview.webp 320 240
expect 0 ffrtmp job raw-preview full.dng -o small.jpg -p size=160
made small.jpg 160 120
expect 0 ffrtmp job raw-preview full.dng -o again.jpg -p develop=true
[ "$(stream again.jpg v width)" -le 256 ] || fail "not developed"
echo "no picture" >text.dng
code=0; ffrtmp job raw-preview text.dng -o x.webp 2>err || code=$?
[ "$code" -ne 0 ] || fail "text was developed"
[ ! -e x.webp ]
nothing_left

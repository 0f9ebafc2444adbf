# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# State is for its owner only, whatever the umask.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
umask 0
expect 0 ffrtmp run -q -d --progress --job-id "$TAG" -- ffmpeg -nostdin -f lavfi -i testsrc=d=1:s=32x32 -f null -
ffrtmp wait "$TAG"
expect 0 ffrtmp run -q --job-id "$TAG-2" -- true
assert_eq "" "$(find state -type d ! -perm 700 -o -type f ! -perm 600)" "too open"
for file in log progress result.json record.json; do
    [ -s "state/jobs/$TAG/$file" ] || fail "no $file"
done

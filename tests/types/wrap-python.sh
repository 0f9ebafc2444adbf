# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# The worked example of docs/JOB_TYPES.md: a Python program as a job type, as it stands in the document.
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
export HOME=$TMP/home
mkdir -p home/.config/ffrtmp/types
# block NAME: the code block of the document that begins with a comment "# NAME".
block() { awk -v want="# $1" '/^```/ { inside = !inside; first = inside; next } first { keep = ($0 == want); first = 0 } inside && keep' "$REPO/docs/JOB_TYPES.md"; }
block brightness.py >brightness.py
block brightness.toml | sed "s|/opt/brightness/brightness.py|$TMP/brightness.py|" >home/.config/ffrtmp/types/brightness.toml
[ -s brightness.py ] || fail "the document has no program"
film in.mp4 3
expect 0 ffrtmp job --check home/.config/ffrtmp/types/brightness.toml
expect 0 ffrtmp job brightness in.mp4 -o out.json -p every=1s --job-id "$TAG"
json out.json '.samples | length == 3 and all(. > 0 and . < 255)' >/dev/null
result "$TAG" '.job.type == "brightness" and .job.parameters.every == 1 and .job.data.samples[0] > 0' >/dev/null
expect 125 ffrtmp job brightness in.mp4 -o out.json -p every=0.01s
# What ffrtmp ignores for itself, a step does not.
expect 0 ffrtmp job exec -q -- sh -c 'grep SigIgn /proc/self/status >ignored'
mask=$(awk '{ print $2 }' ignored)
assert_eq 0 $((0x$mask & 0x1000)) "SIGPIPE is ignored in a step ($mask)"

# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# --env, --workdir, --log, --result-file, --quiet, --profile, -- and words that look like options.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
expect 0 ffrtmp run -q --env A=1 --env 'B=two words' --env PATH="$PATH:/x" --env A=3 -- sh -c 'echo "$A,$B,${PATH##*:}"'
assert_eq "3,two words,/x" "$out"
mkdir work
expect 0 ffrtmp run -q --workdir work --result-file r.json -- pwd
assert_eq "$TMP/work" "$out"
[ -s r.json ] || fail "--result-file is below --workdir"
printf '#!/bin/sh\necho here\n' >work/tool
chmod +x work/tool
expect 0 ffrtmp run -q --workdir work -- ./tool
assert_eq here "$out"
expect 0 ffrtmp run --quiet -- sh -c 'echo "$@"' sh --cpu-max -- --help
assert_eq "--cpu-max -- --help" "$out"
assert_eq "" "$err"
expect 0 ffrtmp run -q --log both.log -- sh -c 'echo one; echo two >&2'
expect 0 ffrtmp run -q --log both.log -- echo three
assert_eq "one two three" "$(xargs <both.log)"
expect 0 ffrtmp run -q --log null -- echo nothing
assert_eq "" "$out"
expect 0 ffrtmp run -q --log inherit -- echo seen
assert_eq seen "$out"
expect 0 ffrtmp run -q --cpus=1.5 --memory-limit=100 --cpu-weight=10 --job-id="$TAG" --result-file=r.json -- true
json r.json '[.receipt[].asked.raw] | contains(["150000 100000", "104857600", "10"])' >/dev/null
mkdir -p home/.config/ffrtmp/profiles
printf 'summary = "ours"\n[limits]\nnice = 3\npids-max = 40\n' >home/.config/ffrtmp/profiles/mine.toml
HOME=$TMP/home expect 0 ffrtmp run -q --profile mine --nice 4 --result-file r.json -- nice
assert_eq 4 "$out"
json r.json '[.receipt[].limit] | sort == ["nice", "pids.max"]' >/dev/null
HOME=$TMP/home ffrtmp profiles --json | jq -e '[.[].name] | contains(["live", "vod", "batch", "none", "mine"])' >/dev/null
printf '[limits]\nnice = 99\n' >home/.config/ffrtmp/profiles/bad.toml
HOME=$TMP/home expect 125 ffrtmp run --profile bad -- true
assert_contains "$err" bad.toml
ffrtmp --version | grep -Eq '^ffrtmp [0-9]+\.[0-9]+\.[0-9]+'

# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 120
# scripts/install: all new or as it was; twice is once; scripts/uninstall takes away what it brought and nothing else.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need cmake
[ -f "$REPO/build/cmake_install.cmake" ] || skip "not built in build/"
install() { "$REPO/scripts/install" --prefix /opt/ffrtmp --stage "$TMP/stage" --destdir "$TMP/root" "$@"; }
uninstall() { "$REPO/scripts/uninstall" --prefix /opt/ffrtmp --destdir "$TMP/root" "$@"; }
contents() { (cd root && find . -type f -printf '%m %p ' -exec sha256sum {} + | sort); }
DESTDIR=$TMP/made cmake --install "$REPO/build" >/dev/null
# (The prefix is the build's own; here everything is below another.)
mkdir -p stage/opt
bin=$(find made -path '*/bin/ffrtmp')
mv "${bin%/bin/ffrtmp}" stage/opt/ffrtmp
mkdir -p root/opt/ffrtmp/share && echo mine >root/opt/ffrtmp/share/mine

expect 0 install
assert_contains "$out" "files new or changed"
root/opt/ffrtmp/bin/ffrtmp --version >/dev/null
root/opt/ffrtmp/bin/ffrtmp job show transcode >/dev/null || fail "an installed ffrtmp does not find its types"
expect 0 install
assert_contains "$out" "nothing to change"
# An upgrade replaces what runs without touching who runs it, and takes away what is no more.
before=$(contents)
root/opt/ffrtmp/bin/ffrtmp run -q -d --job-id "$TAG-up" -- sleep 60
echo more >>stage/opt/ffrtmp/share/ffrtmp/types/hash.toml
rm stage/opt/ffrtmp/share/ffrtmp/types/exif.toml
expect 0 install
assert_contains "$out" "2 files new or changed"
[ ! -e root/opt/ffrtmp/share/ffrtmp/types/exif.toml ] || fail "a file of the earlier version stays"
assert_eq running "$(root/opt/ffrtmp/bin/ffrtmp status --json "$TAG-up" | jq -r .state)"
# A version that does not run is taken back, whole.
after=$(contents)
[ "$before" != "$after" ] || fail "nothing changed"
printf '#!/bin/sh\nexit 1\n' >stage/opt/ffrtmp/bin/ffrtmp
echo new >stage/opt/ffrtmp/share/ffrtmp/new
expect 1 install
assert_contains "$err" "putting back what was there"
assert_eq "$after" "$(contents)" "after a failed upgrade"
# So is one that cannot be written to its end.
cp -p root/opt/ffrtmp/bin/ffrtmp stage/opt/ffrtmp/bin/ffrtmp
mkdir stage/opt/ffrtmp/share/mine && echo new >stage/opt/ffrtmp/share/mine/file    # where a file of somebody's is
code=0
install >/dev/null 2>err || code=$?
[ $code -ne 0 ] || fail "a folder took the place of a file"
assert_eq "$after" "$(contents)" "after an upgrade that broke off"

expect 0 uninstall
assert_eq "./opt/ffrtmp/share/mine" "$(cd root && find . -type f)" "what stays"
runs "$(pid_of "$TAG-up")" || fail "a workload was ended"
expect 0 uninstall
assert_contains "$out" "nothing is installed"
expect 0 ffrtmp stop --grace 1s "$TAG-up"
# Wrong flags.
expect 2 install --prefix relative
assert_contains "$err" "not an absolute path"
expect 2 install --stage /nowhere
expect 2 install --frobnicate
expect 2 uninstall --frobnicate

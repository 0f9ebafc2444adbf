# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# doctor: one line a fact, its JSON, its exit code, and nothing changed on the host or in the state folder.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need ffmpeg
fact() { json doctor.json '.facts[] | select(.subject == "'"$1"'") | .'"$2"; }

before=$(find /sys/fs/cgroup -type d | sort | cksum) code=0
ffrtmp doctor --quick --json >doctor.json 2>err || code=$?
assert_eq "" "$(cat err)" stderr
[ ! -e "$FFRTMP_STATE_DIR" ] || fail "doctor made the state folder"
json doctor.json '.schema == 1 and (.facts | length > 10) and all(.facts[]; (.subject | length > 0) and (.text | length > 3) and (.text | contains("\n") | not) and (.mend | type == "array"))' >/dev/null
json doctor.json '[.facts[].health] - ["good", "lesser", "bad"] == []' >/dev/null
json doctor.json '.well == ([.facts[] | select(.health == "bad")] == [])' >/dev/null
assert_eq "$(jq -r 'if .well then 0 else 1 end' doctor.json)" $code "exit code"
for subject in cgroups controllers systemd pressure autogroup 'real time' io.weight kernel clock state ffmpeg; do
    fact "$subject" text >/dev/null
done
assert_contains "$(fact ffmpeg text)" "$(ffmpeg -version | awk 'NR == 1 { print $3 }')"
assert_contains "$(fact kernel text)" "$(uname -r)"
# Other tests come and go: only what is left after all of them can be compared, so this one is asked twice.
[ "$before" = "$(find /sys/fs/cgroup -type d | sort | cksum)" ] || [ -z "$(leaves)" ] || fail "cgroups were made"

# For people, in both alphabets; the last line sums up.
LC_ALL=C.UTF-8 ffrtmp doctor --quick >utf8 || true
LC_ALL='' LC_CTYPE='' LANG=C ffrtmp doctor --quick >ascii || true
grep -q '^✓ ' utf8 || fail "$(cat utf8)"
grep -q '^\[ok\] ' ascii || fail "$(cat ascii)"
! LC_ALL=C grep -q '[^ -~]' ascii || fail "not ASCII: $(cat ascii)"
assert_eq "$(wc -l <utf8)" "$(wc -l <ascii)" lines

# What is amiss is a cross, exit code 1, and a command.
mkdir programs
ln -s "$(command -v ffrtmp)" programs/ffrtmp
code=0
PATH=$PWD/programs FFRTMP_STATE_DIR=/proc/nowhere ffrtmp doctor --quick --json >doctor.json || code=$?
assert_eq 1 $code "exit code without FFmpeg"
json doctor.json '.well == false' >/dev/null
assert_eq bad "$(fact ffmpeg health)"
assert_contains "$(fact ffmpeg 'mend[0]')" "apt-get install"
assert_eq bad "$(fact state health)"
code=0
PATH=$PWD/programs LC_ALL=C.UTF-8 ffrtmp doctor --quick >utf8 || code=$?
assert_eq 1 $code
assert_contains "$(cat utf8)" '✗ ffmpeg'
assert_contains "$(cat utf8)" "      \$ sudo apt-get install -y ffmpeg"
# Without cgroups.
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    code=0
    unshare -m sh -c "umount -R /sys/fs/cgroup && exec ffrtmp doctor --quick --json" >doctor.json || code=$?
    assert_eq 1 $code "exit code without cgroups"
    assert_eq bad "$(fact cgroups health)"
fi
# The encoders are really tried.
expect $(( $(ffrtmp doctor --quick >/dev/null; echo $?) )) ffrtmp doctor --json
jq . .out >doctor.json
assert_contains "$(fact encoders text)" libx264
expect 125 ffrtmp doctor now

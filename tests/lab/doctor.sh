# shellcheck shell=bash
# variants: root user bare hybrid
# timeout: 300
#
# The doctor says what is so in each kind of place, with the commands that mend it, and changes nothing.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

cgroups() { find /sys/fs/cgroup -type d | grep -c ffrtmp || true; }
# fact SUBJECT HEALTH: the text of a fact that has it; fails where there is none.
fact() { jq -er --arg s "$1" --arg h "$2" '.facts[] | select(.subject == $s and .health == $h) | .text' doctor.json; }
mend() { jq -r --arg s "$1" '.facts[] | select(.subject == $s) | .mend[]' doctor.json; }

before=$(cgroups) code=0
ffrtmp doctor --quick --json >doctor.json || code=$?
assert_eq "$before" "$(cgroups)" "cgroups of ours"
cat doctor.json
json doctor.json '.schema == 1 and (.well == ([.facts[] | select(.health == "bad")] == []))' >/dev/null
assert_eq "$(jq -r 'if .well then 0 else 1 end' doctor.json)" "$code" "exit code"
fact systemd good | grep -q '252' || fail systemd
fact ffmpeg good >/dev/null || fail ffmpeg
fact 'real time' good >/dev/null || fail 'real time'
case $LAB_VARIANT in
    root)
        fact cgroups good | grep -q unified || fail cgroups
        fact delegation good | grep -q root || fail delegation
        fact base good | grep -q /ffrtmp.slice/ffrtmp-jobs.scope || fail base
        fact kernel good | grep -q 'clone3 into a cgroup.*cgroup.kill.*memory.peak' || fail kernel
        [ ! -e /run/ffrtmp ] || rmdir /run/ffrtmp 2>/dev/null || true ;;
    user)
        # Not given io and cpuset: works with less, and the drop-in is there to be copied.
        fact delegation lesser | grep -q 'io.*--io-max' || fail delegation
        mend delegation | grep -q 'Delegate=cpu cpuset io memory pids.*user@.service.d/10-ffrtmp-delegate.conf' || fail drop-in
        # ... and is what is shipped.
        mend delegation | grep -q "$(grep '^Delegate=' "$LAB_ROOT/systemd/user-delegate.conf")" || fail 'another drop-in than the shipped one'
        fact linger good >/dev/null || fail linger
        fact base good | grep -q 'user@1500.service/ffrtmp.slice' || fail base
        assert_eq 0 "$code" ;;
    bare)
        fact delegation bad | grep -q 'no cgroup' || fail delegation
        mend delegation | grep -q 'loginctl enable-linger bare' || fail linger
        assert_eq 1 "$code" ;;
    hybrid)
        fact cgroups lesser | grep -q hybrid || fail cgroups
        mend cgroups | grep -q systemd.unified_cgroup_hierarchy=1 || fail 'the way to v2'
        assert_eq 0 "$code" ;;
esac
# For people: a line for each fact, ASCII where the locale is.
LC_ALL=C ffrtmp doctor --quick >out || [ $? = "$code" ] || fail "another exit code"
LC_ALL=C grep -q '^\[ok\] ' out || fail "no ASCII signs"
! LC_ALL=C grep -q '[^ -~]' out || fail "not ASCII: $(cat out)"
LC_ALL=C.UTF-8 ffrtmp doctor --quick >out || [ $? = "$code" ] || fail "another exit code"
grep -q '^✓ ' out || fail "no signs"
# With jobs there, they are counted.
if [ "$LAB_VARIANT" = root ]; then
    ffrtmp run -q -d --job-id d1 -- sleep 100
    ffrtmp doctor --quick --json >doctor.json
    fact base good | grep -q '1 job in it' || fail "base: $(fact base good)"
fi

# shellcheck shell=bash
# variants: root user hybrid
# timeout: 150
#
# A process alone in a systemd unit is limited through systemd, where it stands: the unit stays what it was for systemctl,
# the kernel has the limits, and detach gives the unit its old properties back.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
manager=(--system)
[ "$LAB_VARIANT" != user ] || manager=(--user)
ctl() { systemctl "${manager[@]}" "$@"; }
cleanup() { ctl stop lab-stream 2>/dev/null || true; kill_jobs; }
trap cleanup EXIT
properties() { ctl show lab-stream -p CPUQuotaPerSecUSec -p CPUQuotaPeriodUSec -p CPUWeight -p MemoryMax -p MemoryHigh -p TasksMax -p AllowedCPUs -p IOWriteBandwidthMax; }

systemd-run "${manager[@]}" --quiet --unit=lab-stream -p MemoryMax=700M -p CPUWeight=70 \
    ffmpeg -nostdin -v error -re -f lavfi -i testsrc2=size=64x48:rate=5 -c:v mpeg4 -f null -
wait_for 20 sh -c "[ \"\$(cat /proc/$(ctl show -P MainPID lab-stream)/comm)\" = ffmpeg ]"
pid=$(ctl show -P MainPID lab-stream)
cgroup=$(cat "/proc/$pid/cgroup") before=$(properties)

ffrtmp attach --pid "$pid" --plan --cpu-max 60% --memory-max 300M >plan
grep -q 'unit lab-stream.service' plan || fail "plan: $(cat plan)"
grep -q 'SetUnitProperties' plan || fail "plan: $(cat plan)"
assert_eq "$before" "$(properties)" "--plan changed something"
# By the unit's name it is the same process, with its suffix or without.
for unit in lab-stream lab-stream.service; do
    ffrtmp attach --unit $unit --plan --json --cpu-max 60% >plan || fail "--unit $unit"
    assert_eq "$pid" "$(jq -r '[.[].pid] | join(" ")' plan)"
done

limits=(--cpu-max 60% --memory-max 300M --pids-max 60)
[ "$LAB_VARIANT" = user ] || limits+=(--nice 4)
[ "$LAB_VARIANT" != root ] || limits+=(--memory-high 250M --cpuset 0 --io-max "$PWD wbps=8M")
ffrtmp attach --pid "$pid" --job-id u1 --once --json "${limits[@]}" >job 2>err || fail "$(cat err)"
cat err
jq -e '.receipt.placement == "unit in place" and .receipt.unit == "lab-stream.service"' job >/dev/null || fail "$(cat job)"
jq -e '.receipt.limits | map(select(.strength != "enforced")) == []' job >/dev/null || fail "not all enforced: $(cat job)"
[ "$LAB_VARIANT" = hybrid ] || assert_eq "$cgroup" "$(cat "/proc/$pid/cgroup")" "it was moved"
grep -q lab-stream.service "/proc/$pid/cgroup" || fail "it left its unit"
dir=$(job_dir u1)
if [ "$LAB_VARIANT" = hybrid ]; then assert_eq $((300 << 20)) "$(cat "$dir/memory.limit_in_bytes")"
else assert_eq $((300 << 20)) "$(cat "$dir/memory.max")"; assert_eq "60000 100000" "$(cat "$dir/cpu.max")"; fi
assert_eq "$pid" "$(ctl show -P MainPID lab-stream)"
assert_eq active "$(ctl is-active lab-stream)"
grep -q 'governed already, by job u1' <(ffrtmp attach --pid "$pid" --nice 3 2>&1) || fail "governed twice"

# Of the unit's cgroup nothing is written by us: systemd does it.
strace -f -qq -y -s 100 -e trace=write,mkdirat,unlinkat -o trace ffrtmp set u1 --cpu-max 40% 2>err || fail "$(cat err)"
grep -q 'write(.*journal.json' trace || fail "the trace shows nothing: $(cat trace)"
! grep -E '(write|mkdirat|unlinkat)\([0-9]+</sys/fs/cgroup' trace || fail "wrote to cgroups that are not ours"
[ "$LAB_VARIANT" = hybrid ] || assert_eq "40000 100000" "$(cat "$dir/cpu.max")"
if [ "$LAB_VARIANT" != hybrid ]; then
    ffrtmp pause u1
    assert_eq 1 "$(sed -n 's/^frozen //p' "$dir/cgroup.events")"
    ffrtmp resume u1
    assert_eq 0 "$(sed -n 's/^frozen //p' "$dir/cgroup.events")"
fi
ffrtmp detach u1
assert_eq "$before" "$(properties)" "properties of the unit"
assert_eq 0 "$(sed 's/.*) //' "/proc/$pid/stat" | cut -d" " -f17)" "nice"
[ "$LAB_VARIANT" = hybrid ] || assert_eq "$cgroup" "$(cat "/proc/$pid/cgroup")"

# systemctl stop still ends it, and an observed end gives the unit its properties back.
ffrtmp attach --pid "$pid" --job-id u2 --cpu-max 50% 2>err &
wait_for 30 is_state u2 running
ctl stop lab-stream
wait_for 10 gone "$pid"
wait_for 20 is_state u2 ended

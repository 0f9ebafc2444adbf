# shellcheck shell=bash
# variants: root hybrid
#
# A cpuset binds the workload and whatever it asks for; weights are in the kernel's files.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

# The workload tries to widen its own affinity: a cpuset does not let it.
ffrtmp run --job-id c1 --cpuset 1 --cpu-weight 50 --io-weight 200 -d -- taskset -a -c 0,1 sleep 100
pid=$(job_pid c1)
wait_for 10 grep -q sleep "/proc/$pid/comm"
ffrtmp status --json c1 >c1.json
case $LAB_VARIANT in
    root)
        dir=$(job_dir c1)
        assert_eq 1 "$(sed -n 's/^Cpus_allowed_list:\t//p' "/proc/$pid/status")" "allowed CPUs"
        assert_eq 1 "$(cat "$dir/cpuset.cpus.effective")"
        assert_eq enforced "$(row c1.json cpuset.cpus .strength)"
        assert_eq 50 "$(cat "$dir/cpu.weight")" ;;
    hybrid)
        # systemd does not delegate v1 cpusets: affinity stands in, and the receipt says so.
        assert_eq advisory "$(row c1.json cpuset.cpus .strength)"
        grep -q 'not delegated' <<<"$(row c1.json cpuset.cpus .why)" || fail "why: $(row c1.json cpuset.cpus .why)"
        assert_eq 512 "$(cat "$(job_dir c1 cpu)/cpu.shares")" "shares for a weight of 50" ;;
esac
assert_eq 50 "$(row c1.json cpu.weight .in_force.raw)"
assert_eq enforced "$(row c1.json cpu.weight .strength)"
# Whether an I/O weight has an effect depends on the disk's scheduler: never claimed without BFQ or iocost.
if grep -q '\[bfq\]' /sys/block/vda/queue/scheduler; then
    assert_eq enforced "$(row c1.json io.weight .strength)"
else
    assert_eq advisory "$(row c1.json io.weight .strength)"
    row c1.json io.weight .why
fi

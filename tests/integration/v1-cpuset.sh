# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# cpuset.cpus and the thread fit: what a program sees as its CPUs.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 cpuset cpu
[ "$(nproc)" -ge 2 ] || skip "one CPU only"
last=$(awk '/^processor/ { n = $3 } END { print n }' /proc/cpuinfo)
expect 0 ffrtmp run --cpuset "$last" -- grep Cpus_allowed_list /proc/self/status
assert_eq "$last" "${out##*[[:space:]]}"
expect 0 ffrtmp run -q -d --cpuset "$last" --job-id "$TAG" -- sleep 30
assert_eq "$last" "$(cat "$(cgroup_dir "$(pid_of "$TAG")" cpuset)/cpuset.cpus")"
assert_eq "$(cat "$(v1_mount cpuset)/cpuset.mems")" "$(cat "$(cgroup_dir "$(pid_of "$TAG")" cpuset)/cpuset.mems")"
ffrtmp stop "$TAG"
expect 0 ffrtmp run --cpu-max 100% -- nproc
assert_eq 1 "$out" "CPUs that a workload with a quota of 100 % sees"
assert_contains "$err" "thread"
expect 0 ffrtmp run --cpu-max 100% --no-thread-fit -- nproc
assert_eq "$(nproc)" "$out"

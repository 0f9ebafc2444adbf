# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 120
# What cannot be adopted is told once, in one line, however often it is seen, and keeps nobody else from it. A job's tree is one job.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
# shellcheck source=tests/integration/watch.bash
. "$TESTS/watch.bash"
need_v1 memory
target=$(make_target)
cp "$(readlink -f "$(command -v bash)")" "${target}sh"
cat >rules.toml <<E
scan-interval = "200ms"
[[rule]]
name = "too-small"
targets = ["$target"]
commands = ["* 2000"]
[rule.limits]
memory-max = "4K"
[[rule]]
name = "all"
targets = ["$target*"]
[rule.limits]
nice = 6
E
start_watch --config rules.toml
./"$target" 2000 & refused=$!
wait_for 20 grep -q "not adopted: $target $refused, by rule too-small: " watch.err
./"$target" 1000 & taken=$!
wait_for 20 limited $taken
# A shell that is a target, and what it starts, which is one as well.
./"${target}sh" -c "sleep 0.3; ./$target 1001 & echo \$! >inner; wait" & shell=$!
wait_for 20 limited $shell
wait_for 20 test -s inner
wait_for 20 sh -c "[ -e /proc/$(cat inner)/exe ] && readlink /proc/$(cat inner)/exe | grep -q '$target\$'"
sleep 1.5    # several scans
! adopted "$(cat inner)" || fail "adopted out of a job's tree"
assert_eq 1 "$(wc -l <watch.err)" "lines on stderr: $(cat watch.err)"
assert_eq 2 "$(jobs_of_watch | wc -l)" "jobs"
no_leaves || fail "left $(leaves)"
stop_watch
kill $refused $taken "$(cat inner)" $shell 2>/dev/null || true

# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 180
# watch adopts what runs already and what starts, by the executable and nothing else, and leaves alone what is not for it.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
# shellcheck source=tests/integration/watch.bash
. "$TESTS/watch.bash"
need_v1 cpu memory
target=$(make_target)
cat >rules.toml <<E
[[rule]]
name = "not-these"
targets = ["$target"]
commands = ["* 166"]
leave-alone = true
[[rule]]
name = "fast"
targets = ["$target"]
commands = ["* 1??"]
[rule.limits]
cpu-max = "70%"
memory-max = "300M"
[[rule]]
name = "slow"
targets = ["${target%?}?"]
directories = ["$TMP/below"]
[rule.limits]
nice = 7
E
mkdir -p below/it belowit scripts
./"$target" 100 & before=$!
wait_for 20 runs_as $before "$target"
start_watch --config rules.toml
limited $before || fail "what ran before is not adopted: $(cat watch.err)"
job=$(job_of $before)
json "$FFRTMP_STATE_DIR/jobs/$job/record.json" '.rule == "fast" and .mode == "attach"' >/dev/null
assert_eq fast "$(ffrtmp status --json "$job" | jq -r .rule)"
assert_eq running "$(ffrtmp status --json "$job" | jq -r .state)"
assert_contains "$(cgroup_dir $before memory)" "$job"
assert_eq $((300 << 20)) "$(cat "$(cgroup_dir $before memory)/memory.limit_in_bytes")"
assert_eq 70000 "$(cat "$(cgroup_dir $before cpu)/cpu.cfs_quota_us")"

# What starts now. The second rule is for those that the first is not for.
./"$target" 101 & after=$!
(cd below/it && exec ../../"$target" 2000) & second=$!
(cd belowit && exec ../"$target" 2001) & neither=$!
wait_for 20 limited $after
wait_for 20 limited $second
assert_eq 7 "$(nices_of $second)"
assert_eq slow "$(ffrtmp status --json "$(job_of $second)" | jq -r .rule)"
# What an exception is for.
./"$target" 166 & except=$!
# What only calls itself so: argv[0], the name of its thread, a script of that name.
bash -c "exec -a $target sleep 100" & named=$!
printf "#!/bin/sh\nexec sleep 100\n" >"scripts/$target" && chmod +x "scripts/$target"
"scripts/$target" & script=$!
# What is a job already: with a cgroup of its own and without, below another program, and from another state folder.
ffrtmp run -q -d --job-id "$TAG-run" --memory-max 100M -- "$PWD/$target" 102
ffrtmp run -q -d --job-id "$TAG-bare" -- "$PWD/$target" 103
ffrtmp run -q -d --job-id "$TAG-tree" -- sh -c "./$target 105 & wait"
FFRTMP_STATE_DIR=$PWD/other ffrtmp run -q -d --job-id "$TAG-other" -- "$PWD/$target" 104
# One that starts last: when it is adopted, the others have been looked at. Its kind is the same when the program is replaced.
cp "$target" new
./"$target" 106 & last=$!
wait_for 20 limited $last
mv new "$target"
for pid in $neither $except $named $script; do
    runs "$pid" || fail "$pid has ended"
    ! adopted "$pid" || fail "adopted $(tr '\0' ' ' <"/proc/$pid/cmdline")"
done
assert_eq 4 "$(jobs_of_watch | wc -l)" "jobs of watch: $(jobs_of_watch)"
for name in run bare tree; do assert_eq run "$(ffrtmp status --json "$TAG-$name" | jq -r .mode)"; done
assert_eq "" "$(cat watch.err)" "errors"
# Looking again finds nothing new, also of programs that were replaced while they ran.
kill -HUP $watch
wait_for 20 watch_said READY=1 2
assert_eq 4 "$(jobs_of_watch | wc -l)" "jobs of watch: $(jobs_of_watch)"
assert_lacks "$(cat watch.err)" "not adopted"
# The end of each is written, and its cgroup goes.
dir=$(cgroup_dir $after memory)
job=$(job_of $after)
kill $after
wait_for 20 ended "$job"
wait_for 20 test ! -d "$dir"
result "$job" '.outcome == "signaled" or .outcome == "lost" or .outcome == "killed" or .outcome == "stopped"' >/dev/null
stop_watch
assert_eq unobserved "$(ffrtmp status --json "$(job_of $before)" | jq -r .state)"
assert_eq $((300 << 20)) "$(cat "$(cgroup_dir $before memory)/memory.limit_in_bytes")" "limits stay"
FFRTMP_STATE_DIR=$PWD/other ffrtmp stop --grace 1s "$TAG-other" 2>/dev/null || true
for name in run bare tree; do ffrtmp stop --grace 1s "$TAG-$name" 2>/dev/null || true; done
kill $before $second $neither $except $named $script $last 2>/dev/null || true
wait

# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# An encode with a child is attached with every limit that there is, limited, and detached: it ends up in its first
# cgroups with its first settings, and its file has every frame.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 cpu memory cpuset pids
live_encode 6 "$TMP/out.mp4"
sh -c '"$@" & wait' sh "${encode[@]}" &
top=$!
wait_for 20 pgrep -P $top
enc=$(pgrep -P $top)
taskset -a -pc 0 "$enc" >/dev/null
renice -n 2 -p "$enc" >/dev/null
before_top=$(settings_of $top) before_enc=$(settings_of "$enc")

expect 0 ffrtmp attach --pid $top --plan --cpu-max 80% --nice 7
assert_contains "$out" "into a cgroup of its own"
assert_contains "$out" "2 processes"
assert_eq "$before_top" "$(settings_of $top)" "--plan changed something"
[ ! -e "$FFRTMP_STATE_DIR/jobs/$TAG" ] && no_leaves || fail "--plan left something"

expect 0 ffrtmp attach --pid $top --job-id "$TAG" --once --json --cpu-max 80% --cpu-weight 50 --memory-max 300M --pids-max 500 --cpuset 0-1 --nice 7 --ionice idle --oom-score-adj 200
jq -e '.receipt.limits | map(select(.strength != "enforced")) == []' .out >/dev/null || fail "not all enforced: $(cat .out)"
for pid in $top "$enc"; do
    assert_eq 7 "$(nices_of "$pid")" "nice of every thread of $pid"
    for controller in cpu memory cpuset pids; do assert_contains "$(cgroup_dir "$pid" $controller)" "/ffrtmp/$TAG" "$pid in $controller"; done
    assert_eq 200 "$(cat "/proc/$pid/oom_score_adj")"
done
assert_eq 80000 "$(cat "$(cgroup_dir "$enc" cpu)/cpu.cfs_quota_us")"
assert_eq "current affinity list: 0" "$(taskset -pc "$enc" | sed 's/.*s c/c/')" "a tighter affinity is kept over the move"
expect 0 ffrtmp ps
assert_contains "$out" "$TAG"
expect 125 ffrtmp attach --pid "$enc" --nice 3
assert_contains "$err" "governed already, by job $TAG"

expect 0 ffrtmp detach "$TAG"
assert_eq "$before_top" "$(settings_of $top)" "settings of the shell"
assert_eq "$before_enc" "$(settings_of "$enc")" "settings of the encode"
no_leaves || fail "left $(leaves)"
expect 0 ffrtmp detach "$TAG"
wait $top || fail "the encode failed"
assert_playable out.mp4 6
assert_eq 150 "$(ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 out.mp4)" frames

# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 120
# alone
# blkio.throttle.write_bps_device holds a direct write to its rate; a path is resolved to the disk below it.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 blkio
device=$(findmnt -n -o SOURCE -T "$TMP")
[ -b "$device" ] || skip "no disk below $TMP ($device)"
dd if=/dev/zero of=probe bs=1M count=16 oflag=direct 2>dd.out || skip "no direct writes below $TMP"
awk '/copied/ { exit !($(NF - 3) < 1.6) }' dd.out || skip "the disk is too slow to tell: $(tail -n 1 dd.out)"
begin=$(date +%s%N)
expect 0 ffrtmp run --io-max "$TMP wbps=4M" --job-id "$TAG" --result-file r.json -- dd if=/dev/zero of=file bs=256K count=64 oflag=direct
seconds=$(awk -v t=$(($(date +%s%N) - begin)) 'BEGIN { print t / 1e9 }')
assert_near 4 "$seconds" 15 "seconds for 16 MB at 4 MB/s"
json r.json '.receipt[0].strength == "enforced"' >/dev/null
expect 0 ffrtmp run -q -d --io-max "$TMP wbps=4M riops=100" --job-id "$TAG-r" -- sleep 30
blkio=$(cgroup_dir "$(pid_of "$TAG-r")" blkio)
assert_contains "$(cat "$blkio/blkio.throttle.write_bps_device")" " 4194304"
assert_contains "$(cat "$blkio/blkio.throttle.read_iops_device")" " 100"
ffrtmp stop "$TAG-r"

# shellcheck shell=bash
# variants: root hybrid
# timeout: 90
#
# io.max holds direct writes and reads to their rates, by the kernel's own counters.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

# transferred DIR read|write: bytes so far.
transferred() {
    if [ -e "$1/io.stat" ]; then
        sed -n "s/.* ${2:0:1}bytes=\([0-9]*\).*/\1/p" "$1/io.stat"
    else
        awk -v what="$2" 'tolower($2) == what { print $3 }' "$1/blkio.throttle.io_service_bytes"
    fi
}

[ "$LAB_VARIANT" != root ] || make_parent
dd if=/dev/zero of=source bs=1M count=24 status=none
for place in $(places); do
    in_place "$place" --job-id "write-$place" --io-max "$PWD wbps=512K" -- \
        dd if=/dev/zero of="$PWD/$place" bs=32k count=640 oflag=direct status=none 2>"$place.err" &
    wait_for 20 is_state "write-$place" running
    grep -q 'io.max .*wbps=512K.*wbps=512K.*wbps=512K.*cgroup' "$place.err" || fail "receipt: $(cat "$place.err")"
done
ffrtmp run --job-id read-scope -q --io-max "$PWD rbps=1M" -- dd if=source of=/dev/null bs=64k iflag=direct status=none &
wait_for 20 is_state read-scope running
sleep 1.5
declare -A dir from since
jobs="read-scope"
for place in $(places); do jobs+=" write-$place"; done
for job in $jobs; do
    dir[$job]=$(job_dir "$job" blkio)
    since[$job]=${EPOCHREALTIME/./} from[$job]=$(transferred "${dir[$job]}" "${job%-*}")
done
sleep 6
for job in $jobs; do
    moved=$(($(transferred "${dir[$job]}" "${job%-*}") - from[$job])) time=$((${EPOCHREALTIME/./} - since[$job]))
    rate=$((moved * 1000000 / time / 1024))
    case $job in read-*) limit=1024 ;; *) limit=512 ;; esac
    echo "$job: $rate KB/s of $limit"
    [ $rate -le $((limit * 115 / 100)) ] || fail "$job: $rate KB/s where $limit are allowed"
    [ $rate -ge $((limit * 85 / 100)) ] || fail "$job: only $rate KB/s where $limit are allowed"
done

# shellcheck shell=bash
# shellcheck disable=SC2154  # work, bin, started, jobs, rounds and seconds are scripts/bench's
# Sourced by scripts/bench: what a live encode suffers from its neighbours, by the way in which both are started.

# shellcheck source=tests/stream_clock.bash
. "$repo/tests/stream_clock.bash"

rate=30

# as WAY ROLE COMMAND...: becomes the command, as a live or a batch workload in that way. $group is a cgroup of ours (v1, memory)
# that stands for a small host, or empty.
as() {
    local way=$1 role=$2
    shift 2
    if [ -n "$group" ] && [ "$way" != ffrtmp ]; then echo "$BASHPID" >"$group/tasks"; fi
    case $way.$role in
        bare.* | nice.live) exec "$@" ;;
        nice.batch) exec nice -n 19 "$@" ;;
        systemd-run.live) exec systemd-run --quiet --scope -p CPUWeight=1000 -p IOWeight=1000 "$@" ;;
        systemd-run.batch) exec systemd-run --quiet --scope -p CPUWeight=10 -p IOWeight=10 "$@" ;;
        ffrtmp.*)
            local more=()
            [ -z "$group" ] || more=(--cgroup-parent "/${group##*/}")
            [ "$role.$neighbour" != batch.memory ] || more+=(--memory-max 400M)
            exec "$bin/ffrtmp" run -q --exec --profile "$role" "${more[@]}" -- "$@" ;;
    esac
}

# The neighbours. Each writes what it got done to $work/done.N, in units of its own.
start_neighbours() {
    local i
    case $neighbour in
        none) ;;
        encodes)
            for ((i = 0; i < 2 * $(nproc); i++)); do
                (as "$1" batch ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=size=1280x720:rate=30 -c:v libx264 -preset medium -f null - \
                    -progress "$work/done.$i" -stats_period 0.2) & started+=($!) theirs+=($!)
            done ;;
        memory)
            # Whatever it is given, and again when it was killed for it.
            (as "$1" batch python3 -c 'import ctypes, os
while True:
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, 9)    # PR_SET_PDEATHSIG
        kept = []
        while True: kept.append(bytearray(os.urandom(1 << 16) * 64))
    os.wait()') & started+=($!) theirs+=($!) ;;
        disk)
            (as "$1" batch fio --name=neighbour --filename="$work/disk" --size=512M --rw=randwrite --bs=256k --ioengine=libaio --iodepth=32 --direct=1 \
                --time_based --runtime=120 --status-interval=1 --output-format=terse --output="$work/done.0") & started+=($!) theirs+=($!) ;;
    esac
}
# What they got done so far: frames, or kilobytes.
done_by_now() {
    case $neighbour in
        encodes) for file in "$work"/done.*; do sed -n 's/^frame=//p' "$file" | tail -n 1; done | awk '{ n += $1 } END { print n + 0 }' ;;
        disk) awk -F';' '{ kb = $47 } END { print kb + 0 }' "$work/done.0" 2>/dev/null || echo 0 ;;
        *) echo 0 ;;
    esac
}
stop_neighbours() {
    local pid
    for pid in "${theirs[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${theirs[@]}"; do wait "$pid" 2>/dev/null || true; done
    theirs=() started=()
}

# one_live WAY: prints "seconds late frames-missing done"; the encode is due to last $seconds.
one_live() {
    local begin end code=0 before after
    rm -f "$work"/done.* "$work"/live.*
    start_neighbours "$1"
    sleep 2
    before=$(done_by_now)
    begin=$(date +%s%N)
    (as "$1" live ffmpeg -nostdin -v error -y -re -f lavfi -i "testsrc2=size=1920x1080:rate=$rate:duration=$seconds" \
        -filter_complex "split[picture][rest];[rest]$CLOCK[clock]" \
        -map '[picture]' -c:v libx264 -preset veryfast -f mpegts -flush_packets 1 "$work/live.ts" \
        -map '[clock]' "${CLOCK_OUT[@]}" "$work/live.clock") >"$work/live.out" 2>&1 </dev/null || code=$?
    end=$(date +%s%N)
    after=$(done_by_now)
    stop_neighbours
    [ $code = 0 ] || echo "the live encode ended with $code: $(tail -n 1 "$work/live.out")" >&2
    ffprobe -v error -select_streams v -show_entries packet=pts_time -of csv=p=0 "$work/live.clock" | tr -d , |
        awk -v rate=$rate -v want=$((seconds * rate)) -v wall=$(((end - begin) / 1000000)) -v got=$((after - before)) '
            { t[NR] = $1 - (NR - 1) / rate; if (NR == 1 || t[NR] < base) base = t[NR] }
            END { for (i = 1; i <= NR; i++) { d = t[i] - base; late += d > 2 / rate; if (d > most) most = d }
                  printf "%.2f %d %d %.1f %d\n", wall / 1000, late, want - NR, got / (wall / 1000), most * 1000 }'
}

bench_neighbours() {
    local ways=(bare nice) way neighbour row group='' theirs=() rows=()
    need_packages ffmpeg python3 fio || exit 2
    [ ! -d /run/systemd/system ] || ways+=(systemd-run)
    ways+=(ffrtmp)
    [ -n "$rounds_given" ] || rounds=3
    [ -n "$seconds_given" ] || seconds=15
    state_on_tmpfs
    machine_facts >"$work/machine"
    show_machine "$work/machine"
    printf '%-10s %-12s %9s %12s %9s %14s %12s\n' neighbour 'started by' 'wall s' 'late frames' missing 'latest by ms' 'neighbour/s'
    for neighbour in none encodes memory disk; do
        group=
        if [ $neighbour = memory ]; then
            # A host of a gigabyte and a half, so that what is eaten is not this one's.
            group=/sys/fs/cgroup/memory/ffrtmp-bench
            if ! mkdir -p "$group" 2>/dev/null || ! echo 1500M >"$group/memory.limit_in_bytes"; then
                echo "left out: memory: no v1 memory controller to make a small host of"
                continue
            fi
        fi
        for way in "${ways[@]}"; do
            [ $neighbour != none ] || [ "$way" = bare ] || continue
            rows=()
            for ((i = 0; i < rounds; i++)); do rows+=("$(one_live "$way")"); done
            # Of the rounds: the worst for the live one, the mean of what its neighbours did.
            row=$(printf '%s\n' "${rows[@]}" | awk '{ if ($1 > w) w = $1; if ($2 > l) l = $2; if ($3 > m) m = $3; if ($5 > b) b = $5; d += $4 }
                END { printf "%.2f %d %d %d %.1f", w, l, m, b, d / NR }')
            # shellcheck disable=SC2086
            printf '%-10s %-12s %9s %12s %9s %14s %12s\n' $neighbour "$way" $row
        done
        [ -z "$group" ] || rmdir "$group" 2>/dev/null || true
    done
    echo "$rounds rounds: the worst for the live encode ($seconds s of 1080p30, x264 veryfast), the mean of what its neighbours did (frames or kB)"
}

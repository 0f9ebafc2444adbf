# shellcheck shell=bash
# shellcheck disable=SC2154  # work, bin, started, jobs, rounds and seconds are scripts/bench's
# Sourced by scripts/bench: what a live encode suffers from its neighbours, by the way in which both are started.

# shellcheck source=tests/stream_clock.bash
. "$repo/tests/stream_clock.bash"

rate=30
crowd_size=1280x720 crowd_preset=medium host_memory=1500M batch_memory=400M disk_size=512M

# as WAY ROLE COMMAND...: becomes the command, as a live or a batch workload in that way. $group stands for a small host: a cgroup of ours
# (v1, memory), or a delegated unit in $slice (v2); empty for the whole machine.
as() {
    local way=$1 role=$2 more=()
    shift 2
    if [ -n "$group" ]; then
        case $way.$slice in
            ffrtmp.) more+=(--cgroup-parent "/${group##*/}") ;;
            ffrtmp.*) more+=(--cgroup-parent "${group#/sys/fs/cgroup}") ;;
            systemd-run.?*) more+=(--slice "$slice") ;;
            *.) echo "$BASHPID" >"$group/tasks" ;;
            *) echo "$BASHPID" >"$group/plain/cgroup.procs" ;;
        esac
    fi
    # Where there is a setting for it, who eats memory is given a bound.
    case $way.$role.$neighbour in
        ffrtmp.batch.memory) more+=(--memory-max $batch_memory) ;;
        systemd-run.batch.memory) more+=(-p MemoryMax=$batch_memory) ;;
    esac
    case $way.$role in
        bare.* | nice.live) exec "$@" ;;
        nice.batch) exec nice -n 19 "$@" ;;
        systemd-run.live) exec systemd-run --quiet --scope -p CPUWeight=1000 -p IOWeight=1000 "${more[@]}" "$@" ;;
        systemd-run.batch) exec systemd-run --quiet --scope -p CPUWeight=10 -p IOWeight=10 "${more[@]}" "$@" ;;
        ffrtmp.*) exec "$bin/ffrtmp" run -q --exec --profile "$role" "${more[@]}" -- "$@" ;;
    esac
}

# make_small_host: into `group` and `slice`; what it has is its own, so that what is eaten is not this machine's. On v2 the whole
# is a slice, so that systemd's scopes fit into it; ours and what is started bare stand in a delegated unit there.
make_small_host() {
    slice=
    if [ -d /sys/fs/cgroup/memory ]; then
        group=/sys/fs/cgroup/memory/ffrtmp-bench
        mkdir -p "$group" 2>/dev/null && echo $host_memory >"$group/memory.limit_in_bytes"
        return
    fi
    [ -d /run/systemd/system ] && [ "$(id -u)" = 0 ] || return
    slice=ffrtmpbench.slice
    # In a file: systemd would take the dollars of an argument for its own.
    cat >"$work/host.sh" <<'H'
cd "/sys/fs/cgroup$(sed s/^0::// /proc/self/cgroup)" && mkdir aside plain && echo $$ >aside/cgroup.procs && exec sleep infinity
H
    systemd-run --quiet --collect --unit ffrtmp-bench-host --slice $slice -p Delegate=yes -p OOMPolicy=continue -p OOMScoreAdjust=-1000 sh "$work/host.sh" &&
        systemctl set-property --runtime $slice MemoryMax=$host_memory MemorySwapMax=0 || return
    group=/sys/fs/cgroup$(systemctl show -P ControlGroup ffrtmp-bench-host)
    for ((i = 0; i < 100; i++)); do
        ! grep -qs . "$group/aside/cgroup.procs" || return 0    # files in cgroups have no size
        sleep 0.1
    done
    return 1
}
drop_small_host() {
    if [ -n "$slice" ]; then
        systemctl stop ffrtmp-bench-host $slice 2>/dev/null || true
        systemctl revert $slice 2>/dev/null || true
    elif [ -n "$group" ]; then
        rmdir "$group" 2>/dev/null || true
    fi
    group='' slice=''
}

# The neighbours. Each writes what it got done to $work/done.N, in units of its own.
start_neighbours() {
    local i
    case $neighbour in
        none) ;;
        encodes)
            for ((i = 0; i < 2 * $(nproc); i++)); do
                (as "$1" batch ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=size=$crowd_size:rate=30 -c:v libx264 -preset $crowd_preset -f null - \
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
            (as "$1" batch fio --name=neighbour --filename="$work/disk" --size=$disk_size --rw=randwrite --bs=256k --ioengine=libaio --iodepth=32 --direct=1 \
                --time_based --runtime=120 --status-interval=1 --output-format=terse --output="$work/done.0") & started+=($!) theirs+=($!) ;;
    esac
}
# What they got done so far: frames, or kilobytes.
done_by_now() {
    case $neighbour in
        encodes) for file in "$work"/done.*; do [ ! -e "$file" ] || sed -n 's/^frame=//p' "$file" | tail -n 1; done | awk '{ n += $1 } END { print n + 0 }' ;;
        disk) awk -F';' '{ kb = $47 } END { print kb + 0 }' "$work/done.0" 2>/dev/null || echo 0 ;;
        *) echo 0 ;;
    esac
}
# begun: 0 while one of them has nothing done yet.
begun() {
    case $neighbour in
        encodes) if [ "$(grep -l '^frame=[1-9]' "$work"/done.* 2>/dev/null | wc -l)" -lt ${#theirs[@]} ]; then echo 0; else echo 1; fi ;;
        disk) [ "$(done_by_now)" != 0 ] && echo 1 || echo 0 ;;
        *) echo 1 ;;
    esac
}
stop_neighbours() {
    local pid
    for pid in "${theirs[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${theirs[@]}"; do wait "$pid" 2>/dev/null || true; done
    theirs=() started=()
}

# live OPTION...: the arguments of the live encode; options go before its input. It stamps its frames with the clock it saw.
live_arguments() {
    live=(ffmpeg -nostdin -v error -y "$@"
        -filter_complex "split[picture][rest];[rest]$CLOCK[clock]"
        -map '[picture]' -c:v libx264 -preset veryfast -f mpegts -flush_packets 1 "$work/live.ts"
        -map '[clock]' "${CLOCK_OUT[@]}" "$work/live.clock")
}
ticks() { ffprobe -v error -select_streams v -show_entries packet=pts_time -of csv=p=0 "$work/live.clock" | tr -d ,; }

# full_speed SIZE: how many frames a second it makes when it need not wait for the time to come, start and end left out.
full_speed() {
    local live
    live_arguments -f lavfi -i "testsrc2=size=$1:rate=$rate:duration=4"
    if ! "${live[@]}" >"$work/live.out" 2>&1 </dev/null; then
        # Two frames in one millisecond, which the stream's clock cannot tell apart.
        grep -q 'Invalid pts' "$work/live.out" || die "the encode failed: $(head -n 1 "$work/live.out")"
        echo 1000
        return
    fi
    ticks | awk '{ t[NR] = $1 } END { print int((NR - 30) / (t[NR] - t[30])) }'
}

# fit_size: sets `size` to the largest frame at which the live encode is done 1.4 times as fast as it has to be, or faster: it then needs
# most of the machine, and is in time when it is alone. Of two tries the slower one counts, for a machine that has its moments.
fit_size() {
    local one speed again fits=''
    for one in 64x36 96x54 128x72 160x90 192x108 224x126 256x144 320x180 384x216 448x252 512x288 640x360 854x480 1280x720 1920x1080; do
        speed=$(full_speed $one) again=$(full_speed $one)
        [ "$again" -ge "$speed" ] || speed=$again
        echo "alone and not held back: $speed frames a second of $one"
        [ "$speed" -ge $((rate * 14 / 10)) ] || break
        fits=$one size=$one
    done
    [ -n "$fits" ] || die "this machine is too slow for $rate frames a second of any size"
}

# one_live WAY: prints "seconds late frames-missing done latest died late-once-it-runs"; the encode is due to last $seconds. An encoder fills its
# lookahead in the first two of them, and then makes up for it: what it is late then says less than what comes after.
one_live() {
    local begin end code=0 before after live tries
    rm -f "$work"/done.* "$work"/live.*
    start_neighbours "$1"
    sleep "$lead"
    for ((tries = 0; tries < 120 && $(begun) == 0; tries++)); do sleep 0.5; done
    before=$(done_by_now)
    live_arguments -re -f lavfi -i "testsrc2=size=$size:rate=$rate:duration=$seconds"
    begin=$(date +%s%N)
    (as "$1" live "${live[@]}") >"$work/live.out" 2>&1 </dev/null || code=$?
    end=$(date +%s%N)
    after=$(done_by_now)
    stop_neighbours
    [ $code = 0 ] || echo "the live encode, $1 beside $neighbour, ended with $code: $(tail -n 1 "$work/live.out")" >&2
    { ticks || true; } 2>/dev/null |
        awk -v rate=$rate -v want=$((seconds * rate)) -v wall=$(((end - begin) / 1000000)) -v got=$((after - before)) -v died=$((code != 0)) '
            { t[NR] = $1 - (NR - 1) / rate; if (NR == 1 || t[NR] < base) base = t[NR] }
            END { for (i = 1; i <= NR; i++) { d = t[i] - base; late += d > 2 / rate; later += d > 2 / rate && i > 2 * rate; if (d > most) most = d }
                  printf "%.2f %d %d %.2f %d %d %d\n", wall / 1000, late, want - NR, got / (wall / 1000), most * 1000, died, later }'
}

bench_neighbours() {
    local ways=(bare nice) way neighbour row group='' slice='' theirs=() tool i lead=2
    for tool in ffmpeg python3 fio; do command -v $tool >/dev/null || need_packages $tool || exit 2; done
    [ ! -d /run/systemd/system ] || ways+=(systemd-run)
    ways+=(ffrtmp)
    [ -n "$rounds_given" ] || rounds=3
    [ -n "$seconds_given" ] || seconds=15
    state_on_tmpfs
    machine_facts >"$work/machine"
    show_machine "$work/machine"
    if [ "$size" = auto ]; then
        # A machine for which 1080p is too much gets smaller neighbours too, and they more time to begin.
        crowd_size=160x90 crowd_preset=veryfast host_memory=600M batch_memory=250M disk_size=128M lead=8
        fit_size
    fi
    fio --name=neighbour --filename="$work/disk" --size=$disk_size --rw=write --bs=1M --create_only=1 >/dev/null
    printf '%-10s %-12s %9s %12s %11s %9s %14s %6s %12s\n' neighbour 'started by' 'wall s' 'late frames' 'after 2 s' missing 'latest by ms' died neighbour/s
    for neighbour in none encodes memory disk; do
        if [ $neighbour = memory ] && ! make_small_host; then
            echo "left out: memory: nothing to make a small host of (a v1 memory controller, or systemd and root)"
            drop_small_host
            continue
        fi
        # They take turns, so that what else the machine does hits all alike.
        for ((i = 0; i < rounds; i++)); do
            for way in "${ways[@]}"; do
                [ $neighbour != none ] || [ "$way" = bare ] || continue
                one_live "$way" >>"$work/rows.$neighbour.$way"
            done
        done
        for way in "${ways[@]}"; do
            [ -e "$work/rows.$neighbour.$way" ] || continue
            # Of the rounds: the worst for the live one, the mean of what its neighbours did.
            row=$(awk '{ if ($1 > w) w = $1; if ($2 > l) l = $2; if ($3 > m) m = $3; if ($5 > b) b = $5; if ($7 > s) s = $7; d += $4; x += $6 }
                END { printf "%.2f %d %d %d %d %d %.1f", w, l, s, m, b, x, d / NR }' "$work/rows.$neighbour.$way")
            # shellcheck disable=SC2086
            printf '%-10s %-12s %9s %12s %11s %9s %14s %6s %12s\n' $neighbour "$way" $row
            [ -z "${BENCH_ROUNDS:-}" ] || sed 's/^/    /' "$work/rows.$neighbour.$way"
        done
        drop_small_host
    done
    echo "$rounds rounds: the worst for the live encode ($seconds s of $size, $rate frames a second, x264 veryfast), the mean of what its neighbours did (frames or kB)"
}

# In the lab's VM: unified cgroup v2 and systemd. The script itself runs there.
bench_neighbours_lab() {
    local status=0 options=(--size auto)
    [ -z "$rounds_given" ] || options+=(--rounds "$rounds")
    [ -z "$seconds_given" ] || options+=(--seconds "$seconds")
    mkdir "$work/payload"
    cp "$bin"/ffrtmp "$bin"/ffrtmp-systemd "$work/payload/"
    echo "in the lab's VM (emulated: times are not a real machine's, the ways beside each other are what counts)"
    LAB_EXEC_TIMEOUT=${LAB_EXEC_TIMEOUT:-3600} "$repo/scripts/lab" exec --bin "$work/payload" root \
        "BENCH_ROUNDS=${BENCH_ROUNDS:-} exec /lab/scripts/bench neighbours --bin /lab/bin ${options[*]}" || status=$?
    [ $status -eq 0 ] || die "the lab's run failed ($status)"
}

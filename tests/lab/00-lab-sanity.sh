# shellcheck shell=bash
# variants: root user bare hybrid
# timeout: 180
#
# The lab is what it claims to be. If this fails, believe no other test.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"

assert_eq systemd "$(cat /proc/1/comm)" "PID 1"
case $LAB_VARIANT in
    hybrid)
        assert_eq tmpfs "$(stat -f -c %T /sys/fs/cgroup)" "/sys/fs/cgroup"
        assert_eq cgroup2fs "$(stat -f -c %T /sys/fs/cgroup/unified)" "/sys/fs/cgroup/unified"
        for controller in cpu memory pids blkio cpuset freezer; do
            assert_eq cgroup "$(findmnt -n -o FSTYPE "$(readlink -f /sys/fs/cgroup/$controller)")" "v1 $controller"
        done
        assert_eq '' "$(cat /sys/fs/cgroup/unified/cgroup.controllers)" "controllers left for cgroup2" ;;
    *)
        assert_eq cgroup2fs "$(stat -f -c %T /sys/fs/cgroup)" "/sys/fs/cgroup"
        assert_eq /sys/fs/cgroup "$(cgroup2_root)"
        for controller in cpuset cpu io memory pids; do
            grep -qw $controller /sys/fs/cgroup/cgroup.controllers || fail "no $controller controller"
        done ;;
esac

me=$(cgroup_of $$)
case $LAB_VARIANT in
    root | hybrid)
        assert_eq 0 "$(id -u)"
        assert_eq /root "$HOME"
        [[ $me == /system.slice/*.service ]] || fail "not in a system service: $me"
        assert_eq running "$(systemctl is-system-running || true)" "state of the system"
        busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.DBus.Peer Ping
        # A delegated scope, with a controller enabled below it.
        systemd-run -q --unit=sanity-probe -p Delegate=yes sleep 60
        probe=$(systemctl show -P ControlGroup sanity-probe)
        grep -q . "$(cgroup2_root)$probe/cgroup.procs"
        systemctl stop sanity-probe ;;
    user)
        assert_eq 1500 "$(id -u)"
        assert_eq /run/user/1500 "${XDG_RUNTIME_DIR:-unset}" XDG_RUNTIME_DIR
        assert_eq unix:path=/run/user/1500/bus "${DBUS_SESSION_BUS_ADDRESS:-unset}" DBUS_SESSION_BUS_ADDRESS
        assert_eq yes "$(loginctl show-user lab -P Linger)" linger
        [[ $me == /user.slice/user-1500.slice/user@1500.service/* ]] || fail "not below the user manager: $me"
        assert_eq running "$(systemctl --user is-system-running || true)" "state of the user manager"
        busctl --user call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.DBus.Peer Ping
        systemd-run --user -q --scope -p MemoryMax=100M true ;;
    bare)
        assert_eq 1501 "$(id -u)"
        assert_eq unset "${XDG_RUNTIME_DIR-unset}" XDG_RUNTIME_DIR
        assert_eq unset "${DBUS_SESSION_BUS_ADDRESS-unset}" DBUS_SESSION_BUS_ADDRESS
        [ ! -e /run/user/1501 ] || fail "there is a /run/user/1501"
        ! busctl --user status >bus.log 2>&1 || fail "a user bus answers"
        ! busctl --system status >bus.log 2>&1 || fail "the system bus answers"
        [ ! -w "/sys/fs/cgroup$me/cgroup.procs" ] || fail "$me can be written to" ;;
esac

assert_eq "$PWD" "$LAB_TMP" "working directory"
assert_eq ext2/ext3 "$(stat -f -c %T .)" "file system"
assert_eq '' "$(ls -A --ignore=bus.log)" "files in a fresh directory"
[[ $PATH == "$LAB_BIN:"* ]] || fail "LAB_BIN is not first on PATH"

make_video clip.mp4 1
assert_eq 10 "$(ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 clip.mp4)" "frames from FFmpeg"
gst-launch-1.0 -q videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48 ! jpegenc ! avimux ! filesink location=clip.avi
assert_eq 5 "$(ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 clip.avi)" "frames from GStreamer"

# Limits bite here: 2 MB at 1 MB/s, on the disk of the working directory.
if [ "$LAB_VARIANT" = root ]; then
    started=$(date +%s%N)
    systemd-run -q --wait -p IOWriteBandwidthMax="$PWD 1M" \
        dd if=/dev/zero of="$PWD/throttled" bs=256k count=8 oflag=direct status=none
    took=$((($(date +%s%N) - started) / 1000000))
    [ $took -ge 1500 ] || fail "io.max does not hold: 2 MB took $took ms"
fi

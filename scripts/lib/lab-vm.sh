# shellcheck shell=bash
#
# Sourced by scripts/lab: the image's cache, the payload and the virtual machine.
# shellcheck disable=SC2154  # repo, lib, bin and accelerator are scripts/lab's
# shellcheck disable=SC2054  # commas in arrays are meant

cache_dir() {
    local base
    if [ -n "${FFRTMP_LAB_CACHE:-}" ]; then
        echo "$FFRTMP_LAB_CACHE"
    elif base=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}; [ -n "$base" ]; then
        echo "$base/ffrtmp-lab"
    else
        echo "/var/tmp/ffrtmp-lab-$UID"
    fi
}

# Sets `image` to the folder that holds the image of the present recipe; builds it when it is
# not there. A build appears under its final name only when it is complete.
ensure_image() {
    local cache key lock tmp started=$SECONDS old
    cache=$(cache_dir)
    key=$(sha256sum <"$lib/lab-image" | cut -c 1-16)
    image=$cache/$key
    if [ -e "$image/root.img" ]; then
        touch -c "$image" 2>/dev/null || true    # in use: see below
        return 0
    fi

    need_packages mmdebstrap e2fsprogs || return
    mkdir -p "$cache" || die "cannot make the cache folder $cache"
    exec {lock}>"$cache/lock"
    if ! flock -n "$lock"; then
        echo "lab: another build is running; waiting for it" >&2
        flock "$lock"
    fi
    if [ ! -e "$image/root.img" ]; then
        # While we hold the lock, these can only be left from a build that was killed.
        for old in "$cache"/building.*; do
            [ ! -d "$old" ] || rm -rf --one-file-system "$old"
        done
        tmp=$(mktemp -d "$cache/building.XXXXXX")
        chmod 755 "$tmp"
        mkdir "$tmp/image" "$tmp/root"
        echo "lab: building the image (a minute or two)" >&2
        # Debian's chroot tool needs a place that its user namespace can reach, which the
        # home of a user is not.
        if ! timeout -k 10 "${LAB_BUILD_TIMEOUT:-1200}" env \
            TMPDIR="$(if [ "$UID" -eq 0 ]; then echo "$tmp/root"; else echo /var/tmp; fi)" \
            "$lib/lab-image" "$tmp/image" </dev/null >"$tmp/log" 2>&1 {lock}>&-; then
            tail -n 30 "$tmp/log" >&2
            rm -rf --one-file-system "$tmp"
            die "the image could not be built"
        fi
        mv "$tmp/log" "$tmp/image/build.log"
        mv -T "$tmp/image" "$image"
        rm -rf --one-file-system "$tmp"
        # Images of other recipes may belong to another checkout that is still at work.
        find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +7 ! -path "$image" -exec rm -rf {} +
        echo "lab: image built in $((SECONDS - started)) s: $(du -sh "$image" | cut -f 1) in $image" >&2
    fi
    exec {lock}>&-
}

# make_payload PLAN FILE [EXEC-SCRIPT]: the tar that the guest reads as a disk.
make_payload() {
    local plan=$1 file=$2 script=${3:-} dir
    local tar=(tar --owner=0 --group=0 --numeric-owner --mode=u+rw,go+rX,go-w --dereference)
    "${tar[@]}" -cf "$file" -C "${plan%/*}" --transform 's,.*,plan,' "${plan##*/}"
    [ -z "$script" ] || "${tar[@]}" -rf "$file" -C "${script%/*}" --transform 's,.*,exec.sh,' "${script##*/}"
    if [ -d "$bin" ]; then
        "${tar[@]}" -rf "$file" -C "$bin" --transform 's,^\.,bin,' .
    fi
    for dir in tests/lab tests/stream_clock.bash systemd scripts types; do
        [ ! -e "$repo/$dir" ] || "${tar[@]}" -rf "$file" -C "$repo" "$dir"
    done
}

# The qemu command into `qemu`. $1 payload, $2 unit to start, $3 extra kernel arguments.
qemu_command() {
    local payload=$1 unit=$2 extra=$3
    # An old processor: wide vector instructions are slow to emulate, and the boot takes a
    # quarter longer with "max".
    local accel=tcg,thread=multi cpu=Nehalem
    [ "$accelerator" = tcg ] || { accel=$accelerator; cpu=host; }
    qemu=(qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none
          -machine pc -accel "$accel" -cpu "$cpu" -smp "${LAB_CPUS:-2}" -m "${LAB_MEM:-2048}"
          -kernel "$image/vmlinuz" -initrd "$image/initrd.img"
          -append "console=ttyS0 root=/dev/vda rootfstype=ext4 rw quiet fsck.mode=skip panic=-1 mitigations=off systemd.wants=$unit $extra ${LAB_APPEND:-}"
          -drive "file=$image/root.img,if=none,id=root,format=raw,snapshot=on,cache=unsafe"
          -device virtio-blk-pci,drive=root,addr=4
          -drive "file=$payload,if=none,id=payload,format=raw,readonly=on"
          -device virtio-blk-pci,drive=payload,serial=lab-payload,addr=5
          -device virtio-serial-pci -device virtio-rng-pci)
}

# qemu_port NAME FD: a virtio port of the guest that ends in this process's file descriptor.
qemu_port() {
    qemu+=(-chardev "file,id=$1,path=/proc/self/fd/$2" -device "virtserialport,chardev=$1,name=lab.$1")
}

# Make the text of a guest fit for a terminal: nothing in it may move the cursor, clear the
# screen or pass for a line of the report. UTF-8 goes through.
printable() {
    LC_ALL=C sed -e 's/\x1b/^[/g' -e 's/\xc2[\x80-\x9f]/?/g' -e 's/\r$//' | LC_ALL=C tr '\000-\010\013-\037\177' '?'
}

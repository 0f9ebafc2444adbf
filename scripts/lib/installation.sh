# shellcheck shell=bash
# Sourced by scripts/install and scripts/uninstall.

# In the order in which they are started anew.
UNITS=(ffrtmp-master.socket ffrtmp-master.service ffrtmp-watch.service ffrtmp-agent.service)

# put FROM TO: whoever runs or reads TO keeps the old file.
put() {
    mkdir -p "${2%/*}"
    cp -pT -- "$1" "$2.ffrtmp-new"
    chown "$(id -u):$(id -g)" "$2.ffrtmp-new"
    mv -fT -- "$2.ffrtmp-new" "$2"
}

# restart_running: services that run are started anew, and must come up. Sockets stay open.
restart_running() {
    local unit
    for unit in "${UNITS[@]}"; do
        [[ $unit != *.socket ]] && systemctl --quiet is-active "$unit" || continue
        systemctl restart "$unit" || { systemctl --no-pager --lines=5 status "$unit" >&2 || true; return 1; }
    done
}

# make_users: the users of the services, and for the agent's a user manager that is there without a login and is given all
# controllers. One that runs already is left alone: starting it anew would end what runs in it.
make_users() {
    local file uid dir
    for file in "$prefix"/lib/sysusers.d/ffrtmp-*.conf; do [ ! -f "$file" ] || systemd-sysusers "$file" || return; done
    for file in "$prefix"/lib/tmpfiles.d/ffrtmp-*.conf; do [ ! -f "$file" ] || systemd-tmpfiles --create "$file" || return; done
    [ -f "$prefix/lib/sysusers.d/ffrtmp-agent.conf" ] || return 0
    uid=$(id -u ffrtmp)
    dir=/etc/systemd/system/user@$uid.service.d
    if ! cmp -s "$prefix/share/ffrtmp/user-delegate.conf" "$dir/10-ffrtmp-delegate.conf"; then
        mkdir -p "$dir"
        cp "$prefix/share/ffrtmp/user-delegate.conf" "$dir/10-ffrtmp-delegate.conf"
        systemctl daemon-reload
        if systemctl --quiet is-active "user@$uid.service"; then
            echo "the controllers io and cpuset come with the next start of user@$uid.service (which ends what runs in it)"
        fi
    fi
    systemctl start "user@$uid.service" ||
        echo "no user manager for ffrtmp: jobs of the agent get no cgroup limits (Debian: apt install libpam-systemd dbus-user-session)" >&2
}

# drop_users_rights: no user manager for the agent's user any more. The users themselves stay: files may be theirs.
drop_users_rights() {
    local uid
    uid=$(id -u ffrtmp 2>/dev/null) || return 0
    rm -f /var/lib/systemd/linger/ffrtmp "/etc/systemd/system/user@$uid.service.d/10-ffrtmp-delegate.conf"
    rmdir "/etc/systemd/system/user@$uid.service.d" 2>/dev/null || true
    systemctl daemon-reload
    systemctl stop "user@$uid.service" || true
}

# workloads_of USER: how many processes it has besides its manager and the agent; nothing when none.
workloads_of() {
    local uid
    uid=$(id -u "$1")
    ps -o pid=,cgroup= -u "$uid" | awk '!/\/init\.scope|ffrtmp-agent\.service|dbus\.service/ { n++ } END { if (n) print n }'
}

# shellcheck shell=bash
# Sourced by the scripts that need Debian packages on the host.

# need_packages PKG...: install those that are missing. Costs one dpkg-query when all
# are there. Works as root or through sudo, without a terminal. Returns 1 after one
# line on stderr when a package cannot be had.
need_packages() {
    local pkg installed missing=() as_root=() log
    if ! command -v dpkg-query >/dev/null; then
        echo "need_packages: this is not a Debian system; install by hand: $*" >&2
        return 1
    fi
    # dpkg-query fails when it does not know one of the names: look at what it printed.
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null) || true
    for pkg in "$@"; do
        grep -qxF "installed $pkg" <<<"$installed" || missing+=("$pkg")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    if [ "$(id -u)" -ne 0 ]; then
        # With no terminal there is nobody to type a password.
        as_root=(sudo); [ -t 0 ] || as_root+=(-n)
        if ! command -v sudo >/dev/null; then
            echo "need_packages: missing ${missing[*]}, and neither root nor sudo to install them" >&2
            return 1
        fi
    fi
    echo "installing ${missing[*]}" >&2
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
               apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    # An update that fails (one broken third-party source is enough) is not yet a
    # reason to give up: the install decides.
    if ! log=$({ "${apt[@]}" update || true
                 "${apt[@]}" install --no-install-recommends "${missing[@]}"; } </dev/null 2>&1); then
        echo "need_packages: cannot install ${missing[*]}: $(grep -E '^(E:|sudo:|env:)' <<<"$log" | tail -n 1)" >&2
        return 1
    fi
}

# Shared by the set-up scripts: progress lines, rights, apt. Sourced, not run.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
LOG=.setup/setup.log
# Elapsed time counts from the first script, also in the scripts it calls.
export SETUP_STARTED="${SETUP_STARTED:-$(date +%s)}"

say() { printf '[%3ds] %s\n' "$(($(date +%s) - SETUP_STARTED))" "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
hash_of() { sha256sum | cut -c1-32; }

installed() { dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        # Through env: keeping variables by sudo itself needs a right of its own.
        sudo env DEBIAN_FRONTEND=$DEBIAN_FRONTEND LC_ALL=$LC_ALL ${http_proxy:+http_proxy="$http_proxy"} \
            ${https_proxy:+https_proxy="$https_proxy"} "$@"
    else
        die "this step needs root: run make setup once as root, or install sudo and try again ($*)"
    fi
}

# Runs a command into the log and shows that it is alive: its last line every few seconds.
long() {
    local title=$1 pid last=0
    shift
    say "$title ..."
    printf '\n== %s: %s\n' "$title" "$*" >>$LOG
    "$@" >>$LOG 2>&1 </dev/null 9>&- &
    pid=$!
    # A background command ignores Ctrl-C: pass it on.
    trap 'kill "$pid" 2>/dev/null; die "interrupted; run make setup again to go on"' INT TERM
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        last=$((last + 1))
        if [ $((last % 50)) = 0 ]; then
            say "  $(tail -n 1 $LOG | tr -d '\r' | cut -c1-90)"
        fi
    done
    trap - INT TERM
    wait "$pid"
}

# sudo must ask its password where it can be seen, before output goes to the log.
may_be_root() {
    [ "$(id -u)" = 0 ] || { have sudo && { sudo -n true 2>/dev/null || sudo -v; }; }
}

ask_rights() {
    [ "$(id -u)" = 0 ] || have sudo \
        || die "system packages must be installed: run make setup once as root" \
            "(or install sudo), afterwards an ordinary user can run it"
    may_be_root || die "sudo was refused: run make setup once as root"
}

apt_update() {
    [ -e .setup/apt-updated ] && [ $(($(date +%s) - $(stat -c %Y .setup/apt-updated))) -lt 600 ] \
        && return
    ask_rights
    # apt-get update succeeds with old lists when a mirror is away: ask it not to.
    long "package lists" as_root apt-get update -q -o APT::Update::Error-Mode=any \
        -o Acquire::Retries=2 || say "  some package lists could not be fetched; trying with the others"
    touch .setup/apt-updated
}

apt_install() {
    ask_rights
    if ! long "apt-get install" as_root apt-get install -y -q --no-install-recommends \
        -o Acquire::Retries=2 "$@"; then
        if tail -n 30 $LOG | grep -qE 'Failed to fetch|Could not resolve|Could not connect|Unable to locate'; then
            die "cannot get packages from the archive: check the network and the apt sources" \
                "(/etc/apt/sources.list*), then run make setup again"
        fi
        die "apt-get install failed, see the end of $LOG"
    fi
}

# The Debian mirror this machine already uses; on Ubuntu it must be named.
mirror() {
    if [ -n "${CALLCORE_DEBIAN_MIRROR:-}" ]; then
        echo "$CALLCORE_DEBIAN_MIRROR"
        return
    fi
    local codename
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(RELEASE) $(CODENAME)' \
        'Identifier: Packages' 2>/dev/null \
        | awk -v c="$codename" '$2 == "main" && ($3 == c || $4 == c) && $1 ~ /^(https?|file):/ && $1 !~ /ubuntu/ \
            {sub("/$", "", $1); print $1; exit}'
}

#!/bin/bash
# Make a folder (a Debian root) that holds a real Krita of another release, to test the plugin in it.
#
#   tests/real_krita/roots.sh 5.2 FOLDER      Debian trixie:        Krita 5.2, PyQt5
#   tests/real_krita/roots.sh 5.3 FOLDER      Debian sid:           Krita 5.3, PyQt5
#   tests/real_krita/roots.sh 6.0 FOLDER      Debian experimental:  Krita 6.0, PyQt6
#   tests/real_krita/roots.sh umount FOLDER   before FOLDER is deleted
#
# Needs root, Debian's debootstrap and 2 GB; takes about 3 minutes, or a second where FOLDER is ready.
# The last line says which Krita was met; an older one than asked for is an error.
set -euo pipefail

wanted=${1:?which Krita: 5.2, 5.3, 6.0 or umount}
root=${2:?the folder to make}

say() { echo "roots.sh: $*" >&2; }

case $wanted in
    5.2) suite=trixie packages=(krita python3-pyqt5) ;;
    5.3) suite=sid packages=(krita python3-pyqt5) ;;
    6.0) suite=sid packages=(krita/experimental krita-data/experimental python3-pyqt6) ;;
    umount)
        for inner in proc dev; do
            if mountpoint -q "$root/$inner"; then umount "$root/$inner"; fi
        done
        exit 0
        ;;
    *) say "$wanted is not known; use 5.2, 5.3, 6.0 or umount"; exit 2 ;;
esac
[ "$(id -u)" = 0 ] || { say "chroot needs root; run it with sudo"; exit 1; }
command -v debootstrap >/dev/null || { say "debootstrap is missing: apt-get install debootstrap"; exit 1; }

# The mirror that this machine itself uses. NST_DEBIAN_MIRROR names another.
machine_mirror() {
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }'
}

mount_inside() {
    mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
    mountpoint -q "$root/dev" || mount --bind /dev "$root/dev"
}

build() {
    local mirror=${NST_DEBIAN_MIRROR:-$(machine_mirror)}
    [ -n "$mirror" ] || { say "no Debian mirror in apt's configuration; set NST_DEBIAN_MIRROR"; exit 1; }
    [ -e "$root/etc/debian_version" ] && [ ! -d "$root/debootstrap" ] ||
        debootstrap --variant=minbase "$suite" "$root" "$mirror"
    mount_inside
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    # A snapshot of a mirror can be older than its release file allows.
    echo 'Acquire::Check-Valid-Until "false";' > "$root/etc/apt/apt.conf.d/99-valid-until"
    if [ "$wanted" = 6.0 ]; then
        echo "deb $mirror experimental main" > "$root/etc/apt/sources.list.d/experimental.list"
    fi
    chroot "$root" apt-get update -q
    chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        "${packages[@]}" xdotool
    chroot "$root" apt-get clean
}

krita_version() { chroot "$root" dpkg-query -W -f '${Version}' krita 2>/dev/null || true; }

if [ -z "$(krita_version)" ]; then build >&2; fi
mount_inside

met=$(krita_version)
[ -n "$met" ] || { say "Krita was not installed in $root"; exit 1; }
if dpkg --compare-versions "$met" lt "1:$wanted"; then
    say "asked for Krita $wanted, but $suite gave $met"
    exit 1
fi
echo "Krita $met in $root"

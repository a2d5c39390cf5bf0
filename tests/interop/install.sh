#!/bin/sh
# Installs or unpacks the POP3 servers that the interop tests talk to. Debian and root only.
#
#   install.sh [DIRECTORY]     default: $POPARCHIVE_INTEROP, else ~/.cache/poparchive-interop
#
# Debian's POP3 servers conflict with one another, so only those that can stand side by side are
# installed; the others are unpacked below DIRECTORY, one directory each, and started from there.
# Does nothing where all is there already. A server that cannot be had is named, and the rest goes
# on: its tests will be skipped.
set -eu

root=${1:-${POPARCHIVE_INTEROP:-$HOME/.cache/poparchive-interop}}
export DEBIAN_FRONTEND=noninteractive
apt="apt-get -qq -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root"

# Who is installed. No daemon of theirs is started, see below.
installed="dovecot-core dovecot-pop3d mailutils-pop3d perdition"
# What the tests and the unpacked servers need besides.
needed="openssl zstd procps libcourier-unicode4 libgamin0 libidn12 libltdl7 libgdbm6 gnutls-bin
  libical3 libpcre3 libxapian30 libzephyr4 libclamav12 liblockfile1
  sasl2-bin libsasl2-modules libsasl2-modules-db"
# Who is unpacked: directory and packages.
unpacked="courier:courier-pop,courier-base,courier-authlib,courier-authdaemon,courier-authlib-userdb
  cyrus:cyrus-pop3d,cyrus-common
  popa3d:popa3d
  solid:solid-pop3d"

say() { echo "interop: $*"; }

[ "$(id -u)" = 0 ] || { say "the servers need root; their tests will be skipped"; exit 0; }
command -v apt-get >/dev/null || { say "no apt-get here; the tests will be skipped"; exit 0; }

updated=
update() {
  [ -n "$updated" ] || $apt update >/dev/null || say "the package lists could not be renewed"
  updated=yes
}

have() { [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | cut -c1-2)" = ii ]; }

# Packages are configured without starting what they bring.
policy=/usr/sbin/policy-rc.d
quietly_install() {
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' > $policy; chmod 755 $policy
    trap 'rm -f $policy' EXIT
  fi
  $apt install -y --no-install-recommends "$@" >/dev/null 2>&1
}

missing=
for package in $needed $installed; do
  have "$package" || missing="$missing $package"
done
if [ -n "$missing" ]; then
  update
  # One that cannot be had must not keep the others away.
  # shellcheck disable=SC2086
  quietly_install $missing || for package in $missing; do
    quietly_install "$package" || say "$package could not be installed"
  done
fi

for entry in $unpacked; do
  name=${entry%%:*}
  packages=$(echo "${entry#*:}" | tr , ' ')
  [ ! -e "$root/$name/.complete" ] || continue
  update
  rm -rf "$root/$name" "$root/$name.debs"
  mkdir -p "$root/$name" "$root/$name.debs"
  # shellcheck disable=SC2086
  if (cd "$root/$name.debs" && $apt download $packages >/dev/null); then
    for file in "$root/$name.debs"/*.deb; do dpkg -x "$file" "$root/$name"; done
    for package in $packages; do
      echo "$package $(dpkg-deb -f "$root/$name.debs/$package"_*.deb Version)"
    done > "$root/$name/versions"
    touch "$root/$name/.complete"
  else
    say "$name could not be downloaded"
  fi
  rm -rf "$root/$name.debs"
done

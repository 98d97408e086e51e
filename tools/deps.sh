#!/bin/sh
# Installs what the tests need, on Debian as root; elsewhere it says what is missing.
set -eu
missing=
command -v promtool >/dev/null || missing="$missing prometheus"
command -v php >/dev/null && php -m 2>/dev/null | grep -qi '^soap$' || missing="$missing php-cli php-soap"
/usr/bin/python3 -c 'import zeep' 2>/dev/null || missing="$missing python3-zeep"
PATH=$PATH:/usr/sbin:/sbin
command -v mkfs.ext4 >/dev/null || missing="$missing e2fsprogs"
command -v mkfs.btrfs >/dev/null || missing="$missing btrfs-progs"
command -v gcc >/dev/null || missing="$missing gcc libc6-dev"
[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  echo "installing$missing"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
  echo "the tests need these Debian packages: apt-get install$missing" >&2
  exit 1
fi

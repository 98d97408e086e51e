#!/bin/sh
# Installs what the tests need, on Debian as root; elsewhere it says what is missing. It runs in the root of the repository.
set -eu
missing=
need() { missing="$missing $*"; }
command -v promtool >/dev/null && command -v prometheus >/dev/null || need prometheus
command -v php >/dev/null && php -m 2>/dev/null | grep -qi '^soap$' || need php-cli php-soap
/usr/bin/python3 -c 'import zeep' 2>/dev/null || need python3-zeep
/usr/bin/python3 -c 'import suds' 2>/dev/null || need python3-suds
/usr/bin/python3 -c 'import requests' 2>/dev/null || need python3-requests
command -v curl >/dev/null || need curl
command -v ruby >/dev/null || need ruby
command -v javac >/dev/null || need default-jdk-headless
[ -e /usr/share/java/jaxws-rt.jar ] || need libjaxws-java
command -v mcs >/dev/null || need mono-mcs
[ -e /usr/share/doc/libmono-system-servicemodel4.0a-cil ] ||
  need libmono-system-servicemodel4.0a-cil libmono-system-runtime-serialization4.0-cil
command -v npm >/dev/null || need nodejs npm
command -v chromium >/dev/null || need chromium fonts-dejavu-core
command -v buildah >/dev/null || need buildah
command -v busybox >/dev/null || need busybox-static
[ -f /etc/ssl/certs/ca-certificates.crt ] || need ca-certificates
PATH=$PATH:/usr/sbin:/sbin
command -v mkfs.ext4 >/dev/null || need e2fsprogs
command -v mkfs.btrfs >/dev/null || need btrfs-progs
command -v gcc >/dev/null || need gcc libc6-dev
if [ -n "$missing" ]; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing$missing"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  else
    echo "the tests need these Debian packages: apt-get install$missing" >&2
    exit 1
  fi
fi
node=e2e/testdata/node
cmp -s $node/package-lock.json $node/node_modules/.installed || {
  npm ci --prefix $node --ignore-scripts --no-audit --no-fund --silent
  cp $node/package-lock.json $node/node_modules/.installed
}

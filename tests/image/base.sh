#!/usr/bin/env bash
# Prints the name of an image to build the Dockerfile upon, with no image registry at hand.
#
# The Dockerfile's own base if this machine has it; else a stand-in from this machine's Rust toolchain
# on a Debian of the same release, made once per toolchain and kept in the container storage. It has a
# name of its own: nobody shall take it for the public image later.
#
# Usage: base.sh WORK_DIRECTORY
set -euo pipefail

readonly WORK=$1

public=$(sed -n 's/^ARG RUST_IMAGE=//p' Dockerfile)
if podman image exists "$public"; then
  echo "$public"
  exit
fi

toolchain=$(rustc --version --verbose | sed -n 's/^release: //p')
recipe=$(sha256sum < "$0")
readonly image=localhost/sddc-gateway-rust:$toolchain-bookworm-${recipe:0:8}
if podman image exists "$image"; then
  echo "$image"
  exit
fi

echo "making $image, once for this toolchain" >&2
readonly root=$WORK/base
# `--one-file-system`: an interrupted debootstrap leaves /proc mounted below.
rm -rf --one-file-system "$root"
trap 'rm -rf --one-file-system "$root"' EXIT
mkdir -p "$root"

# The mirror that this machine's own packages come from; debootstrap knows a default.
# shellcheck disable=SC2016 # apt-get's own variables
mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' 2> /dev/null \
  | sed -n 's/^Debian //p' | head -n 1)
debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates \
  bookworm "$root" ${mirror:+"$mirror"} > "$WORK/debootstrap.log" 2>&1 \
  || { tail -n 20 "$WORK/debootstrap.log" >&2; exit 1; }
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*

# Not the whole toolchain: its documentation is larger than the rest.
sysroot=$(rustc --print sysroot)
host=$(rustc --print host-tuple)
mkdir -p "$root/usr/local/lib/rustlib"
cp -a "$sysroot"/bin/{cargo,rustc} "$root/usr/local/bin/"
cp -a "$sysroot"/lib/*.so* "$root/usr/local/lib/"
cp -a "$sysroot/lib/rustlib/$host" "$root/usr/local/lib/rustlib/"

tar -C "$root" --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -cf - . \
  | podman import --quiet \
    --change ENV=CARGO_HOME=/usr/local/cargo \
    --change ENV=PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    - "$image" >&2
echo "$image"

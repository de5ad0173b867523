#!/usr/bin/env bash
# Makes what a release consists of, in $CARGO_TARGET_DIR/distrib: an archive with the static binary for
# each platform, an SBOM, container images, and the SHA-256 of each.
#
# The same commit gives the same bytes, wherever it is checked out: paths are remapped, every date is
# the commit's, and `rust-toolchain.toml` names the compiler. libc and the linker are those of this machine's
# Debian 12: on another release the bytes differ.
#
# DIST_TARGETS names the platforms, DIST_IMAGES=0 leaves the images out.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
readonly OUT=$TARGET_DIR/distrib
read -ra TARGETS <<< "${DIST_TARGETS:-x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu}"
readonly TARGETS
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
readonly VERSION
# Debian's own list: the system's may hold CAs of this machine's network.
readonly CA_FOLDER=/usr/share/ca-certificates/mozilla

main() {
  can_build
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
  SDDC_GATEWAY_COMMIT=$(git rev-parse HEAD)
  export SOURCE_DATE_EPOCH SDDC_GATEWAY_COMMIT
  rm -rf "$OUT"
  mkdir -p "$OUT"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT

  make_sbom
  local target
  for target in "${TARGETS[@]}"; do
    build "$target"
    pack "$target"
    [[ ${DIST_IMAGES:-1} == 0 ]] || make_image "$target"
  done
  (cd "$OUT" && sha256sum -- * > SHA256SUMS && cat SHA256SUMS)
}

can_build() {
  local missing=() target
  [[ -z $(git status --porcelain) ]] || missing+=('a commit: a release is built of one')
  for target in "${TARGETS[@]}"; do
    [[ -d $(rustc --print sysroot)/lib/rustlib/$target ]] || missing+=("rustup target add $target")
    command -v "$(c_compiler "$target")" > /dev/null || missing+=("$(c_compiler "$target"), a C compiler (apt-get install gcc-${target%%-*}-linux-gnu)")
  done
  [[ -x $TARGET_DIR/tools/bin/cargo-cyclonedx ]] || missing+=('tests/setup.sh dist')
  command -v jq > /dev/null || missing+=('apt-get install jq')
  if [[ ${DIST_IMAGES:-1} != 0 ]]; then
    command -v buildah > /dev/null || missing+=('apt-get install buildah (or DIST_IMAGES=0)')
    [[ -d $CA_FOLDER ]] || missing+=('apt-get install ca-certificates')
  fi
  ((${#missing[@]} == 0)) && return
  printf 'dist: this is missing:\n' >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 1
}

c_compiler() {
  if [[ $1 == "$(rustc --print host-tuple)" ]]; then echo cc; else echo "${1%%-*}-linux-gnu-gcc"; fi
}

# `amd64`, as images and Debian call it.
architecture() { case $1 in x86_64-*) echo amd64 ;; aarch64-*) echo arm64 ;; *) echo "${1%%-*}" ;; esac; }

build() {
  local target=$1 home=${CARGO_HOME:-$HOME/.cargo} linker
  linker=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<< "$target")_LINKER
  env "$linker=$(c_compiler "$target")" \
    RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$TARGET_DIR=/target \
      --remap-path-prefix=$PWD=/source --remap-path-prefix=$home=/cargo" \
    CFLAGS="-ffile-prefix-map=$TARGET_DIR=/target -ffile-prefix-map=$home=/cargo" \
    cargo build --profile dist --locked --target "$target" --bin sddc-gateway
}

pack() {
  local target=$1 name
  name=sddc-gateway-$VERSION-$target
  mkdir "$work/$name"
  git archive "$SDDC_GATEWAY_COMMIT" README.md SECURITY.md CHANGELOG.md LICENSE deploy | tar -x -C "$work/$name"
  cp "$TARGET_DIR/$target/dist/sddc-gateway" "$work/$name/"
  reproducible_tar "$work" "$name" | gzip --no-name -9 > "$OUT/$name.tar.gz"
}

reproducible_tar() {
  tar --directory "$1" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    --mode='u=rwX,go=rX' --format=gnu --create --file=- "${@:2}"
}

# What the binary is linked of: crates as `Cargo.lock` has them, and libc. From an export, because the tool writes beside
# each Cargo.toml; without its folder's name and without a random serial number.
make_sbom() {
  local export=$work/export
  mkdir "$export"
  git archive "$SDDC_GATEWAY_COMMIT" | tar -x -C "$export"
  PATH=$TARGET_DIR/tools/bin:$PATH cargo cyclonedx --manifest-path "$export/Cargo.toml" \
    --format json --spec-version 1.5 --no-build-deps --target "${TARGETS[0]}" --quiet
  jq --arg folder "file://$export" --arg libc "$(dpkg-query --show --showformat='${Version}' libc6-dev)" \
    --arg date "$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" \
    'walk(if type == "string" then gsub($folder; "file:///source") else . end)
      | del(.serialNumber) | .metadata.timestamp = $date
      | .components += [{type: "library", name: "glibc", version: $libc, purl: "pkg:deb/debian/libc6-dev@\($libc)"}]' \
    "$export/sddc-gateway.cdx.json" > "$OUT/sddc-gateway-$VERSION.cdx.json"
}

# The last stage of the Dockerfile around the binary that the archive has. In OCI's format: Docker's notes
# the name of the container that it was built in, by chance. OCI's has no place for a health check;
# `deploy/compose.yaml` and Kubernetes bring their own.
make_image() {
  local target=$1 context=$work/image-$1 image file
  image=sddc-gateway:$VERSION-$(architecture "$target")
  file=$OUT/sddc-gateway-$VERSION-image-$(architecture "$target").tar
  mkdir -p "$context/etc/ssl/certs"
  cp "$TARGET_DIR/$target/dist/sddc-gateway" "$context/"
  LC_ALL=C cat "$CA_FOLDER"/*.crt > "$context/etc/ssl/certs/ca-certificates.crt"
  chmod -R u=rwX,go=rX "$context"
  sed -e '1,/^FROM scratch/{/^FROM scratch/!d}' -e 's/COPY --from=build /COPY /' Dockerfile > "$context/Dockerfile"
  buildah bud --quiet --isolation chroot --no-cache --format oci --arch "$(architecture "$target")" \
    --timestamp "$SOURCE_DATE_EPOCH" --tag "$image" \
    --build-arg "VERSION=$VERSION" --build-arg "REVISION=$SDDC_GATEWAY_COMMIT" "$context"
  # An `oci-archive` is a tar of this folder, with the time of the moment in it.
  buildah push --quiet "$image" "oci:$context/oci:$image"
  reproducible_tar "$context/oci" blobs index.json oci-layout > "$file"
}

main

# The gateway in an image that holds nothing else: no shell, no package manager, no libc to patch.
# Builds with docker, podman and buildah. HEALTHCHECK is not part of the OCI image format: podman and
# buildah keep it only with `--format docker`.

ARG RUST_IMAGE=docker.io/library/rust:1.95.0-bookworm

FROM ${RUST_IMAGE} AS build
WORKDIR /build
# One self-contained file: Debian's glibc resolves names without NSS modules when linked statically.
# Cargo applies the flag to everything unless a target is named, and then proc macros fail to load:
# hence `--target` below, even though it is the machine's own.
ENV RUSTFLAGS="-C target-feature=+crt-static"

# Dependencies take minutes and change seldom: a layer of their own, built around empty crates.
COPY Cargo.toml Cargo.lock ./
COPY crates/base/Cargo.toml crates/base/
COPY crates/simulator/Cargo.toml crates/simulator/
COPY crates/vmware-cloud/Cargo.toml crates/vmware-cloud/
COPY tests/support/Cargo.toml tests/support/
# For builds without a network, `cargo vendor --locked vendor` and the `.cargo/config.toml` that it
# suggests may lie in the context. The patterns match nothing in an ordinary checkout; Cargo.toml is
# named along with them because a COPY must find at least one file.
COPY Cargo.toml .carg[o] .cargo/
COPY Cargo.toml vendo[r] vendor/
RUN mkdir -p src \
 && echo 'fn main() {}' > src/main.rs \
 && cp src/main.rs build.rs \
 && touch src/lib.rs \
 && for crate in crates/*; do mkdir "$crate/src" && touch "$crate/src/lib.rs" || exit 1; done \
 && cargo build --profile dist --locked --target "$(rustc --print host-tuple)"

# The commit, where the context has no `.git`; after the dependencies, which do not depend on it.
ARG REVISION=
ENV SDDC_GATEWAY_COMMIT=${REVISION}

COPY . .
# Sources may be older than the empty crates' artefacts, and cargo compares times.
RUN target="$(rustc --print host-tuple)" \
 && cargo clean --profile dist --workspace --target "$target" \
 && cargo build --profile dist --locked --target "$target" \
 && cp "target/$target/dist/sddc-gateway" /sddc-gateway

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="sddc-gateway" \
      org.opencontainers.image.description="Holds a VMware Cloud OAuth app's credentials, keeps one shared access token and answers GET /sddcs to internal services." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /sddc-gateway /sddc-gateway
# Inside a container loopback reaches nobody. A listener open to others needs a caller configured.
# What is large goes back to the system once it is done: glibc would keep it for the next one.
ENV SDDC_GATEWAY_API__LISTEN=0.0.0.0:8080 \
    SDDC_GATEWAY_OPS__LISTEN=0.0.0.0:9090 \
    MALLOC_MMAP_THRESHOLD_=262144
EXPOSE 8080 9090
# A number, because Kubernetes' `runAsNonRoot` cannot judge a name and there is no /etc/passwd.
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["/sddc-gateway", "healthcheck"]
ENTRYPOINT ["/sddc-gateway"]

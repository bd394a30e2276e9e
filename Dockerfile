# Countersign as a small image: one program, a user without rights, and nothing written
# outside of /var/lib/countersign. docs/containers.md says how to run it.
#
# A test builds this file with buildah and runs what comes out of it. In place of the two
# images it puts a minimal Debian, to compile in with a C compiler and the Rust of the
# other tests.

# The compiler.
ARG BUILD_IMAGE=rust:1.95-bookworm
# The C library, no older than the one in the image above; its shell is for emergencies.
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /source
COPY . .
# What was compiled and fetched stays for the next build, but not in a layer.
RUN --mount=type=cache,target=/source/target \
    --mount=type=cache,target=/usr/local/cargo/registry \
    CARGO_PROFILE_RELEASE_STRIP=debuginfo \
      cargo build --release --locked --package countersign \
    && mkdir -p /image/usr/local/bin /image/etc/ssl/certs \
    && cp target/release/countersign /image/usr/local/bin/ \
    # Accounts may publish their keys at https URLs: these authorities are believed.
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="Countersign" \
      org.opencontainers.image.description="Machine-to-machine authentication without passwords" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# The server takes no data directory that others can read. A new volume gets this owner and
# this mode.
RUN install -d -m 0700 -o 65532 -g 65532 /var/lib/countersign
COPY --from=build /image /

# A number: Kubernetes cannot see whether a name is root's.
USER 65532:65532
# The internal listener stays on the container's loopback, where `docker exec` reaches it.
# Variables win over a settings file: change the address of the public one here too.
ENV COUNTERSIGN_DATA_DIR=/var/lib/countersign \
    COUNTERSIGN_LISTEN=0.0.0.0:8080
EXPOSE 8080
VOLUME ["/var/lib/countersign"]
# It finds the server in the data directory, at whatever address, with or without TLS.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/countersign", "health"]
ENTRYPOINT ["/usr/local/bin/countersign"]
CMD ["serve"]

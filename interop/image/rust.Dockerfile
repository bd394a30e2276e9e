# Stands for the official image of Rust: the C compiler of Debian and, mounted by whoever
# builds with it, this machine's Rust and the sources of all libraries.
FROM localhost/debian
COPY archives /archives
RUN DEBIAN_FRONTEND=noninteractive dpkg --force-unsafe-io --install /archives/*.deb \
    && rm -r /archives
COPY config.toml /usr/local/cargo/
COPY ca-certificates.crt /etc/ssl/certs/
# The release profile, but compiled as fast as can be.
ENV PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    CARGO_HOME=/usr/local/cargo \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_PROFILE_RELEASE_DEBUG=none \
    CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0

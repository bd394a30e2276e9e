# A minimal Debian, from the archive that `cargo xtask tools` made: what the image of the
# server is put on in tests.
FROM scratch
ADD debian.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

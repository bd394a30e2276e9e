# What the image of the server is built in: the same Debian, and in the place of a compiler
# a program that hands out the server which was compiled before.
FROM localhost/debian
COPY cargo.sh /usr/local/bin/cargo
COPY countersign /usr/local/lib/countersign
COPY ca-certificates.crt /etc/ssl/certs/

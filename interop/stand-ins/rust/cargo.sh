#!/bin/sh
# Stands for cargo while a test builds the image: it wants what the real one would be told
# and would read, and "compiles" the server that is there already.
set -eu

wanted='build --release --locked --package countersign'
[ "$*" = "$wanted" ] || { echo "cargo was told '$*', expected '$wanted'" >&2; exit 1; }
# The real one reads the manifest of every member.
for file in Cargo.toml Cargo.lock crates/countersign/src/main.rs examples/Cargo.toml \
  interop/Cargo.toml benches/Cargo.toml testing/Cargo.toml vectors/Cargo.toml xtask/Cargo.toml
do
  [ -f "$file" ] || { echo "$file does not get into the build: see .dockerignore" >&2; exit 1; }
done
for name in .git docs deploy fuzz; do
  [ ! -e "$name" ] || { echo "$name gets into the build: see .dockerignore" >&2; exit 1; }
done

mkdir -p target/release
cp /usr/local/lib/countersign target/release/countersign

#!/bin/sh
# Starts Docker's engine where nobody else sees what it does: in a mount, a network and a
# process namespace of its own. DIRECTORY is where it keeps everything.
set -eu

ip link set lo up
mount -t proc proc /proc
for directory in /run /var/lib; do
  mount -t tmpfs none "$directory"
done
exec dockerd --data-root "$1/data" --exec-root /run/docker --host unix:///run/docker.sock \
  --pidfile /run/docker.pid

#!/bin/sh
# Runs a program of an image as container engines do, in mount and process namespaces of
# its own: ROOT VOLUME USER VARIABLE=VALUE... PROGRAM ARGUMENT...
#
# ROOT is the image's file system and cannot be written to; VOLUME is a directory that the
# program finds at /var/lib/countersign. There is no /tmp and no device.
set -eu

root=$1 volume=$2 user=$3
shift 3
mount --bind "$root" "$root"
mount -o remount,bind,ro,nosuid,nodev "$root"
mount --bind "$volume" "$root/var/lib/countersign"
mount -t proc proc "$root/proc"
exec chroot --userspec="$user" --groups="${user#*:}" "$root" /usr/bin/env -i "$@"

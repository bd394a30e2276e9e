#!/bin/sh
# What the entry point of the official image does with the variables that compose.yaml sets:
# a new cluster has this user, this password and this database.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
    --auth-host=scram-sha-256 --auth-local=trust --no-sync
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  # Nobody reaches it over the network before it is complete.
  pg_ctl --options='-c listen_addresses=' --wait start
  createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl --wait stop
fi
exec "$@"

#!/bin/bash
# As root: makes the directories, gives them to the user postgres, and goes on as that user, who
# makes a database where there is none, sets it up with a server that nobody else reaches, and runs.
set -e
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  chmod 3775 /var/run/postgresql
  find "$PGDATA" /var/run/postgresql ! -user postgres -exec chown postgres {} +
  exec gosu postgres "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username=postgres --auth-host=scram-sha-256 --pwfile=<(echo "$POSTGRES_PASSWORD")
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl --wait -o "-c listen_addresses=''" start
  psql --username=postgres --command="CREATE TABLE visits (at timestamptz)"
  pg_ctl --wait --mode=fast stop
fi
exec "$@"

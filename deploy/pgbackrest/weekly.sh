#!/bin/sh
# The proof that the newest backup can be restored: into a server of its own, which nobody else can reach and which is thrown away,
# with every table and index looked at; then word of it to the metrics. Once a week, from a timer of the host. It needs room for
# the database in the volume `spool`.

set -eu
cd "$(dirname "$0")/../.."
docker compose run --rm -T --no-deps postgres sh -ec '
  proof=${PROOF_FOLDER:-/var/spool/pgbackrest/proof}
  rm -rf "$proof"
  mkdir -m 700 "$proof"
  pgbackrest --stanza=plantao --pg1-path="$proof" --archive-mode=off restore
  pg_ctl --pgdata="$proof" --wait --timeout=7200 --log="$proof.log" \
    --options="-c hot_standby=off -c listen_addresses= -c unix_socket_directories=/tmp" start
  seconds=0
  until pg_isready --quiet --host=/tmp; do
    seconds=$((seconds + 1))
    [ "$seconds" -lt 7200 ]
    sleep 1
  done
  pg_amcheck --host=/tmp --username=plantao --database=plantao --install-missing
  psql --no-psqlrc --host=/tmp --username=plantao --dbname=plantao \
    --command="select max(received_at) as newest, count(*) as messages from message"
  pg_ctl --pgdata="$proof" --mode=immediate stop
  rm -rf "$proof" "$proof.log"'
docker compose run --rm -T tools node backup/command.ts record verify

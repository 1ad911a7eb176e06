#!/bin/sh
# pgbackrest.sh COMMAND…: pgbackrest in the container of PostgreSQL, with the passphrase, which its configuration must not hold.

set -eu
cd "$(dirname "$0")/../.."
# shellcheck disable=SC2016 # What is quoted is for the shell in the container.
exec docker compose exec -T postgres sh -c \
  'PGBACKREST_REPO1_CIPHER_PASS="$(cat /run/secrets/backup_passphrase)" exec pgbackrest --stanza=plantao "$@"' sh "$@"

#!/bin/sh
# A full backup, and word of it to the metrics. Once a day, from a timer of the host.

set -eu
cd "$(dirname "$0")/../.."
deploy/pgbackrest/pgbackrest.sh backup --type=full
docker compose run --rm -T tools node backup/command.ts record base

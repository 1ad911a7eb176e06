#!/bin/sh
# Makes what is missing in secrets/ (or in the folder that is named), and never touches what is there.
#
# The folder is closed to others; the files in it are readable, because ordinary users read them inside the containers, and
# you write into them when a secret changes. What only you can know is left empty (no such model) or as a line to be replaced.

set -eu
folder=${1:-secrets}
umask 077
mkdir -p "$folder"
cd "$folder"

# make NAME: keeps what comes in as the secret of that name, unless there is one.
make() {
  if [ -e "$1" ]; then
    cat >/dev/null
    echo "kept     $folder/$1"
  else
    tr -d '\n' >"$1.new"
    mv "$1.new" "$1"
    echo "made     $folder/$1"
  fi
}

[ -e .gitignore ] || echo '*' >.gitignore
openssl rand -hex 24 | make postgres_password
openssl rand -hex 24 | make redis_password
openssl rand -base64 32 | make master_key
: | make master_key_previous
openssl rand -hex 32 | make admin_api_key
openssl rand -hex 16 | make grafana_password
openssl rand -hex 36 | make backup_passphrase
echo "postgres://plantao:$(cat postgres_password)@pgbouncer:6432/plantao" | make database_url
echo "postgres://plantao:$(cat postgres_password)@postgres:5432/plantao" | make database_url_direct
echo "redis://default:$(cat redis_password)@redis:6379" | make redis_url
: | make gemini_api_key
: | make fallback_model_api_key
echo 'replace-me' | make pagerduty_routing_key
echo 'https://example.invalid/replace-me' | make slack_webhook_url
echo 'https://example.invalid/replace-me' | make watchdog_url
chmod 644 ./*

for name in *; do
  case $(cat "$name") in
  *replace-me*) echo "replace  printf %s '…' > $folder/$name" ;;
  esac
done
[ -s gemini_api_key ] || echo "fill in  printf %s '…' > $folder/gemini_api_key     (empty: no model, the bot quotes articles)"
echo
echo "Keep copies of $folder/master_key and $folder/backup_passphrase away from this machine: without the first no credential,"
echo 'name or address can be read again, and without the second no backup.'

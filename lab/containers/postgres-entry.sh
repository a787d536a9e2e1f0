#!/bin/sh
# The part of the official postgres image's entry point that compose.yaml relies on, over Debian's packages.
set -eu
data=/var/lib/postgresql/18/docker
bin=$(echo /usr/lib/postgresql/*/bin)
secret() { # NAME or NAME_FILE -> its value in NAME
    eval "file=\${$1_FILE:-}"
    [ -z "$file" ] || eval "$1=\$(cat \"$file\")"
}
secret POSTGRES_PASSWORD
mkdir -p "$data" /run/postgresql
chown -R postgres:postgres /var/lib/postgresql /run/postgresql
if [ ! -s "$data/PG_VERSION" ]; then
    umask 077
    printf %s "$POSTGRES_PASSWORD" >/tmp/password
    chown postgres /tmp/password
    gosu postgres "$bin/initdb" -D "$data" -U "${POSTGRES_USER:-postgres}" --pwfile=/tmp/password \
        --encoding=UTF8 --locale=C.UTF-8 --auth-host=scram-sha-256 --auth-local=trust >/dev/null
    rm /tmp/password
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    gosu postgres "$bin/pg_ctl" -D "$data" -o "-c listen_addresses=''" -w start >/dev/null
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sql) gosu postgres "$bin/psql" -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -f "$file" ;;
        *.sh) . "$file" ;;
        esac
    done
    gosu postgres "$bin/pg_ctl" -D "$data" -m fast -w stop >/dev/null
fi
[ "${1:-postgres}" != postgres ] || shift
exec gosu postgres "$bin/postgres" -D "$data" -c "listen_addresses=*" "$@"

#!/bin/sh
# Makes the files of secrets/ that compose.prod.yaml and the Helm chart take, and prints the SQL that gives the database
# roles their passwords. Files that exist are left as they are; the SQL goes with what they say.
#
#     infra/make_secrets.sh secrets db.internal:5432 [rabbitmq:5672] > roles.sql
#
# psql -f roles.sql, as the server's administrator, once; then keep roles.sql nowhere.
set -eu
[ $# -ge 2 ] || { echo "usage: $0 FOLDER POSTGRES_HOST:PORT [RABBITMQ_HOST:PORT]" >&2; exit 2; }
folder=$1 postgres=$2 rabbitmq=${3:-rabbitmq:5672}
# Databases elsewhere are spoken to over TLS, and have to show a certificate for their name.
mode=${BOTBERI_SSLMODE:-verify-full}
umask 077
mkdir -p "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
put() { # name, value: the folder is the owner's alone; containers read the files as another user.
    [ -e "$folder/$1" ] || printf '%s\n' "$2" >"$folder/$1"
    chmod 0444 "$folder/$1"
}
password_in() { sed -E 's|^[a-z]+://[^:]+:([^@]*)@.*|\1|' "$folder/$1"; }

role() { # role, then the files with its URLs: <prefix>_user_database_url, <prefix>_shared_database_url
    name=$1 secret=$(random)
    shift
    for file in "$@"; do
        case $file in *user_database_url) database=user_psql ;; *) database=shared_psql ;; esac
        [ ! -e "$folder/$file" ] || secret=$(password_in "$file")
        put "$file" "postgresql://$name:$secret@$postgres/$database?sslmode=$mode"
    done
    printf "CREATE ROLE %s LOGIN PASSWORD '%s';\n" "$name" "$secret"
}
user() { # RabbitMQ's user, then the files with its URL
    name=$1
    shift
    password=rabbitmq_$(echo "$name" | tr - _)_password
    put "$password" "$(random)"
    for file in "$@"; do
        put "$file" "amqp://$name:$(cat "$folder/$password")@$rabbitmq/"
    done
}

role botberi_owner migrate_user_database_url migrate_shared_database_url
role botberi_identity identity_user_database_url
role botberi_catalog catalog_shared_database_url catalog_worker_shared_database_url
role botberi_instance instance_shared_database_url
role botberi_broker broker_user_database_url broker_shared_database_url
role botberi_dispatcher dispatcher_shared_database_url
role botberi_worker worker_shared_database_url
role botberi_identity_worker identity_worker_user_database_url identity_worker_shared_database_url
echo "CREATE DATABASE user_psql OWNER botberi_owner ENCODING 'UTF8' TEMPLATE template0;"
echo "CREATE DATABASE shared_psql OWNER botberi_owner ENCODING 'UTF8' TEMPLATE template0;"
user admin
user gateway gateway_amqp_url
user broker broker_amqp_url
user dispatcher dispatcher_amqp_url
user worker worker_amqp_url
user identity-worker identity_worker_amqp_url
user catalog catalog_worker_amqp_url
user beat beat_amqp_url
user flower flower_amqp_url
put flower_basic_auth "flower:$(random)"
put artifacts_secret "$(random)"
put identity_secret "$(random)"
# Where mails go: put the address of your mail server there (env/prod/identity-worker.env.template).
put smtp_url "smtps://user:password@mail.example:465"
put grafana_password "$(random)"
put rabbitmq_cookie "$(random)"

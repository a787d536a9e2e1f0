#!/bin/sh
# Passwords in the environment -> RabbitMQ's definitions on standard output: one user a service, with what it needs.
# The server loads them at every start (rabbitmq.conf), so that a changed password counts from the next one.
set -eu

quoted() { # A password as JSON. Nothing in it needs escaping, or it is refused.
    case $1 in
    '' | *[!A-Za-z0-9_-]*)
        echo "users.sh: a password in rabbitmq.env is empty, or has other characters than letters, digits, - and _" >&2
        exit 1
        ;;
    esac
    printf '"%s"' "$1"
}

# `…_PASSWORD_FILE` names a file with the password, as Docker and Kubernetes hand out secrets.
for name in ADMIN GATEWAY BROKER DISPATCHER WORKER IDENTITY_WORKER CATALOG BEAT FLOWER; do
    eval "file=\${${name}_PASSWORD_FILE:-}"
    [ -z "$file" ] || eval "${name}_PASSWORD=\$(cat \"\$file\")"
done

users=
permissions=
user() { # name, password, tags, what it may declare, write to, read from
    secret=$(quoted "$2")
    users="$users${users:+,}{\"name\":\"$1\",\"password\":$secret,\"tags\":\"$3\"}"
    permissions="$permissions${permissions:+,}{\"user\":\"$1\",\"vhost\":\"/\",\"configure\":\"$4\",\"write\":\"$5\",\"read\":\"$6\"}"
}

# Events: the exchange event_bus, its queues and dead letters. Runs: Celery's exchange and queue, both called agents.
# Mails and the like: another such pair, called identity.
queues='(agents-dispatcher|audit-trail)([.]dead)?'
bus="event_bus([.].*)?|$queues"
identity='identity|celery.*|reply[.]celery.*|.*[.]pidbox'
celery='agents|celery.*|reply[.]celery.*|.*[.]pidbox'
user admin "${ADMIN_PASSWORD:-}" administrator '.*' '.*' '.*'
# Each service that declares queues binds them, too. It may write to all but the exchange itself: it publishes no event.
user gateway "${GATEWAY_PASSWORD:-}" '' "^($bus)$" "^(event_bus[.].*|$queues)$" "^($bus)$"
user broker "${BROKER_PASSWORD:-}" '' "^($bus)$" "^($bus)$" "^($bus)$"
# Celery sends to a queue by the default exchange.
user dispatcher "${DISPATCHER_PASSWORD:-}" '' "^($bus|agents)$" "^($bus|agents|amq[.]default)$" "^($bus|agents)$"
user worker "${WORKER_PASSWORD:-}" '' "^($celery)$" "^($celery|amq[.]default)$" "^($celery)$"
# The catalog's worker and beat, which says what is due: the queue `catalog`, and Celery's own. Beat only sends.
tasks='catalog'
user catalog "${CATALOG_PASSWORD:-}" '' "^($tasks|celery.*|reply[.]celery.*|.*[.]pidbox)$" \
    "^($tasks|celery.*|reply[.]celery.*|.*[.]pidbox|amq[.]default)$" "^($tasks|celery.*|reply[.]celery.*|.*[.]pidbox)$"
user beat "${BEAT_PASSWORD:-}" '' "^($tasks|celery.*)$" "^($tasks|celery.*|amq[.]default)$" "^($tasks)$"
user identity-worker "${IDENTITY_WORKER_PASSWORD:-}" '' "^($identity)$" "^($identity|amq[.]default)$" "^($identity)$"
user flower "${FLOWER_PASSWORD:-}" '' '^(celery.*|reply[.]celery.*|.*[.]pidbox)$' '^(celery.*|reply[.]celery.*|.*[.]pidbox)$' "^($celery|$tasks|identity)$"

printf '{"vhosts":[{"name":"/"}],"users":[%s],"permissions":[%s]}\n' "$users" "$permissions"

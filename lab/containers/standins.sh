#!/bin/sh
# Stand-ins for the public images that compose.yaml and the Dockerfiles name, made of packages of Debian 13, for a
# machine that reaches Debian's packages and no registry of images. Needs root, a Docker engine, and mmdebstrap.
#
#     lab/containers/standins.sh python      # python:3.13.9-slim
#     lab/containers/standins.sh services    # postgres, rabbitmq, nginx, prometheus, alertmanager
#
# Versions differ from those that the tags say (PostgreSQL 17, RabbitMQ 4.0, nginx 1.26, Prometheus 2.53): they try the
# compose file, not the images. An image that exists under its name is left as it is.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

there() { docker image inspect "$1" >/dev/null 2>&1; }
build() { # name, context: the Dockerfile comes from standard input
    there "$1" || docker build -q -t "$1" -f - "${2:-$here}" >/dev/null
    printf '%s\n' "$1"
}
packages() { # image, packages
    there "$1" && return
    mmdebstrap --quiet --variant=minbase --include="$2" trixie packages.tar
    docker import -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' packages.tar "$1" >/dev/null
    rm packages.tar
}

case ${1:-} in
python)
    packages botberi-standin:python ca-certificates,python3,python3-pip,python3-venv
    # The machine's own certificates, for one whose way to the package indexes has one of its own.
    cp /etc/ssl/certs/ca-certificates.crt .
    build python:3.13.9-slim . <<'D'
FROM botberi-standin:python
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
RUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED && ln -s /usr/bin/python3 /usr/local/bin/python
D
    ;;
services)
    packages botberi-standin:services \
        ca-certificates,postgresql-17,rabbitmq-server,nginx-light,prometheus,prometheus-alertmanager,wget,gosu,procps
    build "$(sed -n 's/^ *image: \(postgres:.*\)/\1/p' "$here/../../compose.yaml")" <<'D'
FROM botberi-standin:services
COPY postgres-entry.sh /usr/local/bin/docker-entrypoint.sh
RUN chmod 0755 /usr/local/bin/docker-entrypoint.sh
RUN mkdir -p /docker-entrypoint-initdb.d && ln -sf /usr/lib/postgresql/17/bin/* /usr/local/bin/
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
D
    build "$(sed -n 's/^ *image: \(rabbitmq:.*\)/\1/p' "$here/../../compose.yaml")" <<'D'
FROM botberi-standin:services
COPY rabbitmq-entry.sh /usr/local/bin/docker-entrypoint.sh
RUN chmod 0755 /usr/local/bin/docker-entrypoint.sh
RUN mkdir -p /etc/rabbitmq/conf.d && usermod -u 999 rabbitmq \
    && chown -R rabbitmq:rabbitmq /etc/rabbitmq /var/lib/rabbitmq /var/log/rabbitmq \
    && ln -sf /usr/lib/rabbitmq/bin/* /usr/local/sbin/
ENV HOME=/var/lib/rabbitmq
VOLUME /var/lib/rabbitmq
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["rabbitmq-server"]
D
    build "$(sed -n 's/^ *image: \(nginx:.*\)/\1/p' "$here/../../compose.yaml")" <<'D'
FROM botberi-standin:services
RUN useradd --system --no-create-home nginx
ENTRYPOINT ["nginx", "-g", "daemon off;"]
D
    build "$(sed -n 's/^ *image: \(prom\/prometheus:.*\)/\1/p' "$here/../../compose.yaml")" <<'D'
FROM botberi-standin:services
RUN install -d -o 65534 -g 65534 /prometheus
VOLUME /prometheus
USER 65534
ENTRYPOINT ["prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
D
    build "$(sed -n 's/^ *image: \(prom\/alertmanager:.*\)/\1/p' "$here/../../compose.yaml")" <<'D'
FROM botberi-standin:services
RUN install -d -o 65534 -g 65534 /alertmanager
VOLUME /alertmanager
USER 65534
ENTRYPOINT ["prometheus-alertmanager", "--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"]
D
    ;;
*)
    echo "usage: $0 python|services" >&2
    exit 2
    ;;
esac

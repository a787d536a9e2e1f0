#!/bin/sh
# The part of the official rabbitmq image's entry point that compose.yaml relies on.
set -eu
exec "$@"

#!/bin/bash
# Exit code 0 if RabbitMQ answers AMQP. A command of its own tools would start a virtual machine of Erlang for each look.
set -eu
exec 3<>/dev/tcp/127.0.0.1/5672
printf 'AMQP\x00\x00\x09\x01' >&3
IFS= read -r -N 1 -t 4 -u 3 answer
[ -n "$answer" ]

#!/bin/sh
# Starts the server, writes and reads a key, and tells one setting.
set -eu
redis-server /etc/redis/cowl.conf > /dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -S /run/redis.sock ] && break
    sleep 0.1
done
redis-cli -s /run/redis.sock set layers diffs
redis-cli -s /run/redis.sock get layers
redis-cli -s /run/redis.sock config get "$1" | tail -n 1

#!/bin/sh
# redis_primary.sh PASSWORD: this machine has the address now, so its Redis takes writes.
{
    date '+%F %T MASTER'
    REDISCLI_AUTH="$1" redis-cli REPLICAOF NO ONE
} >> /var/log/keepalived-redis.log 2>&1

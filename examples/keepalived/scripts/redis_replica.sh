#!/bin/sh
# redis_replica.sh PASSWORD ADDRESS PORT: the other machine has the address now, so this Redis copies.
{
    date '+%F %T BACKUP'
    # The other one needs a moment to become a primary.
    sleep 1
    REDISCLI_AUTH="$1" redis-cli REPLICAOF "$2" "$3"
} >> /var/log/keepalived-redis.log 2>&1

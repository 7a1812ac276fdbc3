#!/bin/sh
# redis_check.sh PASSWORD: good as long as Redis answers.
answer=$(REDISCLI_AUTH="$1" timeout 1 redis-cli PING 2>&1)
echo "$(date '+%F %T') CHECK $answer" >> /var/log/keepalived-redis.log
[ "$answer" = PONG ]

#!/bin/sh
# redis_note.sh WORD: writes it down.
date "+%F %T $1" >> /var/log/keepalived-redis.log

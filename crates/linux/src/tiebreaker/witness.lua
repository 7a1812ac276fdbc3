-- KEYS[1] the register. ARGV: the life I speak to, a name for a new life, me, my stamp, the newest stamp
-- of the other machine that I may take the vote from.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local was = redis.call('HMGET', KEYS[1], 'run', 'life', 'holder', 'stamp')
if was[1] ~= run then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'run', run, 'life', ARGV[2])
  return {-1, ARGV[2]}
end
if was[2] ~= ARGV[1] then return {-1, was[2]} end
if was[3] == ARGV[3] then
  if was[4] < ARGV[4] then redis.call('HSET', KEYS[1], 'stamp', ARGV[4]) end
  return {1}
end
if was[3] and was[4] > ARGV[5] then return {0, was[4]} end
redis.call('HSET', KEYS[1], 'holder', ARGV[3], 'stamp', ARGV[4])
return {1}

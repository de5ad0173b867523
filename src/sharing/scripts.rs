//! What is done in Redis, each step whole or not at all: one Lua script a step.
//!
//! A record is a hash: `fence`, `at` (when it was made, by Redis's clock, in ms), `body`, and
//! `issued`, the highest number of a lease that was given. Times are Redis's own, so that the clocks
//! of replicas need not agree; `at` is sealed with the body, and its replica counts it from the
//! moment of the lease: a record that arrives late is as old as it is. A number that is none, or larger than any that a lease can have, counts
//! as 0: whatever somebody else writes here is overwritten by the next record.

use std::sync::LazyLock;

use redis::Script;

/// Numbers of leases stay far below: Lua's are exact up to 2⁵³.
macro_rules! with_helpers {
    ($body:literal) => {
        concat!(
            "local function number(field)
               local value = tonumber(redis.call('HGET', KEYS[1], field) or '0')
               if not value or value < 0 or value > 4503599627370496 then return 0 end
               return math.floor(value)
             end
             local function now()
               local time = redis.call('TIME')
               return time[1] * 1000 + math.floor(time[2] / 1000)
             end
             ",
            $body
        )
    };
}

/// `KEYS` record, lease; `ARGV` known fence, owner, life of a lease in ms. Gives a record of a higher
/// fence than the known one, or what is left of another's lease, or a lease; of a life of 0, nothing.
/// No lease has more left than its life: what has was written by somebody else.
pub(super) static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(with_helpers!(
        "local kind = redis.call('TYPE', KEYS[1]).ok
         if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
         local known, published = tonumber(ARGV[1]), number('fence')
         if published > known then
           local at = number('at')
           local body = redis.call('HGET', KEYS[1], 'body') or ''
           return {'taken', published, at, now() - at, body}
         end
         if ARGV[3] == '0' then return {'busy', 0} end
         local left = redis.call('PTTL', KEYS[2])
         if left > 0 and left <= tonumber(ARGV[3]) then return {'busy', left} end
         local fence = math.max(number('issued'), published, known) + 1
         redis.call('HSET', KEYS[1], 'issued', fence)
         redis.call('SET', KEYS[2], ARGV[2] .. ' ' .. fence, 'PX', ARGV[3])
         return {'granted', fence, now()}"
    ))
});

/// `KEYS` record, lease; `ARGV` fence, owner, body, life of the record in ms, channel, name, when it was
/// made. Refused
/// (0) if a later lease was given or a later record is there.
pub(super) static PUBLISH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(with_helpers!(
        "local fence = tonumber(ARGV[1])
         if fence < number('issued') or fence <= number('fence') then return 0 end
         redis.call('HSET', KEYS[1], 'fence', fence, 'issued', fence, 'at', ARGV[7], 'body', ARGV[3])
         redis.call('PEXPIRE', KEYS[1], ARGV[4])
         if redis.call('GET', KEYS[2]) == ARGV[2] .. ' ' .. ARGV[1] then
           redis.call('DEL', KEYS[2])
         end
         redis.call('PUBLISH', ARGV[5], ARGV[1] .. ' ' .. ARGV[6])
         return 1"
    ))
});

/// `KEYS` lease; `ARGV` what it holds, its new life in ms (0: it is given back). 0: it is another's.
pub(super) static EXTEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
         if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
         return redis.call('PEXPIRE', KEYS[1], ARGV[2])",
    )
});

/// `KEYS` record. Gives the fence of its content.
pub(super) static FENCE: LazyLock<Script> =
    LazyLock::new(|| Script::new(with_helpers!("return number('fence')")));

/// `KEYS` budgets; `ARGV` how many in any window, and the window in ms. Takes one of each, or none.
pub(super) static SPEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(with_helpers!(
        "local budgets, at = {}, now()
         for i, key in ipairs(KEYS) do
           local spent = {}
           for time in string.gmatch(redis.call('GET', key) or '', '%d+') do
             local ago = at - tonumber(time)
             if ago >= 0 and ago < tonumber(ARGV[2]) then table.insert(spent, time) end
           end
           if #spent >= tonumber(ARGV[1]) then return 0 end
           table.insert(spent, string.format('%.0f', at))
           budgets[i] = table.concat(spent, ' ')
         end
         for i, key in ipairs(KEYS) do redis.call('SET', key, budgets[i], 'PX', ARGV[2]) end
         return 1"
    ))
});

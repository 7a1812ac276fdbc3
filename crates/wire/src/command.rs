//! What a command of a replication stream changes: which keys, or everything, or nothing.
//!
//! A small table of the write commands of Redis 5 to 8 and Valkey. It is about the forms that a
//! primary sends to its replicas: blocking commands, scripts and `SPOP` arrive as their effects. A
//! command that is not in it is [`Reach::Unknown`], never guessed; a server can be asked about it
//! with `COMMAND GETKEYS`.
//!
//! Source: the command tables of Redis (`src/commands/*.json`, key specifications).

use alloc::vec::Vec;

/// What a command changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach<'a> {
    /// Nothing: `PING` and `REPLCONF` keep the link alive.
    KeepAlive,
    /// The database that the following commands are about.
    Select(u64),
    /// `MULTI`: what follows belongs together.
    Multi,
    /// `EXEC`: the end of that.
    Exec,
    /// `PUBLISH`: a message for those who listen now, and no data.
    Message,
    /// These keys. Those of another database come with its number.
    Keys(Vec<Key<'a>>),
    /// A whole database, or all of them: `FLUSHALL`, `FLUSHDB`, `SWAPDB`.
    Everything,
    /// No key, but something of the server: scripts and functions.
    Server,
    /// Not known here.
    Unknown,
}

/// A key that a command names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key<'a> {
    /// The database; `None`: the one that is selected.
    pub db: Option<u64>,
    /// Its name.
    pub name: &'a [u8],
}

/// Where a command's keys stand among its arguments; the command is argument 0.
#[derive(Clone, Copy)]
enum At {
    /// The first argument.
    One,
    /// The first two.
    Two,
    /// All.
    All,
    /// Every second, from the first on.
    Pairs,
    /// The second.
    Second,
    /// All from the second on.
    FromSecond,
    /// The first, and as many as the second says.
    Counted,
    /// As many as the second says, behind it.
    Script,
    /// The first, and the one behind the word `STORE`, `STOREDIST`.
    Store,
    /// The first, here and in the database of the second.
    Move,
    /// The first, and the second in the database behind the word `DB`.
    Copy,
}

const TABLE: &[(At, &str)] = &[
    (
        At::One,
        "SET SETNX SETEX PSETEX GETSET GETDEL GETEX APPEND INCR DECR INCRBY DECRBY INCRBYFLOAT \
         SETRANGE SETBIT BITFIELD EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST RESTORE DELEX \
         LPUSH RPUSH LPUSHX RPUSHX LPOP RPOP LINSERT LSET LTRIM LREM SADD SREM SPOP ZADD ZINCRBY \
         ZREM ZREMRANGEBYSCORE ZREMRANGEBYRANK ZREMRANGEBYLEX ZPOPMIN ZPOPMAX HSET HMSET HSETNX \
         HINCRBY HINCRBYFLOAT HDEL HEXPIRE HPEXPIRE HEXPIREAT HPEXPIREAT HPERSIST HSETEX HGETEX \
         HGETDEL PFADD GEOADD XADD XTRIM XDEL XSETID XACK XCLAIM XAUTOCLAIM XACKDEL XDELEX VADD \
         VREM VSETATTR",
    ),
    (At::Two, "RENAME RENAMENX SMOVE RPOPLPUSH LMOVE BRPOPLPUSH BLMOVE ZRANGESTORE GEOSEARCHSTORE"),
    (At::All, "DEL UNLINK PFMERGE SUNIONSTORE SINTERSTORE SDIFFSTORE"),
    (At::Pairs, "MSET MSETNX"),
    (At::Second, "XGROUP"),
    (At::FromSecond, "BITOP"),
    (At::Counted, "ZUNIONSTORE ZINTERSTORE ZDIFFSTORE"),
    (At::Script, "EVAL EVALSHA FCALL"),
    (At::Store, "SORT GEORADIUS GEORADIUSBYMEMBER"),
    (At::Move, "MOVE"),
    (At::Copy, "COPY"),
];

/// What a command changes. `args` begins with its name; any bytes are allowed in any of them.
pub fn reach<T: AsRef<[u8]>>(args: &[T]) -> Reach<'_> {
    let Some((name, rest)) = args.split_first() else {
        return Reach::Unknown;
    };
    let name = name.as_ref();
    let is = |words: &str| words.split(' ').any(|word| name.eq_ignore_ascii_case(word.as_bytes()));
    match rest.first() {
        _ if is("PING REPLCONF") => return Reach::KeepAlive,
        _ if is("MULTI") => return Reach::Multi,
        _ if is("EXEC") => return Reach::Exec,
        _ if is("PUBLISH SPUBLISH") => return Reach::Message,
        _ if is("FLUSHALL FLUSHDB SWAPDB") => return Reach::Everything,
        _ if is("SCRIPT FUNCTION") => return Reach::Server,
        Some(db) if is("SELECT") => return number(db).map_or(Reach::Unknown, Reach::Select),
        _ => {}
    }
    let at = TABLE.iter().find(|(_, words)| is(words)).map(|(at, _)| *at);
    match at.and_then(|at| keys(at, rest)) {
        Some(keys) if !keys.is_empty() => Reach::Keys(keys),
        _ => Reach::Unknown,
    }
}

/// `None` where the arguments are not what the command takes.
fn keys<T: AsRef<[u8]>>(at: At, args: &[T]) -> Option<Vec<Key<'_>>> {
    let (first, second) = (args.first()?, args.get(1));
    Some(match at {
        At::One => here(args.get(..1)?),
        At::Two => here(args.get(..2)?),
        At::All => here(args),
        At::Pairs => {
            args.iter().step_by(2).map(|name| Key { db: None, name: name.as_ref() }).collect()
        }
        At::Second => here(args.get(1..2)?),
        At::FromSecond => here(args.get(1..)?),
        At::Counted => {
            let count = usize::try_from(number(second?)?).ok()?;
            let mut keys = here(args.get(..1)?);
            keys.extend(here(args.get(2..count.checked_add(2)?)?));
            keys
        }
        At::Script => {
            let count = usize::try_from(number(second?)?).ok()?;
            here(args.get(2..count.checked_add(2)?)?)
        }
        At::Store => {
            let mut keys = here(args.get(..1)?);
            let to = behind(args, "STORE").or_else(|| behind(args, "STOREDIST"));
            keys.extend(to.map(|name| Key { db: None, name: name.as_ref() }));
            keys
        }
        At::Move => {
            let name = first.as_ref();
            [None, Some(number(second?)?)].map(|db| Key { db, name }).into()
        }
        At::Copy => {
            let db = match behind(args, "DB") {
                Some(db) => Some(number(db)?),
                None => None,
            };
            [Key { db: None, name: first.as_ref() }, Key { db, name: second?.as_ref() }].into()
        }
    })
}

/// Keys of the selected database.
fn here<T: AsRef<[u8]>>(names: &[T]) -> Vec<Key<'_>> {
    names.iter().map(|name| Key { db: None, name: name.as_ref() }).collect()
}

/// The argument behind the last such word.
fn behind<'a, T: AsRef<[u8]>>(args: &'a [T], word: &str) -> Option<&'a T> {
    let is = |arg: &T| arg.as_ref().eq_ignore_ascii_case(word.as_bytes());
    let at = args.iter().rposition(is)?;
    args.get(at.checked_add(1)?)
}

pub(crate) fn number<T: AsRef<[u8]>>(arg: &T) -> Option<u64> {
    core::str::from_utf8(arg.as_ref()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;

    /// What a line of words changes; a key of another database as `db/key`.
    fn of(line: &str) -> String {
        let args: Vec<&str> = line.split(' ').collect();
        match reach(&args) {
            Reach::Keys(keys) => {
                let shown: Vec<String> = keys
                    .iter()
                    .map(|key| {
                        let name = String::from_utf8_lossy(key.name);
                        match key.db {
                            Some(db) => alloc::format!("{db}/{name}"),
                            None => name.into_owned(),
                        }
                    })
                    .collect();
                shown.join(" ")
            }
            other => alloc::format!("{other:?}"),
        }
    }

    #[test]
    fn the_keys_of_a_command() {
        for (line, keys) in [
            ("SET a 1 PXAT 99", "a"),
            ("set a 1", "a"),
            ("DEL a b c", "a b c"),
            ("MSET a 1 b 2", "a b"),
            ("RENAME a b", "a b"),
            ("SMOVE a b m", "a b"),
            ("BITOP AND d a b", "d a b"),
            ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "d a b"),
            ("ZUNIONSTORE d 3 a b", "Unknown"),
            ("ZUNIONSTORE d -1 a b", "Unknown"),
            ("ZUNIONSTORE d 18446744073709551615 a b", "Unknown"),
            ("EVAL s 2 a b c", "a b"),
            ("EVAL s 0 c", "Unknown"),
            ("XGROUP CREATE a g $", "a"),
            ("SORT a BY w STORE d", "a d"),
            ("SORT a STORE", "a"),
            ("GEORADIUS a 1 2 3 m STOREDIST d", "a d"),
            ("MOVE a 3", "a 3/a"),
            ("MOVE a x", "Unknown"),
            ("COPY a b DB 2 REPLACE", "a 2/b"),
            ("COPY a b", "a b"),
            ("SELECT 9", "Select(9)"),
            ("SELECT x", "Unknown"),
            ("PING", "KeepAlive"),
            ("replconf GETACK *", "KeepAlive"),
            ("MULTI", "Multi"),
            ("EXEC", "Exec"),
            ("PUBLISH a b", "Message"),
            ("FLUSHALL ASYNC", "Everything"),
            ("SWAPDB 0 1", "Everything"),
            ("FUNCTION LOAD x", "Server"),
            ("JSON.SET a $ 1", "Unknown"),
            ("SET", "Unknown"),
            ("RENAME a", "Unknown"),
            ("", "Unknown"),
        ] {
            assert_eq!(of(line), keys, "{line}");
        }
        assert_eq!(reach::<&[u8]>(&[]), Reach::Unknown);
        let binary: Vec<&[u8]> = vec![b"SET", b"\xff\x00\r\n", b"v"];
        assert_eq!(reach(&binary), Reach::Keys(vec![Key { db: None, name: b"\xff\x00\r\n" }]));
    }
}

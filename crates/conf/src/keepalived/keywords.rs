//! Every word of a `keepalived.conf`: where it stands, what it takes, what it means, and what Keepair
//! does with it.
//!
//! The one table. The readers take bounds from it, the hints for unknown words its names, and
//! `docs/keepalived-keywords.md` all of it, so none of them can tell a different story. The words are
//! keepalived's up to version 2.4; the sentences are ours.

use crate::keys::Key;
use crate::keys::nearest::distance;

pub(crate) mod document;
mod global;
mod instance;
mod lvs;
pub(crate) mod man;
mod trackers;

pub(crate) use global::GARP_EXTRA_IF_MOST;
pub(crate) use trackers::{LIFETIME_MOST, TRACK_FILE_MOST};

/// A block, by the words that may stand in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Scope {
    Top,
    Global,
    Script,
    TrackFile,
    TrackProcess,
    SyncGroup,
    Instance,
    Authentication,
    AuthHmac,
    Redis,
    RedisTls,
    TieBreaker,
    BreakerTls,
    TrackGroup,
    GarpGroup,
    Bfd,
}

impl Scope {
    /// All of them, in the order of the document.
    pub(crate) const ALL: [Scope; 16] = [
        Scope::Top,
        Scope::Global,
        Scope::Script,
        Scope::TrackFile,
        Scope::TrackProcess,
        Scope::SyncGroup,
        Scope::Instance,
        Scope::Authentication,
        Scope::AuthHmac,
        Scope::Redis,
        Scope::RedisTls,
        Scope::TieBreaker,
        Scope::BreakerTls,
        Scope::TrackGroup,
        Scope::GarpGroup,
        Scope::Bfd,
    ];

    /// How to name it in a sentence.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scope::Top => "the top level",
            Scope::Global => "`global_defs`",
            Scope::Script => "`vrrp_script`",
            Scope::TrackFile => "`track_file`",
            Scope::TrackProcess => "`vrrp_track_process`",
            Scope::SyncGroup => "`vrrp_sync_group`",
            Scope::Instance => "`vrrp_instance`",
            Scope::Authentication => "`authentication`",
            Scope::AuthHmac => "`auth_hmac`",
            Scope::Redis => "`redis`",
            Scope::RedisTls => "`tls`",
            Scope::TieBreaker => "`tiebreaker`",
            Scope::BreakerTls => "`tls` of `tiebreaker`",
            Scope::TrackGroup => "`track_group`",
            Scope::GarpGroup => "`garp_group`",
            Scope::Bfd => "`bfd_instance`",
        }
    }

    /// Whether it is ours: such a block stands once, and nothing in it is left out with a warning.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Scope::Redis | Scope::RedisTls | Scope::TieBreaker | Scope::BreakerTls)
    }

    /// The words that may stand in it.
    pub(crate) fn keywords(self) -> impl Iterator<Item = &'static Keyword> {
        all().filter(move |keyword| keyword.scope == self)
    }
}

/// What stands behind a word.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// on, off, true, false, yes or no; left out, it is on.
    Switch,
    /// A whole number from the first to the second.
    Number(i64, i64),
    /// Seconds with decimals; the bounds are microseconds.
    Seconds(u64, u64),
    /// One word, and what to call it.
    Word(&'static str),
    /// One word or none.
    OptionalWord(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// An IPv4 address.
    Address4,
    /// An IPv6 address.
    Address6,
    /// An address of either family.
    Address,
    /// The name of an interface.
    Interface,
    /// A script, and the user and group it runs as. The first one written holds.
    Script,
    /// A script, without a user.
    Command,
    /// A user and a group.
    User,
    /// The path of a named pipe, and the user and group it belongs to. The first one holds.
    Fifo,
    /// A password.
    Secret,
    /// A whole number from minus to plus this, and `reverse`.
    Weight(i64),
    /// Words of its own kind, and how to write them.
    Words(&'static str),
    /// What the key of `keepair.toml` takes, without quotes.
    Toml(&'static Key),
    /// A block.
    Block(Header, Body),
}

/// What stands between the word and the brace of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Header {
    /// Nothing.
    Bare,
    /// The name of what is defined.
    Name,
}

/// What stands between the braces of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Body {
    /// Keywords.
    Keywords(Scope),
    /// An entry to a line, written like this.
    Lines(&'static str),
    /// An entry to a word.
    Words(&'static str),
    /// Whatever, it is not looked at.
    Skipped,
}

/// What becomes of a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Support {
    /// It does what it does in keepalived.
    Full,
    /// It is ours: keepalived does not know it.
    Own,
    /// It does what this newer word does.
    Old(&'static str),
    /// It does its work while the files are read.
    Reading,
    /// It may stand there and does nothing, for this reason.
    NoEffect(&'static str),
    /// It is an error, for this reason: without it the machine would not do what was asked for.
    Refused(&'static str),
}

/// One word in one block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyword {
    pub(crate) name: &'static str,
    pub(crate) scope: Scope,
    pub(crate) takes: Takes,
    pub(crate) support: Support,
    /// Good arguments; for a block, good lines inside of it.
    pub(crate) example: &'static str,
    /// What it is for, one sentence.
    pub(crate) doc: &'static str,
}

/// Rows of `"name" takes, support, "example", "doc";` as the keywords of one block.
macro_rules! keywords {
    ($scope:ident: $($name:literal $takes:expr, $support:expr, $example:literal, $doc:literal;)*) => {
        &[$(Keyword {
            name: $name,
            scope: Scope::$scope,
            takes: $takes,
            support: $support,
            example: $example,
            doc: $doc,
        }),*]
    };
}
pub(crate) use keywords;

const TABLES: [&[Keyword]; 16] = [
    global::TOP,
    global::GLOBAL,
    trackers::SCRIPT,
    trackers::TRACK_FILE,
    trackers::TRACK_PROCESS,
    trackers::SYNC_GROUP,
    instance::INSTANCE,
    instance::AUTHENTICATION,
    instance::AUTH_HMAC,
    instance::REDIS,
    instance::REDIS_TLS,
    instance::TIE_BREAKER,
    instance::BREAKER_TLS,
    trackers::TRACK_GROUP,
    trackers::GARP_GROUP,
    lvs::BFD,
];

/// Every keyword in every block, but for those of LVS.
pub(crate) fn all() -> impl Iterator<Item = &'static Keyword> {
    TABLES.into_iter().flatten()
}

/// The word `name` in `scope`.
pub(crate) fn find(scope: Scope, name: &str) -> Option<&'static Keyword> {
    scope.keywords().find(|keyword| keyword.name == name)
}

/// Whether a line that begins with `name` is cut into words as lines with scripts are.
pub(crate) fn names_script(name: &str) -> bool {
    // Asked for every line.
    (name.starts_with("notify") || name.ends_with("script"))
        && all().any(|keyword| {
            keyword.name == name && matches!(keyword.takes, Takes::Script | Takes::Command)
        })
}

/// Whether a block of this name can't be inside of another.
pub(crate) fn is_top_block(name: &str) -> bool {
    let elsewhere = all().any(|keyword| keyword.name == name && keyword.scope != Scope::Top);
    !elsewhere && find(Scope::Top, name).is_some_and(|it| matches!(it.takes, Takes::Block(..)))
}

/// What to tell someone who wrote `word` in `scope`, where it does not belong.
pub(crate) fn hint(scope: Scope, word: &str) -> String {
    let lower = word.to_lowercase().replace('-', "_");
    let names = scope.keywords().map(|keyword| keyword.name);
    if let Some(name) = nearest_name(names, &lower) {
        return format!("did you mean `{name}`?");
    }
    let named = |name: &str| all().find(|keyword| keyword.name == name);
    if let Some(keyword) = named(&lower) {
        return match keyword.scope {
            Scope::Top => format!("`{}` stands outside of all blocks", keyword.name),
            other => format!("`{}` belongs in {}", keyword.name, other.name()),
        };
    }
    if let Some((name, _)) = lvs::WORDS.iter().find(|(name, _)| *name == word) {
        return format!("`{name}` belongs in a block of LVS");
    }
    let near = nearest_name(all().map(|keyword| keyword.name), &lower);
    if let Some(keyword) = near.and_then(named) {
        let place = keyword.scope.name();
        return format!("did you mean `{}`, which belongs in {place}?", keyword.name);
    }
    format!("see docs/keepalived-keywords.md for the words of {}", scope.name())
}

/// Of these names the one nearest to `word`, if one is near.
pub(crate) fn nearest_name<'n>(
    names: impl Iterator<Item = &'n str>,
    word: &str,
) -> Option<&'n str> {
    /// In a file with more, nobody looks for a misspelt one among them.
    const MOST: usize = 1_000;
    let allowed = |name: &str| 1 + name.len() / 5;
    let length = word.chars().count();
    names
        .take(MOST)
        // A letter more or less is a step at least; to count them is quick.
        .filter(|name| name.chars().count().abs_diff(length) <= allowed(name))
        .map(|name| (distance(word, name), name))
        .filter(|(steps, name)| *steps <= allowed(name))
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, name)| name)
}

//! The table of keywords: every word is read, every example is good, the document is of this table.

use std::path::Path;

use super::Files;
use crate::keepalived::cross;
use crate::keepalived::expand::Expander;
use crate::keepalived::file::File;
use crate::keepalived::found::{Found, OnDropped};
use crate::keepalived::keywords::{self, Header, Keyword, Scope, Support, Takes};
use crate::keepalived::read::Reader;
use crate::keepalived::{Limits, keywords_man, keywords_markdown};
use crate::{Diagnostic, Severity};

/// Whatever a line names is defined here. `@SCOPE` is where a line of this scope is put in.
const BASE: &str = "
@Top
global_defs {
router_id base
@Global
}
vrrp_script check {
script /bin/base
@Script
}
track_file standby {
file /run/base
@TrackFile
}
vrrp_track_process redis {
process base
@TrackProcess
}
track_group TG {
group { VI_9 }
@TrackGroup
}
garp_group {
garp_interval 9
@GarpGroup
}
vrrp_sync_group VG {
group { VI_8 VI_9 }
@SyncGroup
}
vrrp_instance VI_1 {
interface eth10
virtual_router_id 1
virtual_ipaddress { 10.0.0.1 }
@Instance
}
vrrp_instance VI_2 {
interface eth11
virtual_router_id 2
virtual_ipaddress { 10.0.0.2 }
track_script { check }
track_file { standby weight 0 }
track_process { redis }
redis {
tls {
@RedisTls
}
tiebreaker {
tls {
@BreakerTls
}
@TieBreaker
}
}
}
vrrp_instance VI_8 {
interface eth8
virtual_router_id 8
virtual_ipaddress { 10.0.0.8 }
}
vrrp_instance VI_9 {
interface eth9
virtual_router_id 9
virtual_ipaddress { 10.0.0.9 }
authentication {
auth_type PASS
auth_pass base
@Authentication
}
}
vrrp_instance VI_7 {
interface eth7
virtual_router_id 7
virtual_ipaddress { 10.0.0.7 }
auth_hmac {
key 1 base0123456789012345678901234567
active_key 1
@AuthHmac
}
redis {
@Redis
}
}
";

/// What a word needs beside it.
fn beside(keyword: &Keyword) -> &'static str {
    match (keyword.scope, keyword.name) {
        (_, "unicast_src_ip" | "check_unicast_src" | "old_unicast_checksum") => {
            "unicast_peer {\n172.18.0.5\n}"
        }
        (_, "username") => "password x",
        (Scope::RedisTls | Scope::BreakerTls, "cert") => "key /base",
        (Scope::RedisTls | Scope::BreakerTls, "key") => "cert /base",
        (_, "notify_fifo_script") => "notify_fifo /run/base",
        (_, "vrrp_notify_fifo_script") => "vrrp_notify_fifo /run/base",
        _ => "",
    }
}

fn line(keyword: &Keyword) -> String {
    let Keyword { name, example, .. } = keyword;
    match keyword.takes {
        Takes::Block(Header::Name, _) => format!("{name} NAME {{\n{example}\n}}"),
        Takes::Block(Header::Bare, _) => format!("{name} {{\n{example}\n}}"),
        _ => format!("{name} {example}"),
    }
}

/// The base, with these lines in this scope.
fn with(scope: Scope, lines: &str) -> String {
    let mut text = BASE.replace(&format!("@{scope:?}\n"), &format!("{lines}\n"));
    // Of these the first one holds.
    for (scope_of, word, base) in [
        (Scope::TrackFile, "\nfile ", "file /run/base\n"),
        (Scope::TrackProcess, "\nprocess ", "process base\n"),
    ] {
        if scope == scope_of && lines.contains(word) {
            text = text.replace(base, "");
        }
    }
    for other in Scope::ALL {
        text = text.replace(&format!("@{other:?}\n"), "");
    }
    text
}

/// The values, whatever is found.
fn values(text: &str) -> (File, Vec<Diagnostic>) {
    let machine = Files::new(text);
    let mut expander = Expander::new(&machine, "id", Limits::default(), 0);
    expander.read("/etc/keepalived.conf");
    let Expander { sources, mut found, tree, .. } = expander;
    let mut file = Reader::new(&mut found).file(&tree.into_nodes());
    let mut crossed = Found::default();
    cross::check(&mut file, &machine, &mut crossed);
    let mut diagnostics = found.finish(&sources, OnDropped::Refuse);
    diagnostics.extend(crossed.finish(&sources, OnDropped::Refuse));
    (file, diagnostics)
}

fn errors(diagnostics: &[Diagnostic]) -> Vec<String> {
    let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error);
    errors.map(ToString::to_string).collect()
}

#[test]
fn the_base_is_good() {
    let (_, diagnostics) = values(&with(Scope::Top, ""));
    assert_eq!(diagnostics, []);
}

#[test]
fn every_example_is_good() {
    for keyword in keywords::all() {
        // Blocks that are skipped are not looked at.
        if keyword.scope == Scope::Bfd {
            continue;
        }
        let beside = beside(keyword);
        let says = errors(&values(&with(keyword.scope, &format!("{beside}\n{}", line(keyword)))).1);
        match keyword.support {
            Support::Refused(_) => {
                assert_eq!(says.len(), 1, "{}", keyword.name);
                assert!(says[0].contains(" is refused"), "{}", keyword.name);
            }
            _ if keyword.name == "native_ipv6" => {
                assert!(says[0].contains("in an instance for IPv6"), "{says:?}");
            }
            _ => assert_eq!(says, Vec::<String>::new(), "{}", keyword.name),
        }
    }
}

#[test]
fn every_word_with_an_effect_has_one() {
    for keyword in keywords::all() {
        let beside = beside(keyword);
        let (without, _) = values(&with(keyword.scope, beside));
        let (with_it, _) = values(&with(keyword.scope, &format!("{beside}\n{}", line(keyword))));
        let same = format!("{without:?}") == format!("{with_it:?}");
        let has_effect = matches!(keyword.support, Support::Full | Support::Own | Support::Old(_));
        // Of these the base has the same, or a password that is not shown.
        let is_like_base = matches!(keyword.name, "auth_type" | "auth_pass" | "active_key");
        assert!(same != (has_effect && !is_like_base), "{:?} {}", keyword.scope, keyword.name);
    }
}

#[test]
fn a_word_stands_once_in_its_block_and_says_what_it_is_for() {
    let mut all: Vec<&Keyword> = keywords::all().collect();
    assert_eq!(all.len(), 327);
    for keyword in &all {
        assert_eq!(keywords::find(keyword.scope, keyword.name).unwrap().doc, keyword.doc);
        assert!(keyword.doc.ends_with('.') && keyword.doc.len() <= 110, "{}", keyword.doc);
    }
    all.sort_by_key(|keyword| (keyword.scope, keyword.name));
    all.dedup_by_key(|keyword| (keyword.scope, keyword.name));
    assert_eq!(all.len(), keywords::all().count());
}

#[test]
fn the_documents_are_written_from_the_table() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (name, expected) in [
        ("keepalived-keywords.md", keywords_markdown()),
        ("man/keepair-keepalived.conf.5", keywords_man()),
    ] {
        let path = docs.join(name);
        if std::env::var_os("KEEPAIR_WRITE_DOCS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &expected).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == expected,
            "{name}: write it anew: KEEPAIR_WRITE_DOCS=1 cargo test -p keepair-conf the_document"
        );
    }
}

/// The manual page has every word, and no line that roff would take for something else.
#[test]
fn the_manual_page_is_roff() {
    let page = keywords_man();
    for keyword in keywords::all() {
        assert!(page.contains(&keyword.name.replace('-', "\\-")), "{}", keyword.name);
    }
    for line in page.lines() {
        let request = line.split([' ', '\\']).next().unwrap_or_default();
        let known = [".", ".TH", ".SH", ".TP", ".PP", ".B", ".BI", ".BR", ".I"];
        assert!(
            !line.starts_with('\'') && (!line.starts_with('.') || known.contains(&request)),
            "{line}"
        );
    }
}

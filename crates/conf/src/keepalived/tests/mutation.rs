//! No text makes the reader or the renderer panic, every place named exists, and no password is told.

use super::Files;
use crate::keepalived::{Limits, Options, parse};
use crate::{Severity, keepalived::keywords};

/// xorshift64*: the same texts on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % limit.max(1)
    }
}

const PIECES: &[&str] = &[
    "\"",
    "'",
    "{",
    "}",
    "{ ",
    " }",
    "\\",
    "\\\n",
    "#",
    "!",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\0",
    "\u{1b}[31m",
    "\u{feff}",
    "\u{fffd}",
    "\u{e9}",
    "\u{1f600}",
    "\u{202e}",
    "$",
    "${",
    "$A",
    "${A}",
    "$A=",
    "$A=$A\n",
    "$A= \\\n${A} \\\n\n",
    "\n$B=${A}${A}\n",
    "${_RANDOM 1 0}",
    "${_ENV HOME}",
    "${_PWD}",
    "\n~SEQ(A,1,3) ",
    "\n~SEQx(A,-1,-99,-3) ",
    "\n~LST({A,B},{1,2}) ",
    "~SEQ(",
    "\n@redis-1 ",
    "\n@^redis-1 ",
    "@",
    "\ninclude more.conf\n",
    "\ninclude *\n",
    "\ninclude {a,{b,c}}*[a-\n",
    "\ninclude_check +match\n",
    "0",
    "-1",
    "99999999999999999999",
    "0.0000001",
    "1e9",
    "/",
    "/0",
    "::",
    "0.0.0.0/0",
    "weight",
    "\nunicast_peer { ",
    "\nauthentication { auth_type PASS\nauth_pass hunter2 }\n",
    "\nglobal_defs {\n",
    "\nvrrp_instance V {\n",
    "\nvirtual_routes {\n",
    "\non_dropped warn\n",
];

/// Every word with its example, wherever it may stand.
fn everything() -> String {
    let mut text = String::new();
    for keyword in keywords::all() {
        let keywords::Keyword { name, example, .. } = keyword;
        match keyword.takes {
            keywords::Takes::Block(keywords::Header::Name, _) => {
                text.push_str(&format!("{name} N {{\n{example}\n}}\n"));
            }
            keywords::Takes::Block(..) => text.push_str(&format!("{name} {{\n{example}\n}}\n")),
            _ => text.push_str(&format!("{name} {example}\n")),
        }
    }
    text
}

const GROWN: &str = "\
$N=7
$BODY= \\
vrrp_instance VI_${N} { \\
interface eth${N} \\
virtual_router_id ${N} \\
@redis-1 priority 200 \\
@^redis-1 priority 100 \\
virtual_ipaddress { \\
~SEQ(A, 1, 3) 10.0.${N}.${A}/24 dev eth0 brd + \\
} \\
virtual_routes { \\
default via 10.0.${N}.254 dev eth${N} table 100 mtu lock 1400 nexthop via 10.0.0.1 weight 2 \\
} \\
virtual_rules { \\
from 10.0.${N}.0/24 to all fwmark 0x1/0xff table main priority ${N} \\
} \\
}
~LST({N, M}, {1, 2}, {3, 4}) $BODY
include more.conf
global_defs { router_id \"a#b\" # c
notification_email { a${_HASH}b \"c d\" }
startup_script \"/a 'b c' \\x41\\102 \\\"d\\\"\" root
}
";

fn mutate(text: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(4) {
        let at = dice.below(chars.len() + 1);
        let end = (at + dice.below(30)).min(chars.len());
        let piece = PIECES[dice.below(PIECES.len())];
        match dice.below(5) {
            0 => drop(chars.drain(at..end)),
            1 => {
                let copied: Vec<char> = chars.drain(at..end).collect();
                let to = dice.below(chars.len() + 1);
                chars.splice(to..to, copied);
            }
            2 => drop(chars.splice(at..at, piece.chars())),
            3 => drop(chars.splice(at..end, piece.chars())),
            _ => chars.truncate(if dice.below(10) == 0 { at } else { chars.len() }),
        }
    }
    chars.into_iter().collect()
}

fn check(text: &str) {
    let text = format!("{text}\n==> more.conf\n$A=1 2\ntrack_file f {{\nfile /f\n}}\n");
    let limits = Limits { characters: 100_000, ..Limits::default() };
    let options = Options { config_id: "redis-1".to_owned(), limits, random_seed: 1 };
    let parsed = parse("/etc/keepalived.conf", &Files::new(&text), &options);
    let failed = parsed.diagnostics.iter().any(|one| one.severity == Severity::Error);
    assert_eq!(parsed.file.is_none(), failed, "{text}");
    for one in &parsed.diagnostics {
        let places = one.notes.iter().map(|note| (&note.file, &note.span, note.line, note.column));
        let own = (&one.file, &one.span, one.line, one.column);
        for (file, span, line, column) in places.chain([own]) {
            let source = parsed.sources.find(file).map(|file| parsed.sources.text(file)).unwrap();
            assert!(source.get(span.clone()).is_some(), "{one:?}\n{text}");
            assert!(line >= 1 && line <= source.matches('\n').count() + 1, "{one:?}\n{text}");
            assert!(column >= 1, "{one:?}");
        }
        let messages = one.notes.iter().map(|note| &note.message).chain([&one.message]);
        for message in messages.chain(&one.hint) {
            assert!(!message.contains(char::is_control), "{one:?}");
        }
    }
    // Drawing the same lines takes far longer than finding them.
    if text.len().is_multiple_of(8) {
        let shown = parsed.render(text.len().is_multiple_of(16));
        assert_eq!(shown.is_empty(), parsed.diagnostics.is_empty());
    }
}

#[test]
fn no_text_is_too_odd() {
    let everything = everything();
    let mut dice = Dice(0x6b65_6570_6169_7221);
    for round in 0..2_000 {
        let text = match round % 16 {
            0 => &everything,
            1..=7 => include_str!("example.conf"),
            _ => GROWN,
        };
        check(&mutate(text, &mut dice));
    }
}

#[test]
fn every_beginning_of_a_good_text() {
    for text in [GROWN, include_str!("example.conf")] {
        for (end, _) in text.char_indices() {
            check(&text[..end]);
        }
    }
}

#[test]
fn depth_and_length_are_no_trouble() {
    let pieces = [
        "{",
        "}",
        "a{",
        "\"",
        "'",
        "$",
        "${",
        "${A}",
        "$A=$",
        "@",
        "@a ",
        "~SEQ(A,1,9)",
        "\\",
        "\\\n",
        "{}",
        "a{\n}\n",
        "vrrp_instance V {\n",
        "virtual_ipaddress {\n}\n",
        "include more.conf\n",
        "include {a,b}\n",
        "include *\n",
        "script \"",
        "auth_pass x\n",
    ];
    for piece in pieces {
        check(&piece.repeat(3_000));
        check(&format!("vrrp_instance V {{\n{}", piece.repeat(1_000)));
    }
    check(&"{a,b}".repeat(60).replace("{a", "include {a"));
    check(&"x".repeat(100_000));
    check(&format!("track_interface {{\n{}}}", "eth0\n".repeat(10_000)));
    check(&format!("vrrp_instance V {{\n{}}}", "priority 1\nfoo\n".repeat(10_000)));
}

#[test]
fn no_diagnostic_tells_a_password() {
    let instance =
        "vrrp_instance V {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress { 10.0.0.1 }\n";
    for lines in [
        "authentication {\nauth_type PASS\nauth_pass hunter2hunter2\n}",
        "authentication {\nauth_type PASS\nauth_pass hunter2 hunter2\n}",
        "authentication {\nauth_type PASS\nauth_pass \"hunter2\n}",
        "authentication {\nauth_type PASS\nauth_pas hunter2\n}",
        "authentication {\nauth_pass hunter2\n}",
        "authentication {\nauth_type PASS\nauth_pass $hunter2\n}",
        "authentication {\nauth_type PASS\nauth_pass hunter2 {\n}\n}",
        "$PASSWORD=hunter2hunter2\nauthentication {\nauth_type PASS\nauth_pass $PASSWORD\n}",
        "auth_hmac {\nkey 1 hunter2\nactive_key 1\n}",
        "auth_hmac {\nkey 1 hex:hunter2\nactive_key 2\n}",
        "auth_hmac {\nkey 300 hunter2\n}",
        "auth_hmac {\nkey 1 hunter2 hunter2\n}",
        "notify_master \"/a hunter2\" nobody x y",
        "notify_master /a hunter2 hunter2 hunter2",
        "notify_master \"a hunter2\"",
        "notify_master \"/a hunter2",
        "notify_master /a 'hunter2",
        "notify_deleted /a 1 2 hunter2",
        "redis {\npassword hunter2 hunter2\n}",
        "redis {\npassword hunter2\npassword_file x\n}",
        "redis {\npasword hunter2\n}",
        "redis {\ntiebreaker {\nwitness redis://:hunter2@h x\n}\n}",
        "redis {\ntiebreaker {\nwitness redis://:hun hunter2@h\n}\n}",
        "redis {\ntiebreaker {\nwitnes redis://:hunter2@h\n}\n}",
        "redis {\ntiebreaker {\nwitness redis://:hunter2@h {\n}\n}\n}",
        "redis {\ntiebreaker {\ngateway redis://:hunter2@h\n}\n}",
        "redis {\ntiebreaker {\ngateway auto redis://:hunter2@h\n}\n}",
        "redis {\ntiebreaker {\netcd http://a:hunter2@h\nhttp://a:hunter2@i\n}\n}",
        "redis {\ntiebreaker {\netcd \"http://a:hunter2@h\n}\n}",
        "redis {\ntiebreaker redis://:hunter2@h {\n}\n}",
        "redis {\ntiebreaker redis://:hunter2@h\n}",
    ] {
        let parsed = super::read(&format!("{instance}{lines}\n}}\n"));
        assert!(!parsed.diagnostics.is_empty(), "{lines}");
        let mut shown = parsed.render(false);
        for one in &parsed.diagnostics {
            shown.push_str(&format!("{one} {one:?}"));
        }
        assert!(!shown.contains("hunter2"), "{lines}\n{shown}");
    }
    let script = "vrrp_script s {\nscript /a hunter2\nweight x\n}\n";
    let parsed = super::read(script);
    assert!(!parsed.render(false).contains("hunter2"), "{}", parsed.render(false));
}

//! No text makes the reader or the renderer panic, and every place named exists.

use super::GOOD;
use crate::{Severity, default_toml, parse, render};

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
    "\"\"\"",
    "'''",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "#",
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "\0",
    "\u{1b}[31m",
    "\u{feff}",
    "\u{e9}",
    "\u{1f600}",
    "\u{202e}",
    "\\",
    "\\u0000",
    "0",
    "-1",
    "1e999",
    "nan",
    "0x",
    "true",
    "1979-05-27",
    "99999999999999999999",
    "[redis]\n",
    "[[node]]\n",
    "[node]\n",
    "[redis.tls]\n",
    "node = 1\n",
    "redis.tls = 1\n",
    "vip.x = 1\n",
    "\"0s\"",
    "\"999999999999h\"",
    "\"::\"",
    "\"fd00::/1\"",
    "\"0.0.0.0/0\"",
    "password",
    "= \"x\"\n",
];

fn mutate(text: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(4) {
        let at = dice.below(chars.len() + 1);
        let end = (at + dice.below(20)).min(chars.len());
        match dice.below(5) {
            0 => drop(chars.drain(at..end)),
            1 => {
                let copied: Vec<char> = chars.drain(at..end).collect();
                let to = dice.below(chars.len() + 1);
                chars.splice(to..to, copied);
            }
            2 => {
                let piece = PIECES[dice.below(PIECES.len())];
                chars.splice(at..at, piece.chars());
            }
            3 => {
                let piece = PIECES[dice.below(PIECES.len())];
                chars.splice(at..end, piece.chars());
            }
            _ => chars.truncate(if dice.below(10) == 0 { at } else { chars.len() }),
        }
    }
    chars.into_iter().collect()
}

fn check(text: &str) {
    let found = match parse("f.toml", text) {
        Ok((config, warnings)) => {
            assert!(!config.vips.is_empty() && config.vrid.0 > 0, "{text}");
            warnings
        }
        Err(found) => {
            assert!(found.iter().any(|one| one.severity == Severity::Error), "{text}");
            found
        }
    };
    for one in &found {
        assert!(text.get(one.span.clone()).is_some(), "{one:?}\n{text}");
        assert!(one.line >= 1 && one.line <= text.matches('\n').count() + 1, "{one:?}\n{text}");
        assert!(one.column >= 1, "{one:?}");
        assert!(!one.message.contains(char::is_control), "{one:?}");
    }
    // Drawing the same lines takes far longer than finding them.
    if text.len().is_multiple_of(4) {
        let shown = render(&found, text, text.len().is_multiple_of(8));
        assert_eq!(shown.is_empty(), found.is_empty());
    }
}

#[test]
fn no_text_is_too_odd() {
    let template = default_toml();
    let full = template.replace("\n#", "\n");
    let mut dice = Dice(0x6b65_6570_6169_7221);
    for round in 0..6_000 {
        let text = match round % 6 {
            0 => &template,
            1 => &full,
            _ => GOOD,
        };
        check(&mutate(text, &mut dice));
    }
}

#[test]
fn every_beginning_of_a_good_text() {
    let text = default_toml().replace("eth0", "\u{e9}th0");
    for (end, _) in text.char_indices().step_by(3) {
        check(&text[..end]);
    }
}

#[test]
fn depth_and_length_are_no_trouble() {
    for text in ["[", "{", "\"", "a.", "[a.", "x=[", "x={y=", "\n", "=", "password="] {
        check(&text.repeat(3_000));
    }
    check(&format!("{}=1", "x".repeat(100_000)));
}

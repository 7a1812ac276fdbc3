//! The complete commented configuration, written from the table of keys.

use core::fmt::Write as _;

use super::{Key, Kind, Preset, Section};
use crate::value::duration;

const HEAD: &str = "\
# keepair.toml: one file, the same on both machines of the pair.
#
# Every key is here. Those that must be set hold examples; the others hold their defaults, and those
# without a default are commented out.
# Durations take us, ms, s, m or h, with decimals if need be: \"100ms\", \"0.5s\".
";

/// A `keepair.toml` with every key, its meaning, and its default or an example. It parses.
pub fn default_toml() -> String {
    let mut out = HEAD.to_owned();
    section(&mut out, Section::Top, 0, false);
    out
}

fn section(out: &mut String, section: Section, example: usize, off: bool) {
    let is_table = |key: &Key| matches!(key.kind, Kind::Table(_));
    for key in section.keys().filter(|key| !is_table(key)) {
        // The second node repeats the first one's keys: once is enough for the comments.
        if example == 0 {
            out.push('\n');
            comment(out, key);
        }
        let (value, set) = value(key, example);
        let mark = if set && !off { "" } else { "#" };
        line(out, format_args!("{mark}{} = {value}", key.name));
    }
    for key in section.keys() {
        if let Kind::Table(inner) = key.kind {
            out.push('\n');
            comment(out, key);
            let off = matches!(key.preset, Preset::Absent(_));
            let mark = if off { "#" } else { "" };
            let count = if inner == Section::Node { 2 } else { 1 };
            for example in 0..count {
                if example > 0 {
                    out.push('\n');
                }
                line(out, format_args!("{mark}{}", inner.header()));
                self::section(out, inner, example, off);
            }
        }
    }
}

fn comment(out: &mut String, key: &Key) {
    for text in key.doc.lines() {
        line(out, format_args!("# {text}"));
    }
    match key.kind {
        Kind::Integer { least, most } => line(out, format_args!("# From {least} to {most}.")),
        Kind::Duration { least, most } => {
            let (least, most) = (duration::show(least), duration::show(most));
            line(out, format_args!("# From {least} to {most}."));
        }
        _ => {}
    }
}

/// The value to write, and whether it holds or is only an example to comment out.
fn value(key: &Key, example: usize) -> (String, bool) {
    match key.preset {
        Preset::Required(examples) => {
            let text = examples.get(example).or(examples.first()).copied().unwrap_or("");
            (text.to_owned(), true)
        }
        Preset::Absent(example) => (example.to_owned(), false),
        Preset::Bool(default) => (default.to_string(), true),
        Preset::Integer(default) => (default().to_string(), true),
        Preset::Duration(_) | Preset::Timing(_) => {
            (format!("\"{}\"", duration::show(key.duration())), true)
        }
        Preset::Keys => (String::new(), false),
    }
}

fn line(out: &mut String, text: core::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = out.write_fmt(text);
    out.push('\n');
}

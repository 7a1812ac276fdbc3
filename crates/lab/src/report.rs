//! What a person reads: lines as things happen, a table at the end. The only module that prints.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::Instant;

use crate::journal::{Event, Show, Source};
use crate::measure::signed;

/// Colours where somebody can see them: a terminal, and no `NO_COLOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

/// How a text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// A heading.
    Strong,
    /// Less important.
    Faint,
    /// A promise held.
    Good,
    /// A promise did not hold.
    Bad,
    /// A fault.
    Fault,
    /// The client.
    Client,
}

impl Style {
    /// For standard output as it is.
    #[must_use]
    pub fn detect() -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { colour: std::io::stdout().is_terminal() && !no_colour && !dumb }
    }

    /// Without colours.
    #[must_use]
    pub fn plain() -> Self {
        Self { colour: false }
    }

    /// A text in its tone.
    #[must_use]
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Fault => "33",
            Tone::Client => "36",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A line on standard output.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}"); // whoever reads may have gone away
}

/// A line on standard error.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A cell of a table.
pub type Cell = (Tone, String);

/// A table with its columns aligned, the first to the left and the others to the right.
#[must_use]
pub fn table(style: Style, head: &[&str], rows: &[Vec<Cell>]) -> Vec<String> {
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, (_, text)) in widths.iter_mut().zip(row) {
            *width = (*width).max(text.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = (Tone, &str)>| -> String {
        let mut out = String::new();
        for (index, ((tone, text), width)) in cells.zip(&widths).enumerate() {
            let fill = " ".repeat(width - text.chars().count());
            let text = style.paint(tone, text);
            if index > 0 {
                out.push_str("  ");
                out.push_str(&fill);
                out.push_str(&text);
            } else {
                out.push_str(&text);
                out.push_str(&fill);
            }
        }
        out.trim_end().to_owned()
    };
    let mut lines = vec![line(&mut head.iter().map(|h| (Tone::Strong, *h)))];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(|(t, s)| (*t, s.as_str())))));
    lines
}

/// How many lines of each daemon a fault shows at most.
const LINES_PER_DAEMON: usize = 24;
const WIDTH: usize = 118;

/// Shows the events from `t0` on, each with its distance from `t0`.
///
/// `t0` is when the lab was about to strike; the first thing the lab itself says is the strike, and
/// times are counted from there.
#[must_use]
pub fn live(style: Style, t0: Instant) -> Show {
    let mut zero: Option<Instant> = None;
    let mut shown: HashMap<String, usize> = HashMap::new();
    Box::new(move |event: &Event| {
        if event.at < t0 {
            return;
        }
        if zero.is_none() && event.source == Source::Lab {
            zero = Some(event.at);
        }
        let (who, tone) = match &event.source {
            Source::Lab => ("lab".to_owned(), Tone::Fault),
            Source::Client => ("client".to_owned(), Tone::Client),
            Source::Daemon(host) => {
                let count = shown.entry(host.clone()).or_default();
                *count += 1;
                if *count > LINES_PER_DAEMON {
                    return;
                }
                (host.clone(), Tone::Plain)
            }
        };
        let text = clean(&event.text);
        if text.is_empty() {
            return;
        }
        let offset = signed(zero.unwrap_or(t0), event.at);
        say(&format!(
            "  {:>9} ms  {}  {}",
            format!("{:+.1}", offset as f64 / 1e3),
            style.paint(tone, &format!("{who:<8}")),
            shorten(&text)
        ));
    })
}

/// A log line without colours and without its own time: ours stands before it.
#[must_use]
pub fn clean(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            // ESC [ ... letter
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else if !c.is_control() {
            plain.push(c);
        }
    }
    let plain = plain.trim();
    let first = plain.split_whitespace().next().unwrap_or_default();
    let is_time = first.starts_with(|c: char| c.is_ascii_digit()) && first.contains(':');
    let rest = if is_time { plain.get(first.len()..).unwrap_or_default() } else { plain };
    rest.trim_start().to_owned()
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    text.chars().take(WIDTH - 1).chain(['…']).collect()
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;

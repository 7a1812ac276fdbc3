//! Cuts a line into words, in the two ways keepalived has.
//!
//! Most lines: blanks and double quotes separate words, and nothing is escaped; `a"b c"d` is three.
//! Lines that name a script: single and double quotes and C's escapes, as a shell would; then the
//! script itself is cut again in the same way, into the program and its arguments.

use super::expand::text::{Cell, is_blank};
use super::found::Found;
use super::place::{Place, Sources};
use crate::value::{Fault, quote};

/// A word of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) place: Place,
}

/// The words of an ordinary line.
pub(super) fn plain(cells: &[Cell], sources: &Sources, found: &mut Found) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = cells;
    while let Some((first, after)) = rest.split_first() {
        if is_blank(first.ch) {
            rest = after;
        } else if first.ch == '"' {
            let end = after.iter().position(|cell| cell.ch == '"');
            if end.is_none() {
                unterminated(first.place, '"', found);
            }
            let end = end.unwrap_or(after.len());
            let (inside, behind) = after.split_at_checked(end).unwrap_or((after, &[]));
            let whole = rest.get(..end + 2).unwrap_or(rest);
            words.push(word(inside, whole, sources, found));
            rest = behind.get(1..).unwrap_or(&[]);
        } else {
            let end = rest.iter().position(|cell| is_blank(cell.ch) || cell.ch == '"');
            let (inside, behind) =
                rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
            words.push(word(inside, inside, sources, found));
            rest = behind;
        }
    }
    words
}

/// The words of a line that names a script.
pub(super) fn quoted(cells: &[Cell], sources: &Sources, found: &mut Found) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = cells;
    while let Some(start) = rest.iter().position(|cell| !is_blank(cell.ch)) {
        rest = rest.get(start..).unwrap_or(&[]);
        let (inside, length) = one_quoted(rest, found);
        let whole = rest.get(..length).unwrap_or(rest);
        words.push(word(&inside, whole, sources, found));
        rest = rest.get(length..).unwrap_or(&[]);
    }
    words
}

/// A script's own words: its program and arguments. Escapes and quotes that survived the first cut
/// are undone here.
pub(super) fn command(script: &Word, found: &mut Found) -> Vec<String> {
    let cells: Vec<Cell> = script.text.chars().map(|ch| Cell { ch, place: script.place }).collect();
    let is_gap = |cell: &Cell| is_blank(cell.ch) || cell.ch == '\n';
    let mut words = Vec::new();
    let mut rest = &*cells;
    while let Some(start) = rest.iter().position(|cell| !is_gap(cell)) {
        rest = rest.get(start..).unwrap_or(&[]);
        let (inside, length) = one_quoted(rest, found);
        words.push(inside.iter().map(|cell| cell.ch).collect());
        rest = rest.get(length..).unwrap_or(&[]);
    }
    words
}

/// The word at the beginning, unquoted and unescaped, and its length with quotes and escapes.
fn one_quoted(cells: &[Cell], found: &mut Found) -> (Vec<Cell>, usize) {
    let mut inside = Vec::new();
    let mut open: Option<Cell> = None;
    let mut at = 0;
    while let Some(cell) = cells.get(at).copied() {
        match cell.ch {
            '\\' if at + 1 < cells.len() => {
                let (ch, length) = escape(cells.get(at + 1..).unwrap_or(&[]));
                inside.extend(ch.map(|ch| Cell { ch, ..cell }));
                at += length;
            }
            '"' | '\'' if open.is_none() => open = Some(cell),
            ch if open.is_some_and(|open| open.ch == ch) => open = None,
            ch if open.is_none() && (is_blank(ch) || ch == '\n') => break,
            _ => inside.push(cell),
        }
        at += 1;
    }
    if let Some(open) = open {
        unterminated(open.place, open.ch, found);
    }
    (inside, at)
}

/// What a backslash and these characters mean, and how many of them belong to it. An escaped NUL is
/// nothing.
fn escape(cells: &[Cell]) -> (Option<char>, usize) {
    let Some(first) = cells.first().map(|cell| cell.ch) else { return (None, 0) };
    let digits = |skip: usize, most: usize, radix: u32| {
        let digits = cells.iter().skip(skip).take(most).map_while(|cell| cell.ch.to_digit(radix));
        digits.fold((0u32, 0usize), |(value, count), digit| (value * radix + digit, count + 1))
    };
    // Bytes beyond ASCII are rare here, and taken for Latin-1.
    let byte = |value: u32| char::from_u32(value & 0xff).filter(|ch| *ch != '\0');
    match first {
        'a' => (Some('\u{7}'), 1),
        'b' => (Some('\u{8}'), 1),
        'E' => (Some('\u{1b}'), 1),
        'f' => (Some('\u{c}'), 1),
        'n' => (Some('\n'), 1),
        'r' => (Some('\r'), 1),
        't' => (Some('\t'), 1),
        'v' => (Some('\u{b}'), 1),
        '0'..='7' => {
            let (value, count) = digits(0, 3, 8);
            (byte(value), count)
        }
        'x' => match digits(1, 2, 16) {
            (_, 0) => (Some('x'), 1),
            (value, count) => (byte(value), 1 + count),
        },
        'c' => match cells.get(1) {
            Some(letter) => (byte(u32::from(letter.ch) & 0x1f), 2),
            None => (Some('c'), 1),
        },
        other => (Some(other), 1),
    }
}

fn unterminated(place: Place, mark: char, found: &mut Found) {
    let fault =
        Fault::new("a quote without an end", format!("close it with {mark} on the same line"));
    found.syntax(place, fault);
}

/// The text of `inside`, which stands at `whole`.
fn word(inside: &[Cell], whole: &[Cell], sources: &Sources, found: &mut Found) -> Word {
    let place = super::expand::text::place(whole, sources).unwrap_or(Place::BEGINNING);
    let text: String = inside.iter().map(|cell| cell.ch).collect();
    if text.contains('\u{fffd}') {
        let fault = Fault::new(
            format!("{} is not UTF-8", quote(&text)),
            "save the file as UTF-8; comments may be anything",
        );
        found.error(place, fault);
    } else if text.contains('\0') {
        // keepalived ends the line here without a word.
        let fault = Fault::new("a NUL in the text", "take it out: this is no text file");
        found.syntax(place, fault);
    }
    Word { text, place }
}

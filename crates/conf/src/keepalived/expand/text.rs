//! Lines of characters that know where they stand, and the cuts that are made in them.

use super::super::place::{Place, Sources};

/// A character and where it is spelled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) ch: char,
    pub(crate) place: Place,
}

/// keepalived's blanks. A carriage return is one, so that files from Windows are no trouble.
pub(crate) fn is_blank(ch: char) -> bool {
    matches!(ch, ' ' | '\t' | '\r' | '\u{b}' | '\u{c}')
}

/// Whether `ch` may stand in the name of a definition.
pub(crate) fn is_name(ch: char) -> bool {
    ch.is_ascii_alphanumeric() || ch == '_'
}

/// Without the blanks at both ends.
pub(crate) fn trim(cells: &[Cell]) -> &[Cell] {
    let start = cells.iter().position(|cell| !is_blank(cell.ch)).unwrap_or(cells.len());
    let end = cells.iter().rposition(|cell| !is_blank(cell.ch)).map_or(start, |at| at + 1);
    cells.get(start..end).unwrap_or(&[])
}

/// The text itself.
pub(crate) fn string(cells: &[Cell]) -> String {
    cells.iter().map(|cell| cell.ch).collect()
}

/// Whether the text begins with `start`.
pub(crate) fn starts_with(cells: &[Cell], start: &str) -> bool {
    let mut cells = cells.iter();
    start.chars().all(|ch| cells.next().is_some_and(|cell| cell.ch == ch))
}

/// Where all of it stands; `None` for nothing.
pub(crate) fn place(cells: &[Cell], sources: &Sources) -> Option<Place> {
    let mut all = cells.iter().map(|cell| cell.place);
    let first = all.next()?;
    Some(all.fold(first, |all, next| sources.join(all, next)))
}

/// The first word, up to a blank, and what follows it.
pub(crate) fn first_word(cells: &[Cell]) -> (&[Cell], &[Cell]) {
    let end = cells.iter().position(|cell| is_blank(cell.ch)).unwrap_or(cells.len());
    cells.split_at_checked(end).unwrap_or((cells, &[]))
}

/// Cuts a comment off. `#` and `!` begin one wherever they stand, in single quotes too; only double
/// quotes and a backslash protect them. The backslash is then taken away, outside of quotes.
pub(crate) fn without_comment(cells: &[Cell]) -> Vec<Cell> {
    let mut kept = Vec::with_capacity(cells.len());
    let mut quoted = false;
    let mut cells = cells.iter().copied();
    while let Some(cell) = cells.next() {
        match cell.ch {
            '\\' => {
                let next = cells.next();
                let unescaped = !quoted && next.is_some_and(|next| matches!(next.ch, '#' | '!'));
                if !unescaped {
                    kept.push(cell);
                }
                kept.extend(next);
            }
            '#' | '!' if !quoted => break,
            ch => {
                quoted ^= ch == '"';
                kept.push(cell);
            }
        }
    }
    kept
}

/// Where the first brace is that opens or closes a block: outside of double quotes, and not part of
/// `${NAME}`.
pub(crate) fn find_brace(cells: &[Cell]) -> Option<usize> {
    let mut quoted = false;
    let mut at = 0;
    while let Some(cell) = cells.get(at) {
        match cell.ch {
            '\\' => at += 1,
            '"' => quoted = !quoted,
            '{' | '}' if !quoted => return Some(at),
            '$' => {
                if let Some(end) = braced_name(cells, at) {
                    at = end;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Behind the `${NAME}` that begins at `start`, if one does. A name that the reader defines itself,
/// which begins with an underscore, may have words behind it.
pub(crate) fn braced_name(cells: &[Cell], start: usize) -> Option<usize> {
    let rest = cells.get(start..)?;
    let name = rest.get(2..).filter(|_| starts_with(rest, "${"))?;
    let length = name.iter().position(|cell| !is_name(cell.ch))?;
    let first = name.first().filter(|_| length > 0)?.ch;
    let behind = name.get(length..)?;
    let closed = match behind.first()?.ch {
        '}' => 0,
        ch if is_blank(ch) && first == '_' => behind.iter().position(|cell| cell.ch == '}')?,
        _ => return None,
    };
    (!first.is_ascii_digit()).then_some(start + 2 + length + closed + 1)
}

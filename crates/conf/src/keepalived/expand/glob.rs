//! File name patterns: `*`, `?`, `[a-z]` and csh's `{a,b}`.

use super::super::machine::{Machine, Unreadable};

/// More alternatives are not looked at: `{a,b}{a,b}...` doubles with every pair.
const MOST: usize = 256;

/// The pattern once for every choice of its braces; `None` if there are too many.
pub(super) fn braces(pattern: &str) -> Option<Vec<String>> {
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(pattern) = open.pop() {
        if open.len() + done.len() > MOST {
            return None;
        }
        match split(&pattern) {
            None => done.push(pattern),
            // The first choice is to come out first.
            Some((before, choices, after)) => {
                open.extend(choices.iter().rev().map(|choice| format!("{before}{choice}{after}")));
            }
        }
    }
    Some(done)
}

/// What is before the first pair of braces, its choices, and what is after it.
fn split(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let open = pattern.find('{')?;
    let before = pattern.get(..open)?;
    let inside = pattern.get(open + 1..)?;
    let mut choices = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, ch) in inside.char_indices() {
        match ch {
            '{' => depth += 1,
            ',' if depth == 0 => {
                choices.push(inside.get(start..at)?);
                start = at + 1;
            }
            '}' if depth == 0 => {
                choices.push(inside.get(start..at)?);
                return Some((before, choices, inside.get(at + 1..)?));
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Whether a name stands for several.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The paths that match, in order.
pub(super) fn matches(machine: &dyn Machine, pattern: &str) -> Vec<String> {
    let (root, relative) = match pattern.strip_prefix('/') {
        Some(relative) => ("/", relative),
        None => ("", pattern),
    };
    let mut found = vec![root.to_owned()];
    for part in relative.split('/') {
        let mut next = Vec::new();
        for folder in &found {
            let join = |name: &str| match folder.as_str() {
                "" | "/" => format!("{folder}{name}"),
                _ => format!("{folder}/{name}"),
            };
            if is_pattern(part) {
                let mut names = machine.list(folder);
                names.sort();
                // A leading dot hides a name from patterns that do not have one themselves.
                names.retain(|name| name.starts_with('.') == part.starts_with('.'));
                next.extend(names.iter().filter(|name| fits(part, name)).map(|name| join(name)));
            } else {
                next.push(join(part));
            }
        }
        found = next;
    }
    if !relative.rsplit('/').next().is_some_and(is_pattern) {
        // Folders that match need not have the file.
        found.retain(|path| machine.read(path) != Err(Unreadable::Missing));
    }
    found
}

/// Whether a name fits a pattern.
fn fits(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where to go on when it does not fit: behind the last `*`, one letter further.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(letter) = name.get(n) {
        let step = match pattern.get(p) {
            Some('*') => {
                p += 1;
                retry = Some((p, n));
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => class(&pattern, p, *letter),
            Some(same) if same == letter => Some(p + 1),
            _ => None,
        };
        match (step, retry) {
            (Some(next), _) => (p, n) = (next, n + 1),
            (None, Some((behind, from))) => {
                (p, n) = (behind, from + 1);
                retry = Some((behind, from + 1));
            }
            (None, None) => return false,
        }
    }
    pattern.iter().skip(p).all(|ch| *ch == '*')
}

/// Behind the class that begins at `start`, if `letter` is in it. A `[` without an end is a letter.
fn class(pattern: &[char], start: usize, letter: char) -> Option<usize> {
    let negated = matches!(pattern.get(start + 1), Some('!' | '^'));
    let first = start + 1 + usize::from(negated);
    // A `]` that comes first is one of the letters.
    let closed = pattern.iter().skip(first + 1).position(|ch| *ch == ']');
    let Some(end) = closed.map(|at| first + 1 + at) else {
        return (letter == '[').then_some(start + 1);
    };
    let members = pattern.get(first..end).unwrap_or(&[]);
    let mut inside = false;
    let mut at = 0;
    while let Some(low) = members.get(at) {
        match (members.get(at + 1), members.get(at + 2)) {
            (Some('-'), Some(high)) => {
                inside |= (*low..=*high).contains(&letter);
                at += 3;
            }
            _ => {
                inside |= *low == letter;
                at += 1;
            }
        }
    }
    (inside != negated).then_some(end + 1)
}

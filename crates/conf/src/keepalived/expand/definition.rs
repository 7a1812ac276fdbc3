//! `$NAME=value`, `$NAME` and `${NAME}`: recording values and putting them in.
//!
//! A value is kept as written and read where it is used, so that definitions it mentions may change
//! in between. `$NAME` counts only before a blank, a comma, a closing parenthesis or the end of the
//! line; anywhere else it must be `${NAME}`, which is a trap that deserves a warning.

use std::collections::BTreeMap;

use super::super::place::Place;
use super::text::{self, Cell, is_blank, is_name};
use super::{Expander, Stop};
use crate::value::{Fault, quote};

/// A definition that is being read.
pub(super) struct Open {
    pub(super) name: String,
    pub(super) lines: Vec<Vec<Cell>>,
    pub(super) place: Place,
    /// Its condition, if it has one, holds.
    pub(super) holds: bool,
}

/// Every name and its lines.
pub(super) struct Definitions {
    values: BTreeMap<String, Vec<Vec<Cell>>>,
    random: u64,
}

impl Definitions {
    pub(super) fn new(seed: u64) -> Self {
        let mut definitions = Definitions { values: BTreeMap::new(), random: 0 };
        definitions.seed(seed);
        definitions
    }

    /// What `${_RANDOM}` will give from now on.
    pub(super) fn seed(&mut self, seed: u64) {
        // xorshift stays at zero for ever.
        self.random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    }

    /// A number from `least` to `most`.
    fn random(&mut self, least: u64, most: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let high = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16;
        least + high % (most - least).saturating_add(1).max(1)
    }

    /// Gives `name` one line.
    pub(super) fn set(&mut self, name: String, line: Vec<Cell>) {
        self.values.insert(name, vec![line]);
    }
}

/// A line without the backslash at its end, and whether it had one.
pub(super) fn continuation(cells: &[Cell]) -> (&[Cell], bool) {
    match text::trim(cells).split_last() {
        Some((last, before)) if last.ch == '\\' => (before, true),
        _ => (cells, false),
    }
}

/// The name and the value if the line is `$NAME=value`.
pub(super) fn single(cells: &[Cell]) -> Option<(String, &[Cell])> {
    let after = cells.split_first().filter(|(dollar, _)| dollar.ch == '$')?.1;
    let length = after.iter().position(|cell| !is_name(cell.ch))?;
    let (name, after) = after.split_at_checked(length)?;
    let (equals, value) = after.split_first()?;
    let is_definition = equals.ch == '=' && name.first().is_some_and(|c| !c.ch.is_ascii_digit());
    is_definition.then(|| (text::string(name), text::trim(value)))
}

/// A reference to a definition in a line.
struct Reference {
    /// Cells from the dollar sign to behind the name or the closing brace.
    span: core::ops::Range<usize>,
    name: String,
    /// What follows a built-in name inside of the braces.
    arguments: String,
    braced: bool,
}

impl Reference {
    /// Whether it is one, by what follows it.
    fn ends(&self, after: &[Cell]) -> bool {
        let is_end = |cell: &Cell| is_blank(cell.ch) || matches!(cell.ch, ',' | ')');
        self.braced || after.first().is_none_or(is_end)
    }
}

/// The first `$NAME` or `${NAME}` from `start` on.
fn find(cells: &[Cell], start: usize) -> Option<Reference> {
    let mut at = start;
    loop {
        at += cells.get(at..)?.iter().position(|cell| cell.ch == '$')?;
        let braced = cells.get(at + 1).is_some_and(|cell| cell.ch == '{');
        let name_at = at + 1 + usize::from(braced);
        let rest = cells.get(name_at..)?;
        let length = rest.iter().position(|cell| !is_name(cell.ch)).unwrap_or(rest.len());
        let name = text::string(rest.get(..length)?);
        if braced {
            if let Some(end) = text::braced_name(cells, at) {
                let arguments = cells.get(name_at + length..end - 1)?;
                let arguments = text::string(text::trim(arguments));
                return Some(Reference { span: at..end, name, arguments, braced });
            }
        } else if !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) {
            let span = at..name_at + length;
            return Some(Reference { span, name, arguments: String::new(), braced });
        }
        at += 1;
    }
}

/// A line after a reference in it was looked at.
pub(super) enum Put {
    /// It is as it was: nothing is known by this name.
    Nothing,
    /// The reference is replaced. What is from this cell on may hold others.
    Line(Vec<Cell>, usize),
    /// The reference stood for several lines, which these are.
    Lines(Vec<Vec<Cell>>),
}

impl Expander<'_> {
    /// The definition of several lines that this line, which goes on, begins.
    pub(super) fn opened(&mut self, cells: &[Cell]) -> Option<Open> {
        let mut rest = text::trim(cells);
        let mut holds = true;
        if rest.first().is_some_and(|cell| cell.ch == '@') {
            let (word, after) = text::first_word(rest);
            let place = text::place(word, &self.sources)?;
            // keepalived leaves out the first line only, and stumbles over the others.
            holds = self.holds(word, place);
            rest = text::trim(after);
        }
        let (name, value) = single(rest)?;
        let place = text::place(rest, &self.sources)?;
        let lines = if value.is_empty() { Vec::new() } else { vec![value.to_vec()] };
        Some(Open { name, lines, place, holds })
    }

    /// Ends a definition of several lines. Its last line is a strange one if it has nothing but a
    /// comment or blanks: keepalived goes on after it, now and then.
    pub(super) fn end(&mut self, definition: Open, last: Option<&Vec<Cell>>) {
        if let Some(place) = last.and_then(|cells| text::place(cells, &self.sources)) {
            let fault = Fault::new(
                format!(
                    "the definition of `${}` ends with a line that has no text",
                    definition.name
                ),
                "put a backslash at its end if it is to go on, or take the line out",
            );
            self.found.error(place, fault);
        }
        self.define(definition);
    }

    /// Keeps a definition.
    pub(super) fn define(&mut self, definition: Open) {
        let Open { name, mut lines, holds, .. } = definition;
        if holds {
            if lines.is_empty() {
                lines.push(Vec::new());
            }
            self.definitions.values.insert(name, lines);
        }
    }

    /// The lines that a definition at the beginning of `cells` stands for, with what follows it.
    /// What they mention is not put in yet: a condition or a sequence may come first.
    pub(super) fn leading(&mut self, cells: &[Cell]) -> Result<Put, Stop> {
        let reference = find(cells, 0).filter(|reference| {
            let after = cells.get(reference.span.end..).unwrap_or(&[]);
            let is_known = self.definitions.values.contains_key(&reference.name);
            reference.span.start == 0 && is_known && reference.ends(after)
        });
        reference.map_or(Ok(Put::Nothing), |reference| self.put_in(cells, &reference))
    }

    /// `cells` with all definitions put in: one line, or several if the last thing in it is a
    /// definition of several lines. The first of these is finished, the others are yet to be read.
    pub(super) fn substitute(&mut self, cells: &[Cell]) -> Result<Vec<Vec<Cell>>, Stop> {
        let mut line = cells.to_vec();
        let mut later = Vec::new();
        let mut at = 0;
        while let Some(reference) = find(&line, at) {
            match self.put_in(&line, &reference)? {
                Put::Nothing => at = reference.span.end,
                Put::Line(put_in, next) => (line, at) = (put_in, next),
                Put::Lines(lines) => {
                    let mut lines = lines.into_iter();
                    line = lines.next().unwrap_or_default();
                    // Lines of an inner definition come before those of the outer one.
                    later.splice(0..0, lines);
                    at = reference.span.start;
                }
            }
        }
        later.insert(0, line);
        Ok(later)
    }

    /// Whether a reference is one; a warning for those that look like one.
    fn counts(&mut self, reference: &Reference, after: &[Cell]) -> bool {
        if reference.ends(after) {
            return true;
        }
        if self.definitions.values.contains_key(&reference.name)
            && let Some(next) = after.first()
        {
            let name = &reference.name;
            let fault = Fault::new(
                format!("`${name}` right before `{}` is not replaced", next.ch.escape_debug()),
                format!("write ${{{name}}}"),
            );
            self.found.warning(next.place, fault);
        }
        false
    }

    /// Replaces the reference.
    fn put_in(&mut self, line: &[Cell], reference: &Reference) -> Result<Put, Stop> {
        let Reference { span, name, .. } = reference;
        let before = line.get(..span.start).unwrap_or(&[]);
        let after = line.get(span.end..).unwrap_or(&[]);
        let here = line.get(span.clone()).unwrap_or(&[]);
        let Some(place) = text::place(here, &self.sources) else { return Ok(Put::Nothing) };
        if !self.counts(reference, after) {
            return Ok(Put::Nothing);
        }
        let Some(value) = self.definitions.values.get(name) else {
            let Some(text) = self.built_in(reference, place) else {
                self.undefined(reference, before, place);
                return Ok(Put::Nothing);
            };
            let mut whole = before.to_vec();
            whole.extend(text.chars().map(|ch| Cell { ch, place }));
            let end = whole.len();
            whole.extend_from_slice(after);
            self.charge(whole.len(), place)?;
            return Ok(Put::Line(whole, end));
        };
        let value = value.clone();
        let (steps, inside) = self.sources.way(place, name);
        if inside {
            let fault = Fault::new(
                format!("the value of `${name}` contains `${name}`"),
                "it would never end: give one of them another name",
            );
            self.found.syntax(place, fault);
            return Err(Stop);
        }
        if steps > self.limits.expansions {
            let most = self.limits.expansions;
            return self.too_much(place, "definitions nested deeper than", most);
        }
        let size = value.iter().map(Vec::len).sum::<usize>();
        self.charge(before.len() + size + after.len(), place)?;
        if value.len() > 1 && !text::trim(after).is_empty() {
            let fault = Fault::new(
                format!("something follows `${name}`, which has several lines"),
                "nothing may follow it on its line",
            );
            self.found.syntax(place, fault);
            return Err(Stop);
        }
        let expansion = self.sources.value(name, place);
        let mut lines: Vec<Vec<Cell>> = value
            .into_iter()
            .map(|line| {
                let through = |cell: Cell| Cell {
                    place: self.sources.through(cell.place, expansion),
                    ..cell
                };
                line.into_iter().map(through).collect()
            })
            .collect();
        if let Some(first) = lines.first_mut() {
            first.splice(0..0, before.iter().copied());
        }
        Ok(match <[_; 1]>::try_from(lines) {
            Ok([mut line]) => {
                line.extend_from_slice(after);
                Put::Line(line, span.start)
            }
            Err(lines) => Put::Lines(lines),
        })
    }

    /// A name that nobody defined stays as it is. That is right in scripts and passwords; as a word
    /// of its own or in braces it was meant to be replaced.
    fn undefined(&mut self, reference: &Reference, before: &[Cell], place: Place) {
        let Reference { braced, .. } = reference;
        let quoted = before.iter().filter(|cell| cell.ch == '"').count() % 2 == 1;
        let alone = before.last().is_none_or(|cell| is_blank(cell.ch));
        if *braced && !quoted {
            let hint = "define it before its use: $NAME=value";
            self.found.syntax(place, Fault::new("this is not defined", hint));
        } else if *braced || (alone && !quoted) {
            // The name is not told: it may be a password that begins with a dollar sign.
            let hint = "define it before its use: $NAME=value";
            let message = "this is not defined; it is taken as it stands";
            self.found.warning(place, Fault::new(message, hint));
        }
    }

    /// What the reader itself defines.
    fn built_in(&mut self, reference: &Reference, place: Place) -> Option<String> {
        let Reference { name, arguments, .. } = reference;
        match name.as_str() {
            "_HASH" => Some("#".to_owned()),
            "_BANG" => Some("!".to_owned()),
            "_INSTANCE" => Some(self.config_id.to_owned()),
            "_PWD" => {
                let path = self.open.last().map_or("", |file| self.sources.name(*file));
                let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
                Some(if folder.is_empty() { "/".to_owned() } else { folder.to_owned() })
            }
            "_RANDOM" => {
                let mut bounds = arguments.split_ascii_whitespace().map(str::parse::<u32>);
                let least = bounds.next().unwrap_or(Ok(0));
                let most = bounds.next().unwrap_or(Ok(32_767));
                match (least, most, bounds.next()) {
                    (Ok(least), Ok(most), None) if least <= most => {
                        Some(self.definitions.random(least.into(), most.into()).to_string())
                    }
                    _ => {
                        let fault = Fault::new(
                            format!("{} are no bounds of a random number", quote(arguments)),
                            "write ${_RANDOM 1 6}: the smallest number, then the largest",
                        );
                        self.found.error(place, fault);
                        Some("0".to_owned())
                    }
                }
            }
            "_ENV" => {
                let value = self.machine.environment(arguments);
                if value.is_none() {
                    let fault = Fault::new(
                        format!("the environment has no {}", quote(arguments)),
                        "set it where the daemon is started, for example in its unit file",
                    );
                    self.found.error(place, fault);
                }
                Some(value.unwrap_or_default())
            }
            _ => None,
        }
    }
}

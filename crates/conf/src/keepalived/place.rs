//! Where every piece of text stands, through definitions and sequences.
//!
//! A word may be spelled far from where it takes effect: in the value of `$NAME`, used in another
//! `$NAME`, used in a file that was included. A [`Place`] knows all of these, so that what is said
//! about a word points at the line an operator has to look at, and then at those it came from.

use core::fmt;
use core::ops::{Deref, Range};
use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Note, Severity, Source, render_files};

/// A piece of a configuration's text. [`Sources`] makes a line and a column of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    file: u32,
    start: u32,
    end: u32,
    /// The expansion that brought the text here, one more than its index; 0 for none.
    via: u32,
}

impl Place {
    /// Of the first byte of the first file: for what is missing as a whole.
    pub(super) const BEGINNING: Place = Place { file: 0, start: 0, end: 0, via: 0 };

    /// The order of what is said.
    pub(super) fn order(self) -> (u32, u32, u32) {
        (self.file, self.start, self.end)
    }

    fn span(self) -> Range<usize> {
        let index = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        index(self.start)..index(self.end)
    }
}

/// A value and where it was written. `Debug` shows the value only.
#[derive(Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub place: Place,
}

impl<T> Placed<T> {
    pub(super) fn new(value: T, place: Place) -> Self {
        Placed { value, place }
    }

    pub(super) fn map<U>(self, to: impl FnOnce(T) -> U) -> Placed<U> {
        Placed { value: to(self.value), place: self.place }
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Placed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// One step on a text's way: where it was asked for, and as what.
struct Expansion {
    step: Step,
    at: Place,
}

enum Step {
    /// The text stands in the value of this definition.
    Value(String),
    /// The text is read anew with this variable set; it does not move.
    Round(String),
}

/// The texts a configuration was read from.
#[derive(Default)]
pub struct Sources {
    files: Vec<Source<'static>>,
    /// The number of the last file of each name.
    numbers: BTreeMap<String, u32>,
    expansions: Vec<Expansion>,
}

impl Sources {
    /// Takes a file in; gives its number.
    pub(super) fn add(&mut self, name: String, text: String) -> u32 {
        let number = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.clone(), number);
        self.files.push(Source::new(name, text));
        number
    }

    /// The number of the file of this name, if it was read before.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The name of a file.
    pub(super) fn name(&self, file: u32) -> &str {
        self.source(file).map_or("", Source::file)
    }

    /// The text of a file.
    pub(super) fn text(&self, file: u32) -> &str {
        self.source(file).map_or("", Source::text)
    }

    fn source(&self, file: u32) -> Option<&Source<'static>> {
        self.files.get(usize::try_from(file).ok()?)
    }

    /// Bytes `start..end` of a file, written there as they stand.
    pub(super) fn place(&self, file: u32, span: Range<usize>) -> Place {
        let index = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Place { file, start: index(span.start), end: index(span.end), via: 0 }
    }

    /// From now on, text of the value of `name`, asked for at `at`. Gives the expansion for
    /// [`Sources::through`].
    pub(super) fn value(&mut self, name: &str, at: Place) -> u32 {
        self.expansion(Step::Value(name.to_owned()), at)
    }

    /// From now on, text read for one round of the sequence at `at`.
    pub(super) fn round(&mut self, what: String, at: Place) -> u32 {
        self.expansion(Step::Round(what), at)
    }

    fn expansion(&mut self, step: Step, at: Place) -> u32 {
        self.expansions.push(Expansion { step, at });
        u32::try_from(self.expansions.len()).unwrap_or(0)
    }

    /// `place`, reached through `expansion`.
    pub(super) fn through(&self, place: Place, expansion: u32) -> Place {
        Place { via: expansion, ..place }
    }

    /// The expansion `place` was reached through; 0 for none.
    pub(super) fn via(&self, place: Place) -> u32 {
        place.via
    }

    /// The same bytes as spelled, without the way they came.
    pub(super) fn spelled(&self, place: Place) -> Place {
        Place { via: 0, ..place }
    }

    fn step(&self, place: Place) -> Option<&Expansion> {
        self.expansions.get(usize::try_from(place.via.checked_sub(1)?).ok()?)
    }

    /// One step back on the way of `place`.
    fn lift(&self, place: Place) -> Option<Place> {
        let expansion = self.step(place)?;
        Some(match expansion.step {
            Step::Value(_) => expansion.at,
            Step::Round(_) => Place { via: expansion.at.via, ..place },
        })
    }

    /// The text of a file that made `place` stand where it does.
    pub(super) fn outermost(&self, place: Place) -> Place {
        let mut place = place;
        while let Some(lifted) = self.lift(place) {
            place = lifted;
        }
        place
    }

    /// How many steps `place` is from the text of a file, and whether one of them is the value of
    /// `name`.
    pub(super) fn way(&self, place: Place, name: &str) -> (usize, bool) {
        let (mut steps, mut inside, mut at) = (0, false, place);
        while let Some(expansion) = self.step(at) {
            inside |= matches!(&expansion.step, Step::Value(value) if value == name);
            steps += 1;
            at = expansion.at;
        }
        (steps, inside)
    }

    /// The smallest place that holds both, in the innermost text that has them both.
    pub(super) fn join(&self, a: Place, b: Place) -> Place {
        let (mut a, mut b) = (a, b);
        if a.via != b.via {
            let (mut depth_a, mut depth_b) = (self.way(a, "").0, self.way(b, "").0);
            while a.via != b.via {
                let lifted = if depth_a >= depth_b { self.lift(a) } else { self.lift(b) };
                let Some(lifted) = lifted else { break };
                if depth_a >= depth_b {
                    (a, depth_a) = (lifted, depth_a.saturating_sub(1));
                } else {
                    (b, depth_b) = (lifted, depth_b.saturating_sub(1));
                }
            }
        }
        if a.file != b.file {
            return a;
        }
        Place { start: a.start.min(b.start), end: a.end.max(b.end), ..a }
    }

    /// A diagnostic about `place`: about the text of a file that made it stand there, with a note
    /// for every step from there to where it is spelled.
    pub fn diagnostic(
        &self,
        severity: Severity,
        place: Place,
        message: String,
        hint: Option<String>,
    ) -> Diagnostic {
        /// A way that is longer is told from its beginning.
        const MOST_NOTES: usize = 6;
        let mut notes = Vec::new();
        let mut at = place;
        while let Some(expansion) = self.step(at) {
            notes.push(match &expansion.step {
                Step::Value(name) => self.note(at, format!("in the value of `${name}`")),
                Step::Round(what) => self.note(expansion.at, format!("with {what}")),
            });
            at = self.lift(at).unwrap_or(self.spelled(at));
        }
        notes.reverse();
        notes.truncate(MOST_NOTES);
        let mut diagnostic = match self.source(at.file) {
            Some(source) => source.diagnostic(severity, at.span(), message, hint),
            None => Source::new("", "").diagnostic(severity, 0..0, message, hint),
        };
        diagnostic.notes = notes;
        diagnostic
    }

    /// A note about `place` where it is spelled.
    pub fn note(&self, place: Place, message: String) -> Note {
        match self.source(place.file) {
            Some(source) => source.note(place.span(), message),
            None => Source::new("", "").note(0..0, message),
        }
    }

    /// The diagnostics with the lines they are about, as rustc prints them; passwords and the
    /// arguments of scripts are starred out. `color` is for terminals.
    pub fn render(&self, diagnostics: &[Diagnostic], color: bool) -> String {
        let text_of = |name: &str| self.find(name).map(|file| self.text(file));
        render_files(diagnostics, text_of, color)
    }
}

impl fmt::Debug for Sources {
    /// The files' names: their texts hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.files.iter().map(Source::file)).finish()
    }
}

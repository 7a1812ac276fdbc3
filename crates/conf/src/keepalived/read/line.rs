//! A line of options: words that are taken one after the other.

use super::Reader;
use crate::keepalived::place::Place;
use crate::keepalived::tree::{Node, Word};
use crate::value::{Fault, quote};

/// What is left of a line.
pub(super) struct Line<'t> {
    words: core::slice::Iter<'t, Word>,
    /// The last word taken.
    place: Place,
}

impl<'t> Line<'t> {
    pub(super) fn new(node: &'t Node) -> Self {
        Line { words: node.words.iter(), place: node.place }
    }

    /// The next word, which is an option.
    pub(super) fn next(&mut self) -> Option<&'t Word> {
        let word = self.words.next()?;
        self.place = word.place;
        Some(word)
    }

    /// The next word, if it is this one.
    pub(super) fn skip(&mut self, text: &str) -> bool {
        let same = self.peek().is_some_and(|word| word.text == text);
        if same {
            let _ = self.next();
        }
        same
    }

    /// The next word, not taken.
    pub(super) fn peek(&self) -> Option<&'t Word> {
        self.words.as_slice().first()
    }
}

impl Reader<'_> {
    /// The value of an option.
    pub(super) fn value<'t>(&mut self, line: &mut Line<'t>, option: &Word) -> Option<&'t Word> {
        let value = line.next();
        if value.is_none() {
            let fault = Fault::new(
                format!("{} without a value", quote(&option.text)),
                "write it behind the option",
            );
            self.found.error(option.place, fault);
        }
        value
    }

    /// The value of an option that is an interface.
    pub(super) fn interface_value(&mut self, line: &mut Line<'_>, option: &Word) -> Option<String> {
        let word = self.value(line, option)?;
        self.interface_name(word)
    }

    /// The value of an option that is a whole number.
    pub(super) fn number_value<T: TryFrom<i64>>(
        &mut self,
        line: &mut Line<'_>,
        option: &Word,
        least: i64,
        most: i64,
    ) -> Option<T> {
        let word = self.value(line, option)?;
        let number = self.integer(word, &option.text, least, most)?;
        T::try_from(number).ok()
    }

    pub(super) fn unknown_option(&mut self, option: &Word, line: &str, known: &[&'static str]) {
        if self.found.is_full() {
            return;
        }
        let near = crate::keepalived::keywords::nearest_name(known.iter().copied(), &option.text);
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", known.join(", ")),
        };
        let fault = Fault::new(format!("unknown option {} of {line}", quote(&option.text)), hint);
        self.found.dropped(option.place, fault);
    }
}

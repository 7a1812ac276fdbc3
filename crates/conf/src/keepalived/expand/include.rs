//! `include` and its variants, and what is made of files that are not there.
//!
//! keepalived goes on without a file that it can't read, unless told otherwise by the variant or by
//! `include_check`. A file may hold the checks, so here it is missed unless the name was a pattern.

use super::super::found::Found;
use super::super::machine::Unreadable;
use super::super::place::Place;
use super::super::tree::Word;
use super::glob;
use super::text::{self, Cell};
use super::{Expander, Stop};
use crate::value::{Fault, quote};

/// What must be so for an include not to stop the reading for good.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Checks {
    /// Every file that matches can be read.
    readable: bool,
    /// A name without a pattern is there.
    matching: bool,
    /// A pattern matches something.
    wildcard: bool,
    /// Every alternative in braces is there.
    brace: bool,
}

const ALL: Checks = Checks { readable: true, matching: true, wildcard: true, brace: true };

/// The variants of the word, and what each of them adds.
const VARIANTS: [(&str, Checks); 6] = {
    const NONE: Checks = Checks { readable: false, matching: false, wildcard: false, brace: false };
    [
        ("include", NONE),
        ("includer", Checks { readable: true, ..NONE }),
        ("includem", Checks { readable: true, matching: true, ..NONE }),
        ("includew", Checks { readable: true, wildcard: true, ..NONE }),
        ("includeb", Checks { readable: true, brace: true, ..NONE }),
        ("includea", ALL),
    ]
};

impl Checks {
    fn or(self, other: Checks) -> Checks {
        Checks {
            readable: self.readable || other.readable,
            matching: self.matching || other.matching,
            wildcard: self.wildcard || other.wildcard,
            brace: self.brace || other.brace,
        }
    }

    /// `include_check`: nothing for all of them, names for these, `+name` and `-name` to change one.
    pub(super) fn change(&mut self, options: &[Word], found: &mut Found) {
        if options.is_empty() {
            *self = ALL;
        }
        let relative = |option: &Word| option.text.starts_with(['+', '-']);
        if options.first().is_some_and(|first| !relative(first)) {
            *self = Checks::default();
        }
        for option in options {
            let name = option.text.trim_start_matches(['+', '-']);
            let wanted = !option.text.starts_with('-');
            let flag = match name {
                // The manual and the program have different words for it.
                "readable" | "read" => &mut self.readable,
                "match" => &mut self.matching,
                "wildcard_match" => &mut self.wildcard,
                "brace_match" => &mut self.brace,
                _ => {
                    let fault = Fault::new(
                        format!("{} is no check of `include_check`", quote(&option.text)),
                        "write readable, match, wildcard_match or brace_match",
                    );
                    found.error(option.place, fault);
                    continue;
                }
            };
            *flag = wanted;
        }
    }
}

/// The variant's checks and the path, if the line is an include.
pub(super) fn directive(cells: &[Cell]) -> Option<(Checks, &[Cell])> {
    let (word, rest) = text::first_word(cells);
    if !text::starts_with(word, "include") || word.len() > "include".len() + 1 {
        return None;
    }
    let word = text::string(word);
    let (_, checks) = VARIANTS.into_iter().find(|(name, _)| *name == word)?;
    let path = text::trim(rest);
    (!path.is_empty()).then_some((checks, path))
}

/// What is said of a file that can't be had.
pub(super) fn fault(path: &str, reason: &Unreadable) -> Fault {
    let path = quote(path);
    match reason {
        Unreadable::Missing => Fault::new(
            format!("there is no file {path}"),
            "correct the name; it is relative to the file it stands in",
        ),
        Unreadable::NoFile => Fault::new(
            format!("{path} is no file"),
            "to include all files of a directory, write a pattern like conf.d/*.conf",
        ),
        Unreadable::Executable => Fault::new(
            format!("{path} is a program by its permissions, and keepalived reads no programs"),
            "take its execute permission away: chmod a-x",
        ),
        Unreadable::Refused(why) => {
            Fault { message: format!("{path} can't be read: {}", why.escape_debug()), hint: None }
        }
    }
}

impl Expander<'_> {
    pub(super) fn include(
        &mut self,
        variant: Checks,
        keyword: Place,
        path: Vec<Cell>,
    ) -> Result<(), Stop> {
        let place = text::place(&path, &self.sources).unwrap_or(keyword);
        let lines = self.substitute(&path)?;
        let pattern = lines.first().map_or(String::new(), |line| text::string(text::trim(line)));
        let checks = variant.or(self.checks);
        if pattern.contains(['"', '\'']) {
            let fault = Fault::new(
                format!("{} has quotes in its name", quote(&pattern)),
                "the name of an included file stands without quotes",
            );
            self.found.dropped(place, fault);
        }
        let folder = self.open.last().map_or("", |file| self.sources.name(*file));
        let folder = folder
            .rsplit_once('/')
            .map_or("", |(folder, _)| if folder.is_empty() { "/" } else { folder });
        let Some(alternatives) = glob::braces(&join(folder, &pattern)) else {
            let fault = Fault::new(
                format!("{} has more alternatives than can be looked at", quote(&pattern)),
                "write fewer braces",
            );
            self.found.error(place, fault);
            return Ok(());
        };
        let several = alternatives.len() > 1;
        for alternative in alternatives {
            if glob::is_pattern(&alternative) {
                let paths = glob::matches(self.machine, &alternative);
                if paths.is_empty() && (checks.wildcard || (several && checks.brace)) {
                    let fault = Fault::new(
                        format!("no file matches {}", quote(&alternative)),
                        "correct the pattern, or include it with `include`",
                    );
                    self.found.error(place, fault);
                }
                for path in paths {
                    self.include_one(&path, place, checks, several)?;
                }
            } else {
                self.include_one(&alternative, place, checks, several)?;
            }
        }
        Ok(())
    }

    fn include_one(
        &mut self,
        path: &str,
        place: Place,
        checks: Checks,
        several: bool,
    ) -> Result<(), Stop> {
        let bytes = match self.machine.read(path) {
            Ok(bytes) => bytes,
            Err(reason) => {
                let fault = fault(path, &reason);
                match reason {
                    // One of several alternatives need not be there.
                    Unreadable::Missing if several && !checks.brace => {}
                    Unreadable::Missing if checks.matching || (several && checks.brace) => {
                        self.found.error(place, fault);
                    }
                    _ if reason != Unreadable::Missing && checks.readable => {
                        self.found.error(place, fault);
                    }
                    _ => self.found.dropped(place, fault),
                }
                return Ok(());
            }
        };
        let file = self.take_in(path, &bytes);
        if self.open.contains(&file) {
            let fault = Fault::new(
                format!("{} includes itself", quote(path)),
                "it would never end: take one of the includes out",
            );
            self.found.syntax(place, fault);
            return Err(Stop);
        }
        if self.open.len() > self.limits.includes {
            let most = self.limits.includes;
            return self.too_much(place, "files included deeper than", most);
        }
        let checks = self.checks;
        let result = self.file(file);
        // What an included file sets holds until its end.
        self.checks = checks;
        result
    }
}

fn join(folder: &str, path: &str) -> String {
    match folder {
        _ if path.starts_with('/') => path.to_owned(),
        "" => path.to_owned(),
        "/" => format!("/{path}"),
        _ => format!("{folder}/{path}"),
    }
}

//! From files to the lines and braces that are meant: comments, conditions, definitions, sequences
//! and includes are gone after this.
//!
//! A line is worked on from its beginning: a condition decides about the rest of it, a sequence reads
//! the rest of it again and again, a definition takes the rest of it, an include names a file with it.
//! What is left is cut at braces. Everything is bounded: a hostile file meets an error, not the end of
//! the memory.

use super::found::Found;
use super::machine::Machine;
use super::place::{Place, Sources};
use super::tree::Builder;
use crate::value::{Fault, quote};
use definition::{Definitions, Put};
use include::Checks;
use text::Cell;

mod definition;
mod glob;
mod include;
mod sequence;
pub(super) mod text;

/// How much a configuration may grow and nest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of all files read, an included file once for every time it is included. A small file
    /// counts for 4 kB.
    pub bytes: usize,
    /// Characters after all definitions and sequences are written out.
    pub characters: usize,
    /// Files within files.
    pub includes: usize,
    /// Definitions and sequences within each other.
    pub expansions: usize,
    /// Blocks within blocks.
    pub blocks: usize,
}

impl Default for Limits {
    /// Room for some ten thousand instances.
    fn default() -> Self {
        Limits { bytes: 16 << 20, characters: 8 << 20, includes: 16, expansions: 32, blocks: 16 }
    }
}

/// Stops the reading: the reason was said.
struct Stop;

/// What reads.
pub(super) struct Expander<'m> {
    pub(super) machine: &'m dyn Machine,
    pub(super) config_id: &'m str,
    pub(super) limits: Limits,
    pub(super) sources: Sources,
    pub(super) found: Found,
    pub(super) tree: Builder,
    definitions: Definitions,
    /// What missing files are taken for; `include_check` changes it.
    checks: Checks,
    /// Files being read, the innermost last.
    open: Vec<u32>,
    bytes: usize,
    characters: usize,
}

impl<'m> Expander<'m> {
    pub(super) fn new(
        machine: &'m dyn Machine,
        config_id: &'m str,
        limits: Limits,
        random_seed: u64,
    ) -> Self {
        Expander {
            machine,
            config_id,
            limits,
            sources: Sources::default(),
            found: Found::default(),
            tree: Builder::new(limits.blocks),
            definitions: Definitions::new(random_seed),
            checks: Checks::default(),
            open: Vec::new(),
            bytes: 0,
            characters: 0,
        }
    }

    /// Reads the file `path` and all that it includes.
    pub(super) fn read(&mut self, path: &str) {
        match self.machine.read(path) {
            Ok(bytes) => {
                let file = self.take_in(path, &bytes);
                let stopped = self.file(file).is_err();
                // What stopped it was said; that blocks are open is no news then.
                self.tree.finish((!stopped).then_some(&mut self.found));
            }
            Err(reason) => {
                self.sources.add(path.to_owned(), String::new());
                let fault = include::fault(path, &reason);
                self.found.syntax(Place::BEGINNING, fault);
            }
        }
    }

    /// The number of a file that was just read.
    fn take_in(&mut self, path: &str, bytes: &[u8]) -> u32 {
        let text = String::from_utf8_lossy(bytes);
        match self.sources.find(path) {
            // A file that is included again is the same text, unless somebody writes it meanwhile.
            Some(file) if self.sources.text(file) == text => file,
            _ => self.sources.add(path.to_owned(), text.into_owned()),
        }
    }

    fn file(&mut self, file: u32) -> Result<(), Stop> {
        self.open.push(file);
        let result = self.lines(file);
        self.open.pop();
        result
    }

    fn lines(&mut self, file: u32) -> Result<(), Stop> {
        let text = self.sources.text(file).to_owned();
        // A file costs time, even if nothing is in it.
        self.bytes += text.len().max(4_096);
        if self.bytes > self.limits.bytes {
            let place = self.sources.place(file, 0..0);
            return self.too_much(place, "the configuration is longer than", self.limits.bytes);
        }
        let mut start = 0;
        // The definition that the lines belong to, if it has several.
        let mut open: Option<definition::Open> = None;
        for line in text.split_inclusive('\n') {
            let cells = self.cells(file, start, line);
            start += line.len();
            // A backslash behind a comment continues a definition, too.
            let (before, continued) = definition::continuation(&cells);
            if let Some(mut definition) = open.take() {
                let bare = text::without_comment(before);
                let bare = text::trim(&bare);
                definition.lines.push(bare.to_vec());
                if continued {
                    open = Some(definition);
                } else {
                    self.end(definition, bare.is_empty().then_some(&cells));
                }
            } else if continued
                && let Some(definition) = self.opened(&text::without_comment(before))
            {
                open = Some(definition);
            } else {
                let bare = text::without_comment(&cells);
                if let (_, true) = definition::continuation(&bare)
                    && let Some(backslash) = text::trim(&bare).last()
                {
                    let fault = Fault::new(
                        "a backslash at the end of a line continues it only in a definition",
                        "write it on one line, without the backslash",
                    );
                    self.found.error(backslash.place, fault);
                }
                self.run(bare, 0)?;
            }
        }
        if let Some(definition) = open {
            let fault = Fault::new(
                format!("the definition of `${}` has no end", definition.name),
                "its last line is the one without a backslash at its end",
            );
            self.found.syntax(definition.place, fault);
        }
        Ok(())
    }

    fn cells(&self, file: u32, start: usize, line: &str) -> Vec<Cell> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let at_mark = |at: usize, ch: char| ch == '\u{feff}' && start + at == 0;
        line.char_indices()
            .filter(|(at, ch)| !at_mark(*at, *ch))
            .map(|(at, ch)| {
                let span = start + at..start + at + ch.len_utf8();
                Cell { ch, place: self.sources.place(file, span) }
            })
            .collect()
    }

    /// Works on a line, or what is left of one, without its comment.
    fn run(&mut self, cells: Vec<Cell>, depth: usize) -> Result<(), Stop> {
        let mut cells = cells;
        // A line has one condition, here and in keepalived; behind a brace it has another.
        let mut condition = None;
        loop {
            let rest = text::trim(&cells);
            let Some(first) = rest.first().copied() else { return Ok(()) };
            self.charge(rest.len(), first.place)?;
            if depth > self.limits.expansions {
                let most = self.limits.expansions;
                return self.too_much(first.place, "definitions nested deeper than", most);
            }
            match first.ch {
                '@' => {
                    let (word, after) = text::first_word(rest);
                    let place = text::place(word, &self.sources).unwrap_or(first.place);
                    if condition.is_some() {
                        let fault = Fault::new(
                            "a second condition for one line",
                            "keepalived looks at the first one only: write one",
                        );
                        self.found.error(place, fault);
                        return Ok(());
                    }
                    condition = Some(place);
                    if !self.holds(word, place) {
                        return Ok(());
                    }
                    cells = after.to_vec();
                    continue;
                }
                '~' if text::starts_with(rest, "~SEQ") || text::starts_with(rest, "~LST") => {
                    return self.sequence(rest, depth);
                }
                '$' => {
                    if let Some((name, value)) = definition::single(rest) {
                        let place = text::place(rest, &self.sources).unwrap_or(first.place);
                        let lines = vec![value.to_vec()];
                        self.define(definition::Open { name, lines, place, holds: true });
                        return Ok(());
                    }
                    match self.leading(rest)? {
                        Put::Nothing => {}
                        Put::Line(line, _) => {
                            cells = line;
                            continue;
                        }
                        Put::Lines(lines) => return self.run_all(lines, depth),
                    }
                }
                _ => {}
            }
            if let Some((variant, path)) = include::directive(rest) {
                let path = path.to_vec();
                return self.include(variant, first.place, path);
            }
            let at = text::find_brace(rest);
            let (piece, after) =
                rest.split_at_checked(at.unwrap_or(rest.len())).unwrap_or((rest, &[]));
            let after = after.to_vec();
            let mut lines = self.substitute(piece)?.into_iter();
            let more = lines.len() > 1;
            if let Some(line) = lines.next() {
                self.emit(&line);
            }
            self.run_all(lines.collect(), depth)?;
            let Some((brace, after)) = after.split_first() else { return Ok(()) };
            if more {
                let fault = Fault::new(
                    "a definition of several lines stands before this",
                    "nothing may follow it on its line",
                );
                self.found.syntax(brace.place, fault);
            }
            self.brace(*brace);
            condition = None;
            cells = after.to_vec();
        }
    }

    fn run_all(&mut self, lines: Vec<Vec<Cell>>, depth: usize) -> Result<(), Stop> {
        lines.into_iter().try_for_each(|line| self.run(line, depth + 1))
    }

    /// Whether the condition `@id` or `@^id` holds on this machine.
    fn holds(&mut self, word: &[Cell], place: Place) -> bool {
        let text = text::string(word);
        let id = text.strip_prefix('@').unwrap_or(&text);
        let (id, is_same) = match id.strip_prefix('^') {
            Some(id) => (id, false),
            None => (id, true),
        };
        if id.contains('$') {
            let fault = Fault::new(
                format!("the condition {} is taken literally", quote(&text)),
                "definitions are replaced after conditions: write the name of a machine",
            );
            self.found.warning(place, fault);
        }
        (id == self.config_id) == is_same
    }

    /// A line whose definitions are all written out, with the braces they may have brought.
    fn emit(&mut self, cells: &[Cell]) {
        let mut rest = text::trim(cells);
        while let Some(at) = text::find_brace(rest) {
            let (piece, after) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            self.line(text::trim(piece));
            let Some((brace, after)) = after.split_first() else { return };
            self.brace(*brace);
            rest = text::trim(after);
        }
        self.line(rest);
    }

    fn line(&mut self, cells: &[Cell]) {
        if cells.is_empty() {
            return;
        }
        self.tree.line(cells, &self.sources, &mut self.found);
        // Two words act while the files are being read.
        match self.tree.last_words() {
            [word, options @ ..] if word.text == "include_check" => {
                self.checks.change(options, &mut self.found);
            }
            [word, seed] if word.text == "random_seed" => {
                if let Ok(seed) = seed.text.parse() {
                    self.definitions.seed(seed);
                }
            }
            _ => {}
        }
    }

    fn brace(&mut self, brace: Cell) {
        if brace.ch == '{' {
            self.tree.open(brace.place, &mut self.found);
        } else {
            self.tree.close(brace.place, &mut self.found);
        }
    }

    /// Takes `count` characters off what is allowed.
    fn charge(&mut self, count: usize, place: Place) -> Result<(), Stop> {
        // An empty round of a sequence is work, too.
        self.characters += count + 1;
        if self.characters > self.limits.characters {
            return self.too_much(place, "written out, the configuration is longer than", {
                self.limits.characters
            });
        }
        Ok(())
    }

    fn too_much<T>(&mut self, place: Place, what: &str, limit: usize) -> Result<T, Stop> {
        let fault = Fault::new(format!("{what} {limit}"), "nothing after this was read");
        self.found.syntax(place, fault);
        Err(Stop)
    }
}

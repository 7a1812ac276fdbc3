//! The tree of blocks: lines of words, some with lines of their own between braces.
//!
//! Knows one thing of the keywords only: which lines are cut into words as scripts are.

use super::expand::text::{self, Cell};
use super::found::{Found, Kind};
use super::keywords;
use super::place::{Place, Sources};
use super::words;
pub(super) use super::words::Word;
use crate::value::{Fault, quote};

/// A line, and the block behind it if it has one.
#[derive(Debug)]
pub(super) struct Node {
    /// Its words; none only if a block has no name.
    pub(super) words: Vec<Word>,
    pub(super) block: Option<Block>,
    /// The words from the first to the last.
    pub(super) place: Place,
}

/// What stands between a pair of braces.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) nodes: Vec<Node>,
    pub(super) open: Place,
}

impl Node {
    /// Its first word.
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", |word| &word.text)
    }

    /// The words behind the first.
    pub(super) fn arguments(&self) -> &[Word] {
        self.words.get(1..).unwrap_or(&[])
    }

    /// The place of its first word.
    pub(super) fn name_place(&self) -> Place {
        self.words.first().map_or(self.place, |word| word.place)
    }

    /// The lines of its block.
    pub(super) fn lines(&self) -> &[Node] {
        self.block.as_ref().map_or(&[], |block| &block.nodes)
    }
}

/// Takes lines and braces in their order.
pub(super) struct Builder {
    /// The blocks that are open, from the file itself inwards: their lines so far.
    open: Vec<Vec<Node>>,
    /// The braces they were opened with.
    braces: Vec<Place>,
    most: usize,
    /// Braces that were not taken in, for the nesting is too deep.
    beyond: usize,
    done: Vec<Node>,
}

impl Builder {
    pub(super) fn new(most: usize) -> Self {
        Builder { open: vec![Vec::new()], braces: Vec::new(), most, beyond: 0, done: Vec::new() }
    }

    pub(super) fn line(&mut self, cells: &[Cell], sources: &Sources, found: &mut Found) {
        // Deeper than anything may be: said when the first of these braces came.
        if self.beyond > 0 {
            return;
        }
        let (first, _) = text::first_word(cells);
        let first = text::string(first);
        let is_script = keywords::names_script(first.trim_matches('"'));
        let words = match is_script {
            true => words::quoted(cells, sources, found),
            false => words::plain(cells, sources, found),
        };
        let Some(place) = text::place(cells, sources) else { return };
        if let Some(lines) = self.open.last_mut() {
            lines.push(Node { words, block: None, place });
        }
    }

    /// The words of the line that came last.
    pub(super) fn last_words(&self) -> &[Word] {
        self.open.last().and_then(|lines| lines.last()).map_or(&[], |node| &node.words)
    }

    pub(super) fn open(&mut self, brace: Place, found: &mut Found) {
        if self.beyond > 0 || self.braces.len() >= self.most {
            if self.beyond == 0 {
                let fault = Fault::new(
                    format!("blocks nested deeper than {}", self.most),
                    "what is inside was not read",
                );
                found.syntax(brace, fault);
            }
            self.beyond += 1;
            return;
        }
        let named = self.open.last().and_then(|lines| lines.last());
        if named.is_none_or(|node| node.block.is_some()) {
            let fault = Fault::new("a block without a name", "write its keyword before the brace");
            found.syntax(brace, fault);
            if let Some(lines) = self.open.last_mut() {
                lines.push(Node { words: Vec::new(), block: None, place: brace });
            }
        }
        self.open.push(Vec::new());
        self.braces.push(brace);
    }

    pub(super) fn close(&mut self, brace: Place, found: &mut Found) {
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        if self.braces.is_empty() {
            let fault = Fault::new(
                "this brace closes nothing",
                "take it out, or look for one too many above it",
            );
            found.syntax(brace, fault);
            return;
        }
        self.close_innermost();
    }

    fn close_innermost(&mut self) {
        let (Some(nodes), Some(open)) = (self.open.pop(), self.braces.pop()) else { return };
        if let Some(node) = self.open.last_mut().and_then(|lines| lines.last_mut()) {
            node.block = Some(Block { nodes, open });
        }
    }

    /// The end of the last file. Says which block is open, if there is somebody to tell.
    pub(super) fn finish(&mut self, found: Option<&mut Found>) {
        if let (Some(brace), Some(found)) = (self.braces.first().copied(), found) {
            let fault = Fault::new("this block is never closed", "close it with `}`");
            // A block that can only stand by itself shows where the missing brace belongs.
            let inside = self.open.iter().skip(1).flatten();
            let astray = inside
                .filter(|node| keywords::is_top_block(node.name()))
                .min_by_key(|node| node.place.order());
            match astray {
                Some(node) => {
                    let note = format!("{} can't be inside of it", quote(node.name()));
                    found.with(Kind::Syntax, brace, fault, (node.place, &note));
                }
                None => found.syntax(brace, fault),
            }
        }
        while !self.braces.is_empty() {
            self.close_innermost();
        }
        self.done = self.open.pop().unwrap_or_default();
    }

    /// The lines outside of all blocks.
    pub(super) fn into_nodes(self) -> Vec<Node> {
        self.done
    }
}

//! `keepalived.conf`: its language, from text to checked values.
//!
//! ```text
//! files -> expand: lines and braces -> tree: blocks of words -> read: values -> cross: what they mean
//! ```
//!
//! It reads what keepalived reads, up to version 2.4, and says what keepalived would say. It differs in
//! one thing: what keepalived leaves out with a line in its log is an error here, so that a check can't
//! disappear without a word. Who wants it otherwise writes `on_dropped warn` into `global_defs`, and
//! gets a warning for everything that is left out.
//!
//! Made from keepalived's manual and from what the program does, without a line of its code.

use crate::diagnostic::{Diagnostic, Severity};
use expand::Expander;
use found::Found;
use read::Reader;

pub mod convert;
mod cross;
mod effective;
mod expand;
pub mod file;
mod found;
mod keywords;
mod machine;
mod native;
mod place;
mod read;
mod router;
#[cfg(test)]
mod tests;
mod tree;
mod words;

pub use effective::Family;
pub use expand::Limits;
pub use file::File;
pub use found::OnDropped;
pub use keywords::document::keywords_markdown;
pub use keywords::man::keywords_man;
pub use machine::{Account, Entry, Inspection, Machine, Unreadable};
pub use native::native;
pub use place::{Place, Placed, Sources};
pub use router::router;

/// How to read.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Options {
    /// What conditions (`@id`) are compared with: the host name up to its first dot, unless the
    /// operator says otherwise.
    pub config_id: String,
    /// How large a configuration may become.
    pub limits: Limits,
    /// Where `${_RANDOM}` begins, unless `random_seed` says.
    pub random_seed: u64,
}

/// What came out.
#[derive(Debug)]
pub struct Parsed {
    /// The values; `None` if there was an error.
    pub file: Option<File>,
    /// Everything there is to say, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts, to say more about them, and to show what was said.
    pub sources: Sources,
}

impl Parsed {
    /// The diagnostics with the lines they are about. `color` is for terminals.
    pub fn render(&self, color: bool) -> String {
        self.sources.render(&self.diagnostics, color)
    }
}

/// Reads the configuration that begins with the file `path`. Files that it includes are asked for by
/// their path relative to it, so an absolute one is best.
pub fn parse(path: &str, machine: &dyn Machine, options: &Options) -> Parsed {
    let Options { config_id, limits, random_seed } = options;
    let mut expander = Expander::new(machine, config_id, *limits, *random_seed);
    expander.read(path);
    let Expander { sources, mut found, tree, .. } = expander;
    let file = read(tree, machine, &mut found);
    let on_dropped = file.as_ref().and_then(|file| file.globals.on_dropped.as_ref());
    let on_dropped = on_dropped.map_or(OnDropped::Refuse, |on_dropped| on_dropped.value);
    let diagnostics = found.finish(&sources, on_dropped);
    let failed = diagnostics.iter().any(|one| one.severity == Severity::Error);
    Parsed { file: file.filter(|_| !failed), diagnostics, sources }
}

/// Whether a line of a `keepalived.conf` may begin with this word, outside of all blocks.
pub(crate) fn begins_file(word: &str) -> bool {
    word.starts_with("include") || keywords::find(keywords::Scope::Top, word).is_some()
}

/// `None` if the text around the values is broken, so that to judge them would mislead.
fn read(tree: tree::Builder, machine: &dyn Machine, found: &mut Found) -> Option<File> {
    if found.illegible() {
        return None;
    }
    let mut file = Reader::new(found).file(&tree.into_nodes());
    if found.illegible() {
        return None;
    }
    cross::check(&mut file, machine, found);
    Some(file)
}

//! What is said to an operator about the text of a file: where, what is wrong, what to do.
//!
//! Knows nothing of any format: the readers of `keepair.toml` and `keepalived.conf` both speak
//! through it. It does know that files hold passwords: the lines it quotes have them starred out.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use core::fmt;
use core::ops::Range;
use std::borrow::Cow;
use std::collections::BTreeMap;

mod mask;
#[cfg(test)]
mod tests;

/// More than this many are counted, not shown: nobody reads the thousandth line about a file that is
/// not a configuration at all.
const MOST_SHOWN: usize = 50;

/// Whether the text can be used in spite of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Severity {
    /// No configuration comes out of this text.
    Error,
    /// It works, but hardly as meant.
    Warning,
}

impl Severity {
    fn level(self) -> Level<'static> {
        match self {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        }
    }
}

/// One mistake. `Display` names the place but does not quote it; [`render`] does both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// The file's name as given by the caller.
    pub file: String,
    /// Line of the first character, from 1.
    pub line: usize,
    /// Column of the first character, in characters from 1.
    pub column: usize,
    /// The offending text, in bytes from the beginning of the file; empty when something is missing.
    pub span: Range<usize>,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Other places it has to do with, in the order to read them.
    pub notes: Vec<Note>,
}

/// A second place a diagnostic speaks of: where a value was defined, what stood there before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// The file's name as given by the caller; not always the diagnostic's.
    pub file: String,
    /// Line of the first character, from 1.
    pub line: usize,
    /// Column of the first character, in characters from 1.
    pub column: usize,
    /// The text meant, in bytes from the beginning of the file.
    pub span: Range<usize>,
    /// What is there, one line.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = Origin::path(&*self.file).line(self.line).char_column(self.column);
        let group = self.severity.level().primary_title(&*self.message).element(origin);
        let group = match &self.hint {
            Some(hint) => group.element(Level::HELP.message(&**hint)),
            None => group,
        };
        let mut groups = vec![group];
        for note in &self.notes {
            let origin = Origin::path(&*note.file).line(note.line).char_column(note.column);
            groups.push(Level::NOTE.secondary_title(&*note.message).element(origin));
        }
        f.write_str(&Renderer::plain().render(&groups))
    }
}

/// The diagnostics with the lines they are about, as rustc prints them. `text` is the text they were
/// made from; passwords in it are starred out. `color` is for terminals.
pub fn render(diagnostics: &[Diagnostic], text: &str, color: bool) -> String {
    render_files(diagnostics, |_| Some(text), color)
}

/// The same for texts that come from several files: `text_of` gives a file's text by its name. Of a
/// file that it does not know only the place is named.
pub(crate) fn render_files<'t>(
    diagnostics: &[Diagnostic],
    text_of: impl Fn(&str) -> Option<&'t str>,
    color: bool,
) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let shown = diagnostics.get(..MOST_SHOWN).unwrap_or(diagnostics);
    let mut quoted = BTreeMap::new();
    for diagnostic in shown {
        let notes = diagnostic.notes.iter().map(|note| &note.file);
        for file in notes.chain([&diagnostic.file]) {
            quoted
                .entry(file.as_str())
                .or_insert_with(|| text_of(file).map_or(String::new(), quotable));
        }
    }
    let mut out = String::new();
    for (number, diagnostic) in shown.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let text = |file: &str| quoted.get(file).map_or("", String::as_str);
        out.push_str(&renderer.render(&groups(diagnostic, text)));
        out.push('\n');
    }
    if let Some(more) = diagnostics.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
        out.push_str(&format!("\n... and {more} more\n"));
    }
    out
}

/// `text` without its passwords, for a terminal: the renderer draws control characters of ASCII, but
/// hands on those behind it (C1), of which U+009B begins a command as ESC and `[` do.
fn quotable(text: &str) -> String {
    // As long as they are, so that no span moves.
    mask::secrets(text).replace(|c| ('\u{80}'..='\u{9f}').contains(&c), "\u{b7}")
}

/// A diagnostic and its notes for the renderer; `text` gives the lines to quote.
fn groups<'a>(diagnostic: &'a Diagnostic, text: impl Fn(&str) -> &'a str) -> Vec<Group<'a>> {
    let snippet = |file: &'a str, span: &Range<usize>, mark: AnnotationKind| {
        let text = text(file);
        Snippet::source(text).path(file).annotation(mark.span(within(text, span)))
    };
    let mark = AnnotationKind::Primary;
    let title = diagnostic.severity.level().primary_title(&*diagnostic.message);
    let group = title.element(snippet(&diagnostic.file, &diagnostic.span, mark));
    let group = match &diagnostic.hint {
        Some(hint) => group.element(Level::HELP.message(&**hint)),
        None => group,
    };
    let mut groups = vec![group];
    for note in &diagnostic.notes {
        let mark = AnnotationKind::Primary;
        let title = Level::NOTE.secondary_title(&*note.message);
        groups.push(title.element(snippet(&note.file, &note.span, mark)));
    }
    groups
}

/// `span` moved into `text` and onto character boundaries.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    start..end
}

/// A text with its name and its line starts.
pub(crate) struct Source<'t> {
    file: Cow<'t, str>,
    text: Cow<'t, str>,
    line_starts: Vec<usize>,
}

impl<'t> Source<'t> {
    pub(crate) fn new(file: impl Into<Cow<'t, str>>, text: impl Into<Cow<'t, str>>) -> Self {
        let text = text.into();
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = core::iter::once(0).chain(ends).collect();
        Source { file: file.into(), text, line_starts }
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A diagnostic about `span`; a span outside the text is moved into it.
    pub(crate) fn diagnostic(
        &self,
        severity: Severity,
        span: Range<usize>,
        message: String,
        hint: Option<String>,
    ) -> Diagnostic {
        let Note { file, line, column, span, message } = self.note(span, message);
        Diagnostic { file, line, column, span, severity, message, hint, notes: Vec::new() }
    }

    /// A note about `span`; a span outside the text is moved into it.
    pub(crate) fn note(&self, span: Range<usize>, message: String) -> Note {
        let span = within(&self.text, &span);
        // The first line starts at 0, so at least one start is not above the span's.
        let line = self.line_starts.partition_point(|start| *start <= span.start);
        let line_start = self.line_starts.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(line_start..span.start).unwrap_or("");
        Note {
            file: self.file.clone().into_owned(),
            line,
            // A byte order mark is not something an editor counts.
            column: before.chars().filter(|c| *c != '\u{feff}').count() + 1,
            span,
            message,
        }
    }
}

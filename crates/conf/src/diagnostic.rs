//! What is said to an operator about the text of a file: where, what is wrong, what to do.
//!
//! Knows nothing of any format: the readers of `keepair.toml` and `keepalived.conf` both speak
//! through it. It does know that files hold passwords: the lines it quotes have them starred out.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use core::fmt;
use core::ops::Range;

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
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = Origin::path(&*self.file).line(self.line).char_column(self.column);
        let group = self.severity.level().primary_title(&*self.message).element(origin);
        let group = match &self.hint {
            Some(hint) => group.element(Level::HELP.message(&**hint)),
            None => group,
        };
        f.write_str(&Renderer::plain().render(&[group]))
    }
}

/// The diagnostics with the lines they are about, as rustc prints them. `text` is the text they were
/// made from; passwords in it are starred out. `color` is for terminals.
pub fn render(diagnostics: &[Diagnostic], text: &str, color: bool) -> String {
    let quoted = mask::secrets(text);
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for (number, diagnostic) in diagnostics.iter().take(MOST_SHOWN).enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let mark = AnnotationKind::Primary.span(within(&quoted, &diagnostic.span));
        let snippet = Snippet::source(&*quoted).path(&*diagnostic.file).annotation(mark);
        let title = diagnostic.severity.level().primary_title(&*diagnostic.message);
        let group = match &diagnostic.hint {
            Some(hint) => title.element(snippet).element(Level::HELP.message(&**hint)),
            None => title.element(snippet),
        };
        out.push_str(&renderer.render(&[group]));
        out.push('\n');
    }
    if let Some(more) = diagnostics.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
        out.push_str(&format!("\n... and {more} more\n"));
    }
    out
}

/// `span` moved into `text` and onto character boundaries.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    start..end
}

/// A text with its name and its line starts.
pub(crate) struct Source<'t> {
    file: &'t str,
    text: &'t str,
    line_starts: Vec<usize>,
}

impl<'t> Source<'t> {
    pub(crate) fn new(file: &'t str, text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Source { file, text, line_starts: core::iter::once(0).chain(ends).collect() }
    }

    /// A diagnostic about `span`; a span outside the text is moved into it.
    pub(crate) fn diagnostic(
        &self,
        severity: Severity,
        span: Range<usize>,
        message: String,
        hint: Option<String>,
    ) -> Diagnostic {
        let span = within(self.text, &span);
        // The first line starts at 0, so at least one start is not above the span's.
        let line = self.line_starts.partition_point(|start| *start <= span.start);
        let line_start = self.line_starts.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(line_start..span.start).unwrap_or("");
        Diagnostic {
            file: self.file.to_owned(),
            line,
            // A byte order mark is not something an editor counts.
            column: before.chars().filter(|c| *c != '\u{feff}').count() + 1,
            span,
            severity,
            message,
            hint,
        }
    }
}

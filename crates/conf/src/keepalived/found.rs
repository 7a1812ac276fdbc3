//! What was found wrong, and how wrong.

use core::mem;

use super::place::{Place, Sources};
use crate::diagnostic::{Diagnostic, Severity};
use crate::value::Fault;

/// More of a kind are not kept: whoever sees a thousand has another kind of file.
const MOST_KEPT: usize = 1_000;

/// What becomes of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Nobody can tell what is meant around it: the values are not looked at.
    Syntax,
    /// It can't be used.
    Error,
    /// keepalived says so in its log, leaves it out and goes on. Here it is an error, for what is
    /// left out may be the check that everything hangs on; `on_dropped warn` makes it a warning.
    Dropped,
    /// It works, but hardly as meant.
    Warning,
}

#[derive(Debug)]
struct Finding {
    kind: Kind,
    place: Place,
    fault: Fault,
    also: Option<(Place, String)>,
}

/// Everything found so far.
#[derive(Default, Debug)]
pub(super) struct Found {
    findings: Vec<Finding>,
    warnings: usize,
    dropped: usize,
    errors: usize,
}

impl Found {
    pub(super) fn syntax(&mut self, place: Place, fault: Fault) {
        self.push(Kind::Syntax, place, fault, None);
    }

    pub(super) fn error(&mut self, place: Place, fault: Fault) {
        self.push(Kind::Error, place, fault, None);
    }

    pub(super) fn dropped(&mut self, place: Place, fault: Fault) {
        self.push(Kind::Dropped, place, fault, None);
    }

    pub(super) fn warning(&mut self, place: Place, fault: Fault) {
        self.push(Kind::Warning, place, fault, None);
    }

    /// With a second place that it has to do with, and what is there.
    pub(super) fn with(
        &mut self,
        kind: Kind,
        place: Place,
        fault: Fault,
        (other, note): (Place, &str),
    ) {
        self.push(kind, place, fault, Some((other, note.to_owned())));
    }

    fn push(&mut self, kind: Kind, place: Place, fault: Fault, also: Option<(Place, String)>) {
        let count = match kind {
            Kind::Syntax | Kind::Error => &mut self.errors,
            Kind::Dropped => &mut self.dropped,
            Kind::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= MOST_KEPT {
            self.findings.push(Finding { kind, place, fault, also });
        } else if kind == Kind::Dropped && *count == MOST_KEPT + 1 {
            // What is left out is not left out in silence, whatever the operator says.
            let fault = Fault::new("more is left out than can be told", "mend the first ones");
            self.error(place, fault);
        }
    }

    /// Whether there is so much wrong that to find out what was meant is not worth the time.
    pub(super) fn is_full(&self) -> bool {
        self.errors.max(self.dropped) > MOST_KEPT
    }

    /// Whether the text can't be taken for a tree of blocks.
    pub(super) fn illegible(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind == Kind::Syntax)
    }

    /// All of it in the order of the files.
    pub(super) fn finish(mut self, sources: &Sources, on_dropped: OnDropped) -> Vec<Diagnostic> {
        let mut findings = mem::take(&mut self.findings);
        findings.sort_by_cached_key(|finding| sources.outermost(finding.place).order());
        let diagnostics = findings.into_iter().map(|Finding { kind, place, fault, also }| {
            let severity = match (kind, on_dropped) {
                (Kind::Warning, _) | (Kind::Dropped, OnDropped::Warn) => Severity::Warning,
                _ => Severity::Error,
            };
            let mut diagnostic = sources.diagnostic(severity, place, fault.message, fault.hint);
            if let Some((place, note)) = also {
                diagnostic.notes.push(sources.note(place, note));
            }
            diagnostic
        });
        diagnostics.collect()
    }
}

/// What to do about settings that keepalived would leave out with a line in its log.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum OnDropped {
    /// The file is not used.
    #[default]
    Refuse,
    /// They are left out as keepalived leaves them out, with a warning for each.
    Warn,
}

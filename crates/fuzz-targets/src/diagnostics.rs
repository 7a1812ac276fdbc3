//! What must hold for whatever a reader of configurations says about a text.

use keepair_conf::{Diagnostic, render};

/// Diagnostics that are drawn at once; `render` counts the rest.
const DRAWN: usize = 50;
/// Drawing the same lines takes far longer than finding them.
const DRAWN_MAX: usize = 100;

/// Every place named exists and is named right, and all of it can be shown.
pub(crate) fn check(found: &[Diagnostic], text: &str) {
    for one in found {
        assert!(text.get(one.span.clone()).is_some(), "{one:?}");
        let before = &text[..one.span.start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        assert_eq!(one.line, before.matches('\n').count() + 1, "{one:?}");
        // A byte order mark is not something an editor counts.
        let column = before[line_start..].chars().filter(|c| *c != '\u{feff}').count() + 1;
        assert_eq!(one.column, column, "{one:?}");
        assert!(!one.message.contains(char::is_control), "{one:?}");
        assert!(one.hint.iter().all(|hint| !hint.contains(char::is_control)), "{one:?}");
        assert!(one.to_string().contains(&one.message), "{one:?}");
    }
    for some in found.chunks(DRAWN).take(DRAWN_MAX / DRAWN) {
        let shown = render(some, text, false);
        assert!(!shown.is_empty());
        // It goes to a terminal, and the text may be anybody's.
        let escapes = shown.contains(|c: char| c.is_control() && c != '\n');
        assert!(!escapes, "{shown:?}");
        assert!(!render(some, text, true).is_empty());
    }
    assert_eq!(render(&[], text, false), "");
}

/// A password that stands in the text once is not in what is shown about it.
pub(crate) fn check_secret(found: &[Diagnostic], text: &str, password: &str) {
    let telling = password.len() >= 8 && password.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let said = found.iter().any(|one| {
        one.message.contains(password) || one.hint.iter().any(|hint| hint.contains(password))
    });
    if telling && !said && text.matches(password).count() == 1 {
        let shown = render(found, text, false);
        assert!(!shown.contains(password), "{shown}");
    }
}

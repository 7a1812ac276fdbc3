//! What must hold for whatever a reader of configurations says about its texts.

use std::ops::Range;

use keepair_conf::Diagnostic;

/// Diagnostics that are drawn at once; the renderer counts the rest.
const DRAWN: usize = 50;
/// Drawing the same lines takes far longer than finding them.
const DRAWN_MAX: usize = 100;

/// Every place named exists and is named right, and all of it can be shown. `text_of` gives a file's
/// text by its name, `render` draws, plain or in colour.
pub(crate) fn check<'t>(
    found: &[Diagnostic],
    text_of: impl Fn(&str) -> Option<&'t str>,
    render: impl Fn(&[Diagnostic], bool) -> String,
) {
    let text_of = |file: &str| text_of(file).unwrap_or_else(|| panic!("there is no {file}"));
    for one in found {
        check_place(text_of(&one.file), &one.span, (one.line, one.column));
        let words = [Some(&one.message), one.hint.as_ref()];
        assert!(
            !words.into_iter().flatten().any(|text| text.contains(char::is_control)),
            "{one:?}"
        );
        assert!(one.to_string().contains(&one.message), "{one:?}");
        for note in &one.notes {
            check_place(text_of(&note.file), &note.span, (note.line, note.column));
            assert!(!note.message.contains(char::is_control), "{note:?}");
        }
    }
    for some in found.chunks(DRAWN).take(DRAWN_MAX / DRAWN) {
        let shown = render(some, false);
        assert!(!shown.is_empty());
        // It goes to a terminal, and the text may be anybody's.
        let escapes = shown.contains(|c: char| c.is_control() && c != '\n');
        assert!(!escapes, "{shown:?}");
        assert!(!render(some, true).is_empty());
    }
    assert_eq!(render(&[], false), "");
}

fn check_place(text: &str, span: &Range<usize>, place: (usize, usize)) {
    assert!(text.get(span.clone()).is_some(), "{span:?} is not in {text:?}");
    let before = &text[..span.start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    // A byte order mark is not something an editor counts.
    let column = before[line_start..].chars().filter(|c| *c != '\u{feff}').count() + 1;
    assert_eq!(place, (before.matches('\n').count() + 1, column), "{span:?} of {text:?}");
}

/// A password that stands in the text once is not in what is shown about it.
pub(crate) fn check_secret(found: &[Diagnostic], text: &str, shown: &str, password: &str) {
    let telling = password.len() >= 8 && password.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let said = found.iter().any(|one| {
        one.message.contains(password) || one.hint.iter().any(|hint| hint.contains(password))
    });
    if telling && !said && text.matches(password).count() == 1 {
        assert!(!shown.contains(password), "{shown}");
    }
}

//! Stars in place of the passwords of a text, so that a quoted line can be pasted into a ticket.
//!
//! Works on broken text, where no parser can say what is a value: it looks for words that name a
//! password, misspelt ones included, and stars what follows. Better a star too many.

use crate::keys::nearest::distance;

/// `text` with as many bytes and lines, but stars for what follows a password's name, for the
/// arguments of scripts and for signing keys.
pub(super) fn secrets(text: &str) -> String {
    let text = &*logins(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word_len = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_len);
        out.push_str(word);
        rest = after;
        let shown = if names_secret(word) {
            gap_len(rest)
        } else if names_script(word) {
            path_len(rest)
        } else if word == "key" {
            number_len(rest)
        } else {
            0
        };
        if shown > 0 {
            let (shown, value) = rest.split_at(shown);
            let (value, after) = value.split_at(value_len(value));
            out.push_str(shown);
            star(value, &mut out);
            rest = after;
        }
        let other_len = rest.find(is_word).unwrap_or(rest.len());
        let (other, after) = rest.split_at(other_len);
        out.push_str(other);
        rest = after;
    }
    out
}

/// `text` with stars for the logins in its URLs: what stands between `://` and the last `@` of a string
/// or word.
fn logins(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + "://".len());
        out.push_str(before);
        let end = url.find(['"', '\'', '\n', '\r']).unwrap_or(url.len());
        let login_len = url.get(..end).and_then(|url| url.rfind('@')).unwrap_or(0);
        let (login, after) = url.split_at(login_len);
        star(login, &mut out);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

fn names_secret(word: &str) -> bool {
    // Longer words are not keys; the bound keeps the search linear.
    if word.len() > 32 {
        return false;
    }
    let word = word.to_lowercase();
    // Blocks and words of keepalived.conf that hold no secret themselves.
    if matches!(&*word, "authentication" | "auth_type" | "auth_hmac") {
        return false;
    }
    let named = ["pass", "secret", "auth"].iter().any(|part| word.contains(part));
    (named || distance(&word, "password") <= 2) && !word.ends_with("file")
}

/// Whether a script follows, whose arguments often are passwords.
fn names_script(word: &str) -> bool {
    let is_block = matches!(word, "vrrp_script" | "track_script");
    word == "script" || word.starts_with("notify") || (word.ends_with("_script") && !is_block)
}

/// Length of the blanks and the path at the beginning of `text`, up to the first argument; 0 if there
/// is none on this line.
fn path_len(text: &str) -> usize {
    let is_blank = [' ', '\t'];
    let path = text.trim_start_matches(is_blank);
    let end = path.find([' ', '\t', '\n']).unwrap_or(path.len());
    let (_, arguments) = path.split_at(end);
    let value = arguments.trim_start_matches(is_blank);
    let has_arguments = path.len() < text.len() && !value.is_empty() && !value.starts_with('\n');
    if has_arguments { text.len() - value.len() } else { 0 }
}

/// Length of the blanks and the number at the beginning of `text`, up to the key; 0 if there is no
/// number.
fn number_len(text: &str) -> usize {
    let is_blank = [' ', '\t'];
    let number = text.trim_start_matches(is_blank);
    let rest = number.trim_start_matches(|ch: char| ch.is_ascii_digit());
    let value = rest.trim_start_matches(is_blank);
    let has_key = rest.len() < number.len() && value.len() < rest.len();
    if has_key { text.len() - value.len() } else { 0 }
}

/// Length of what stands between a key and its value: a closing quote, blanks, `=` or `:`.
fn gap_len(text: &str) -> usize {
    let unquoted = text.strip_prefix(['"', '\'']).unwrap_or(text);
    let mut value = unquoted.trim_start_matches([' ', '\t']);
    if let Some(after) = value.strip_prefix(['=', ':']) {
        // A value on the next line is an error, and still a password.
        value = after.trim_start();
    }
    if value.len() == unquoted.len() { 0 } else { text.len() - value.len() }
}

/// Length of the value at the beginning of `text`: a string, an array or table, else to the end of
/// the line.
fn value_len(text: &str) -> usize {
    for (open, close) in [("\"\"\"", "\"\"\""), ("'''", "'''"), ("[", "]"), ("{", "}")] {
        if let Some(inner) = text.strip_prefix(open) {
            return inner.find(close).map_or(text.len(), |at| at + open.len() + close.len());
        }
    }
    let line_len = text.find('\n').unwrap_or(text.len());
    let mut chars = text.char_indices();
    let quote = match chars.next() {
        Some((_, quote @ ('"' | '\''))) => quote,
        _ => return line_len,
    };
    let mut escaped = false;
    for (at, c) in chars {
        match c {
            '\n' => break,
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    line_len
}

fn star(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\n' | '\r' | '"' | '\'' => out.push(c),
            _ => out.extend(core::iter::repeat_n('*', c.len_utf8())),
        }
    }
}

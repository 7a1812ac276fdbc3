//! The small languages inside a configuration's strings: durations, addresses, names.
//!
//! Each takes the string and gives the value or a [`Fault`]; where it stood is the reader's business.

pub(crate) mod address;
pub(crate) mod duration;
pub(crate) mod name;
pub(crate) mod url;

#[cfg(test)]
mod tests;

/// What is wrong with a value, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Fault { message: message.into(), hint: Some(hint.into()) }
    }
}

/// `text` in backticks, shortened and without control characters: it goes to a terminal.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 48;
    let shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    // escape_debug also escapes quotes, which a terminal does not mind.
    let shown = shown.replace("\\'", "'").replace("\\\"", "\"");
    let more = if text.chars().nth(LONGEST).is_some() { "..." } else { "" };
    format!("`{shown}{more}`")
}

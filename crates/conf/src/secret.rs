//! A password that wipes its memory and stays out of logs.
//!
//! Not a vault: the text of the file it came from, and a copy the TOML reader makes of a password
//! written with escapes, are not wiped here.

use core::fmt;
use zeroize::Zeroizing;

/// A password. `Debug` prints `***`; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the password over; its memory is wiped when the `Secret` is dropped.
    pub fn new(text: String) -> Self {
        Secret(Zeroizing::new(text))
    }

    /// The password itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

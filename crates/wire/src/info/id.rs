//! The two random names a server goes by: of its data's history, and of its process.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// A text that is not 40 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdError;

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not 40 hexadecimal digits")
    }
}

impl core::error::Error for IdError {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub struct $name(
            #[cfg_attr(feature = "serde", serde(with = "crate::hex"))] pub [u8; 20],
        );

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                from_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            /// 40 lower-case digits, as the server writes it.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text: String = self.0.iter().flat_map(|byte| hex_digits(*byte)).collect();
                f.pad(&text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id! {
    /// A replication ID: the name of one history of writes. Two servers with one ID and one offset
    /// hold the same data.
    ReplId
}

id! {
    /// The name of one run of a server process. Another one means that it has restarted, even if no
    /// ping was ever lost.
    RunId
}

fn from_hex(text: &str) -> Result<[u8; 20], IdError> {
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 20 || !odd.is_empty() {
        return Err(IdError);
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut id = [0; 20];
    for (byte, [high, low]) in id.iter_mut().zip(pairs) {
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Err(IdError);
        };
        *byte = high << 4 | low;
    }
    Ok(id)
}

fn hex_digits(byte: u8) -> impl Iterator<Item = char> {
    [byte >> 4, byte & 0x0f]
        .into_iter()
        .filter_map(|nibble| char::from_digit(u32::from(nibble), 16))
}

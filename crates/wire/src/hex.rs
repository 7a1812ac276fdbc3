//! Bytes as hexadecimal digits in text formats, and as bytes in others: for `serde(with)`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// Writes the bytes.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(bytes: impl AsRef<[u8]>, to: S) -> Result<S::Ok, S::Error> {
    let bytes = bytes.as_ref();
    if !to.is_human_readable() {
        return to.serialize_bytes(bytes);
    }
    let mut text = String::with_capacity(bytes.len() * 2);
    for nibble in bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]) {
        text.extend(char::from_digit(u32::from(nibble), 16));
    }
    to.serialize_str(&text)
}

/// Reads as many bytes as `T` holds.
///
/// # Errors
/// When there are no digits, an odd number of them, or not as many as `T` holds.
pub fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: TryFrom<Vec<u8>>,
    D: Deserializer<'de>,
{
    if from.is_human_readable() {
        from.deserialize_str(Digits(PhantomData))
    } else {
        from.deserialize_byte_buf(Digits(PhantomData))
    }
}

struct Digits<T>(PhantomData<T>);

impl<T: TryFrom<Vec<u8>>> Visitor<'_> for Digits<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hexadecimal digits, two for each byte")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let (pairs, odd) = text.as_bytes().as_chunks::<2>();
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        match bytes {
            Some(bytes) if odd.is_empty() => self.visit_byte_buf(bytes),
            _ => Err(E::custom("not hexadecimal digits, two for each byte")),
        }
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        self.visit_byte_buf(bytes.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<T, E> {
        let count = bytes.len();
        T::try_from(bytes).map_err(|_| E::custom(format_args!("{count} bytes are too many or few")))
    }
}

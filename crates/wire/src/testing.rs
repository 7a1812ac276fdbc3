//! What several test files need: golden bytes from hex, and hostile bytes from a seed.

use alloc::vec::Vec;

/// Bytes from hex digits. Blanks and line breaks may stand anywhere, to show the fields.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap())
        .collect();
    let (pairs, odd) = digits.as_chunks::<2>();
    assert!(odd.is_empty(), "odd number of digits");
    pairs.iter().map(|[high, low]| high << 4 | low).collect()
}

/// Marsaglia's xorshift64: the same bytes on every run.
pub(crate) struct XorShift(pub(crate) u64);

impl XorShift {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`, or 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound.max(1)
    }
}

/// Feeds `parse` random bytes, then `samples` cut short, grown, and with bytes changed. It passes
/// if nothing panics.
pub(crate) fn feed_hostile_bytes(samples: &[&[u8]], mut parse: impl FnMut(&[u8])) {
    let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
    for _ in 0..2_000 {
        let len = random.below(120);
        let noise: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        parse(&noise);
    }
    for sample in samples {
        for len in 0..=sample.len() {
            parse(&sample[..len]);
        }
        for _ in 0..5_000 {
            let mut bytes = sample.to_vec();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, random.next() as u8),
                    2 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
                    _ if at < bytes.len() => bytes[at] = random.next() as u8,
                    _ => {}
                }
            }
            parse(&bytes);
        }
    }
}

//! Random numbers: splitmix64, so that a seed means the same story with every version of every
//! library. Not for secrets.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Rng(seed)
    }

    /// The next 64 bits (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.bits() % (high.saturating_sub(low) + 1)
    }

    /// True so many times of a thousand.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.bits() % 1000 < permille
    }

    /// One of them; the slice must not be empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[(self.bits() % from.len() as u64) as usize]
    }

    /// 20 random bytes: a replication id or a run id.
    pub fn id(&mut self) -> [u8; 20] {
        let mut id = [0; 20];
        for chunk in id.chunks_mut(8) {
            let bytes = self.bits().to_be_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        id
    }

    /// A stream of its own, which draws from this one once.
    pub fn fork(&mut self) -> Rng {
        Rng(self.bits())
    }

    /// Where the stream is: equal positions after equal runs mean equal draws.
    pub fn position(&self) -> u64 {
        self.0
    }
}

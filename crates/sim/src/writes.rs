//! A set of writes: what a Redis, a file or a wire holds. One bit for each number, because sets are
//! compared whenever something may have been lost.

use crate::redis::WriteId;

/// Writes by their numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Writes {
    words: Vec<u64>,
}

impl Writes {
    /// Puts one in.
    pub fn insert(&mut self, write: WriteId) {
        let word = write as usize / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (write % 64);
    }

    /// It is there.
    pub fn contains(&self, write: WriteId) -> bool {
        self.words.get(write as usize / 64).is_some_and(|word| word >> (write % 64) & 1 == 1)
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// In the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = WriteId> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let first = at as WriteId * 64;
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first + bit)
        })
    }

    /// Puts all of them in.
    pub fn add(&mut self, others: &Writes) {
        if self.words.len() < others.words.len() {
            self.words.resize(others.words.len(), 0);
        }
        for (own, other) in self.words.iter_mut().zip(&others.words) {
            *own |= other;
        }
    }

    /// Takes all of them out.
    pub fn remove(&mut self, others: &Writes) {
        for (own, other) in self.words.iter_mut().zip(&others.words) {
            *own &= !other;
        }
    }

    /// These, without those.
    pub fn without(&self, others: &Writes) -> Writes {
        let mut left = self.clone();
        left.remove(others);
        left
    }
}

impl Extend<WriteId> for Writes {
    fn extend<I: IntoIterator<Item = WriteId>>(&mut self, writes: I) {
        writes.into_iter().for_each(|write| self.insert(write));
    }
}

impl FromIterator<WriteId> for Writes {
    fn from_iter<I: IntoIterator<Item = WriteId>>(writes: I) -> Self {
        let mut set = Writes::default();
        set.extend(writes);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(writes: &[WriteId]) -> Writes {
        writes.iter().copied().collect()
    }

    #[test]
    fn sets_are_added_and_subtracted() {
        let mut some = set(&[1, 63, 64]);
        some.add(&set(&[64, 200]));
        assert_eq!(some.iter().collect::<Vec<_>>(), [1, 63, 64, 200]);
        assert_eq!(some.without(&set(&[63, 200, 999])).iter().collect::<Vec<_>>(), [1, 64]);
        assert!(some.contains(200) && !some.contains(201) && !some.contains(100_000));
        assert_eq!((some.len(), some.is_empty(), set(&[]).is_empty()), (4, false, true));
    }
}

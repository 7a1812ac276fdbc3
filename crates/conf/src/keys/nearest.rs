//! What an unknown key was probably meant to be.

use super::{ALL, Key, Section};

/// Longer words are no misspelt keys; the bound keeps the comparison cheap on any input.
const LONGEST: usize = 40;

/// What to tell someone who wrote `word` in `section`, where no key has this name.
pub(crate) fn hint(section: Section, word: &str) -> String {
    let word = word.to_lowercase().replace('-', "_");
    let called = |key: &&Key| key.name == word || key.also.contains(&&*word);
    let near = |keys: &mut dyn Iterator<Item = &'static Key>| {
        keys.map(|key| (distance(&word, key.name), key))
            .filter(|(steps, key)| *steps <= 1 + key.name.len() / 4)
            .min_by_key(|(steps, _)| *steps)
            .map(|(_, key)| key)
    };
    let here = section.keys().find(called).or_else(|| near(&mut section.keys()));
    if let Some(key) = here {
        return format!("did you mean `{}`?", key.name);
    }
    // A key below the wrong header is TOML's most common trap: `[redis]` ends the top level.
    let exact = ALL.iter().copied().find(|key| key.name == word);
    let elsewhere = exact
        .or_else(|| ALL.iter().copied().find(called))
        .or_else(|| near(&mut ALL.iter().copied()))
        .filter(|key| key.section != section);
    if let Some(key) = elsewhere {
        let place = match key.section {
            Section::Top => "belongs above the first [section]".to_owned(),
            other => format!("belongs in {}", other.header()),
        };
        return format!("`{}` {place}", key.name);
    }
    let names: Vec<String> = section.keys().map(|key| format!("`{}`", key.name)).collect();
    format!("known in {}: {}", section.header(), names.join(", "))
}

/// How many letters must be inserted, left out, replaced or swapped with their neighbour to get
/// from `a` to `b` (the restricted Damerau-Levenshtein distance).
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(LONGEST).collect();
    let b: Vec<char> = b.chars().take(LONGEST).collect();
    // The last two rows of the table; row[j] is the distance to the first j letters of b.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (i, letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        let mut left_of_b = None;
        for (j, other) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&above, j + 1) + 1)
                .min(at(&row, j) + 1)
                .min(at(&above, j) + usize::from(letter != other));
            if j > 0 && last == Some(other) && left_of_b == Some(letter) {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
            left_of_b = Some(other);
        }
        before = core::mem::replace(&mut above, row);
        last = Some(letter);
    }
    above.last().copied().unwrap_or(0)
}

//! `keepalived.conf`: values, or what is wrong with the texts, of which one may include others.

use keepair_conf::Severity;
use keepair_conf::keepalived::{Limits, Machine, Options, Unreadable, parse};

use crate::diagnostics;

/// The first is read, the others are there to be included.
const FILES: [&str; 4] = ["keepalived.conf", "a.conf", "b.conf", "c.conf"];
/// Small, so that a run that reaches one does not take long.
const LIMITS: Limits =
    Limits { bytes: 1 << 18, characters: 1 << 16, includes: 8, expansions: 16, blocks: 8 };

/// The bytes are the texts, with a zero after each but the last.
pub fn run(bytes: &[u8]) {
    let texts = bytes.splitn(FILES.len(), |byte| *byte == 0);
    let disk = Disk(texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect());
    let options = Options { config_id: "redis-1".to_owned(), limits: LIMITS, random_seed: 1 };
    let parsed = parse(FILES[0], &disk, &options);
    let found = &parsed.diagnostics;
    let failed = found.iter().any(|one| one.severity == Severity::Error);
    assert_eq!(parsed.file.is_none(), failed);
    let draw = |some: &[_], color| parsed.sources.render(some, color);
    diagnostics::check(found, |file| disk.text(file), draw);
}

/// A machine that has these files and of which nothing else is known.
struct Disk(Vec<String>);

impl Disk {
    fn text(&self, path: &str) -> Option<&str> {
        let at = FILES.iter().position(|file| *file == path)?;
        self.0.get(at).map(String::as_str)
    }
}

impl Machine for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        self.text(path).map(|text| text.as_bytes().to_vec()).ok_or(Unreadable::Missing)
    }

    fn list(&self, _path: &str) -> Vec<String> {
        FILES.iter().take(self.0.len()).map(|file| (*file).to_owned()).collect()
    }
}

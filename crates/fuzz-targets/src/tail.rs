//! A part of a replication stream: the same commands however it is cut, no byte twice and none left
//! out, and keys that are the commands' own words.

use keepair_wire::command::{Reach, reach};
use keepair_wire::tail::{Entry, Error, Reader, What, database_at_end};

use crate::draw::Draw;

const FROM: i64 = 1001;

/// The first byte says where the stream is cut, the rest is the stream.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let cut = 1 + usize::from(draw.byte());
    let stream = draw.rest();
    let (entries, error) = read(stream, stream.len().max(1));
    assert_eq!(read(stream, cut), (entries.clone(), error), "cut into {cut}");
    assert_eq!(read(stream, 1), (entries.clone(), error), "cut into bytes");
    let mut next = FROM;
    for entry in &entries {
        assert_eq!(entry.offset, next);
        assert!(entry.end >= entry.offset);
        next = entry.end + 1;
        check(entry);
    }
    assert!(next - FROM <= stream.len() as i64);
    let _ = database_at_end(stream);
}

fn read(stream: &[u8], size: usize) -> (Vec<Entry>, Option<Error>) {
    let mut reader = Reader::new(FROM, None, 1_790_000_000_000);
    let mut entries = Vec::new();
    for piece in stream.chunks(size) {
        reader.push(piece);
        loop {
            match reader.next() {
                Ok(Some(entry)) => entries.push(entry),
                Ok(None) => break,
                Err(error) => return (entries, Some(error)),
            }
        }
    }
    (entries, None)
}

fn check(entry: &Entry) {
    let found = reach(&entry.args);
    let data = matches!(entry.what, What::Write | What::Expired);
    let changes =
        matches!(found, Reach::Keys(_) | Reach::Everything | Reach::Server | Reach::Unknown);
    assert_eq!(data, changes, "{entry:?}");
    if let Reach::Keys(keys) = found {
        assert!(!keys.is_empty());
        for key in keys {
            assert!(entry.args.iter().skip(1).any(|arg| arg == key.name), "{entry:?}");
        }
    }
}

//! The seeds are of the format in use: after a change of it they must be made anew, or the fuzzer
//! begins with bytes that mean nothing any more.

use std::fs;

use super::*;

#[test]
fn seeds_are_what_they_are_named_after() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/peer");
    #[rustfmt::skip]
    let rows = [
        ("active-with-everything",        None),
        ("standby",                       None),
        ("unfit",                         None),
        ("long-reason",                   None),
        ("reason-of-255-bytes",           None),
        ("escape-in-the-reason",          None),
        ("with-fields-of-a-later-format", None),
        ("format-2",                      Some(ParseError::Version(2))),
        ("cut-short",                     Some(ParseError::Truncated)),
    ];
    for (seed, error) in rows {
        let bytes = fs::read(format!("{folder}/{seed}")).expect(seed);
        assert_eq!(Report::decode(&bytes).err(), error, "{seed}");
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), rows.len());
}

//! Where keepalived finds nothing wrong, Keepair refuses nothing, and the other way round; with a
//! reason for every difference.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use keepair_conf::Severity;
use keepair_conf::keepalived::{Options, parse};

use crate::disk::Disk;
use crate::rows::{Row, Verdict, rows};

#[test]
fn every_row_is_judged_as_keepalived_judges_it() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("agreement");
    let rows = rows();
    assert!(rows.len() >= 60, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let folder = folder.join(number.to_string());
        let main = write(&folder, row);
        let (status, log) = keepalived(&main);
        let (refused, shown) = keepair(&main);
        let same = (status == 0) != refused;
        if same != matches!(row.verdict, Verdict::Same) {
            // A file that includes itself is told of a thousand times.
            let log = log.lines().take(5).collect::<Vec<_>>().join("\n");
            wrong.push(format!(
                "{}\nexpected {:?}, keepalived {status}:\n{log}\nkeepair {}:\n{shown}",
                row.text,
                row.verdict,
                if refused { "refused" } else { "took" },
            ));
        }
        if let Verdict::Differs(reason) = row.verdict {
            assert!(!reason.is_empty(), "{}", row.text);
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n\n{}", wrong.len(), rows.len(), wrong.join("\n----\n"));
}

/// Writes the files of a row: a line `==> NAME` begins another one.
fn write(folder: &Path, row: &Row) -> PathBuf {
    let main = folder.join("keepalived.conf");
    let mut files = row.text.split("\n==> ");
    let content = files.next().unwrap_or_default();
    fs::create_dir_all(folder).expect("a folder");
    fs::write(&main, content).expect("a file");
    for file in files {
        let (name, content) = file.split_once('\n').expect("a name and a content");
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }
    main
}

/// keepalived's exit status and what it says.
pub(crate) fn keepalived(main: &Path) -> (i32, String) {
    let output = Command::new("keepalived")
        .args(["--config-id", "redis-1", "--config-test", "--use-file"])
        .arg(main)
        .current_dir(main.parent().expect("a folder"))
        .output()
        .expect("keepalived is installed (apt-get install keepalived)");
    let log = String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), log.into_owned())
}

/// Whether Keepair refuses it, and what it says.
fn keepair(main: &Path) -> (bool, String) {
    let options = Options { config_id: "redis-1".to_owned(), ..Options::default() };
    let parsed = parse(&main.display().to_string(), &Disk, &options);
    let refused = parsed.diagnostics.iter().any(|one| one.severity == Severity::Error);
    assert_eq!(parsed.file.is_none(), refused);
    (refused, parsed.render(false))
}

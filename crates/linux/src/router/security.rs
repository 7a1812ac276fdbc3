//! Who runs a script, and whether root may run it at all.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Group, Uid, User, getgrouplist};

use super::child;
use super::setup::RunAs;

/// Who runs scripts that say nothing of it, if there is such a user.
pub const USUAL: &str = "keepalived_script";

/// Looks a user up, and a group if it is not the user's own. With `supplementary`, all groups the
/// user is in count; without it none but the one.
///
/// # Errors
/// When there is no such user or group, or the database can't be read.
pub fn look_up(user: &str, group: Option<&str>, supplementary: bool) -> io::Result<RunAs> {
    let missing = |what: &str| io::Error::new(io::ErrorKind::NotFound, format!("no such {what}"));
    let account = User::from_name(user)?.ok_or_else(|| missing("user"))?;
    let gid = match group {
        None => account.gid,
        Some(group) => Group::from_name(group)?.ok_or_else(|| missing("group"))?.gid,
    };
    let supplementary = if supplementary {
        let name = std::ffi::CString::new(user)?;
        let groups = getgrouplist(&name, gid)?;
        groups.into_iter().filter(|other| *other != gid).map(nix::unistd::Gid::as_raw).collect()
    } else {
        Vec::new()
    };
    Ok(RunAs { uid: account.uid.as_raw(), gid: gid.as_raw(), supplementary })
}

/// Who runs scripts that say nothing of it: the user [`USUAL`], else whoever the daemon runs as. That
/// is root on most machines, as with keepalived: `docs/conformance/scripts.md`.
///
/// # Errors
/// When the user database can't be read.
pub fn usual(supplementary: bool) -> io::Result<RunAs> {
    if User::from_name(USUAL)?.is_some() {
        return look_up(USUAL, None, supplementary);
    }
    let gid = nix::unistd::getegid().as_raw();
    Ok(RunAs { uid: Uid::effective().as_raw(), gid, supplementary: Vec::new() })
}

/// `enable_script_security`: whether nobody but root can change what root is about to run. Asked before
/// every run, for permissions change.
///
/// # Errors
/// When somebody can, or the file is not there; the text says what and where.
pub fn check(path: &str, run_as: &RunAs) -> io::Result<()> {
    let file = child::find(path)?;
    let written = Path::new(&file);
    let real = fs::canonicalize(written)?;
    let metadata = fs::metadata(&real)?;
    let becomes_root = metadata.mode() & 0o4000 != 0 && metadata.uid() == 0;
    if run_as.uid != 0 && !becomes_root {
        return Ok(());
    }
    // A link may lie where others can replace it, though what it leads to does not.
    for place in written.ancestors().skip(1).chain(real.ancestors()) {
        if place.as_os_str().is_empty() {
            continue;
        }
        let metadata = fs::metadata(place)?;
        if is_changeable(metadata.uid(), metadata.gid(), metadata.mode()) {
            let text = format!("others than root can change {}", place.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
    }
    Ok(())
}

/// Whether others than root can change a file, or what a directory holds. In one with the sticky bit
/// they can't change what is not theirs.
fn is_changeable(uid: u32, gid: u32, mode: u32) -> bool {
    let is_directory = mode & libc::S_IFMT == libc::S_IFDIR;
    let sticky = is_directory && mode & 0o1000 != 0;
    let group = mode & 0o020 != 0 && gid != 0;
    let others = mode & 0o002 != 0;
    uid != 0 || ((group || others) && !sticky)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_change() {
        const FILE: u32 = libc::S_IFREG;
        const FOLDER: u32 = libc::S_IFDIR;
        let cases = [
            (0, 0, FILE | 0o755, false),
            (0, 0, FILE | 0o775, false),
            (0, 5, FILE | 0o775, true),
            (0, 0, FILE | 0o757, true),
            (7, 0, FILE | 0o755, true),
            (0, 0, FOLDER | 0o1777, false),
            (0, 0, FOLDER | 0o777, true),
            (0, 5, FOLDER | 0o1775, false),
            (7, 0, FOLDER | 0o1755, true),
            // On a file the sticky bit means nothing.
            (0, 0, FILE | 0o1757, true),
        ];
        for (uid, gid, mode, expected) in cases {
            assert_eq!(is_changeable(uid, gid, mode), expected, "{uid} {gid} {mode:o}");
        }
    }
}

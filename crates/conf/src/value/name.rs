//! Names: of interfaces, nodes, groups, and paths.

use super::{Fault, quote};

/// An interface name the kernel could have (its `dev_valid_name`).
pub(crate) fn interface(text: &str) -> Result<(), Fault> {
    let fault = |hint| Fault::new(format!("{} is not an interface name", quote(text)), hint);
    if text.len() > 15 {
        return Err(fault("an interface name has at most 15 bytes"));
    }
    if text == "." || text == ".." || text.contains(['/', ':']) || has_blank(text) {
        return Err(fault("an interface name has no slash, colon or blank, like \"eth0\""));
    }
    Ok(())
}

/// A node's name, which is printed in tables and logs.
pub(crate) fn node(text: &str) -> Result<(), Fault> {
    let fault = |hint| Fault::new(format!("{} is not a node name", quote(text)), hint);
    if text.len() > 64 {
        return Err(fault("a name has at most 64 bytes"));
    }
    if has_blank(text) {
        return Err(fault("a name has no blanks or control characters"));
    }
    Ok(())
}

/// A Unix group's name.
pub(crate) fn group(text: &str) -> Result<(), Fault> {
    if text.len() > 32 || text.contains([':', '/', ',']) || has_blank(text) {
        return Err(Fault::new(
            format!("{} is not a group name", quote(text)),
            "write a name from /etc/group",
        ));
    }
    Ok(())
}

/// An absolute path: a daemon's working directory is nothing to be relative to.
pub(crate) fn path(text: &str) -> Result<(), Fault> {
    if !text.starts_with('/') || text.contains('\0') {
        return Err(Fault::new(
            format!("{} is not an absolute path", quote(text)),
            "write the path from the root, beginning with a slash",
        ));
    }
    Ok(())
}

/// The path of a Unix socket, which the kernel keeps short (`sun_path`).
pub(crate) fn socket(text: &str) -> Result<(), Fault> {
    const LONGEST: usize = 107;
    if text.len() > LONGEST {
        return Err(Fault::new(
            format!("{} is too long for a socket", quote(text)),
            format!("the path of a Unix socket has at most {LONGEST} bytes"),
        ));
    }
    Ok(())
}

fn has_blank(text: &str) -> bool {
    text.contains(|c: char| c.is_whitespace() || c.is_control())
}

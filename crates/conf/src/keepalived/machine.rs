//! What the reader wants to know of the machine it reads for, asked through one trait.
//!
//! This crate touches no file. The daemon answers from the disk and the user database, tests from
//! tables, a fuzzer from nothing at all: every question but the first may be left unanswered, and
//! what is not known is not complained about.

/// Why a file's text is not to be had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// There is nothing of this name.
    Missing,
    /// It is a directory or another thing that has no text.
    NoFile,
    /// It is a program, by its permissions. keepalived does not read those.
    Executable,
    /// It is there and can't be read; the operating system's words.
    Refused(String),
}

/// What stands at a path, after symbolic links.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Inspection {
    /// The machine is not asked about its files.
    Unknown,
    /// Nothing, or nothing that may be seen.
    Missing,
    /// Something.
    Found(Entry),
}

/// An entry of the file system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its path without symbolic links, absolute.
    pub real_path: String,
    /// It is a plain file.
    pub is_file: bool,
    /// The user it belongs to.
    pub uid: u32,
    /// The group it belongs to.
    pub gid: u32,
    /// Its permissions, the lower twelve bits of `st_mode`.
    pub mode: u32,
}

/// Whether a name is in the user or group database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Account {
    /// The machine is not asked about its users.
    Unknown,
    /// There is none of this name.
    Missing,
    /// It has this user id and this (primary) group id; for a group both are its id.
    Found {
        /// The user id.
        uid: u32,
        /// The group id.
        gid: u32,
    },
}

/// The machine a configuration is read for.
pub trait Machine {
    /// The bytes of a configuration file. Paths are as written, or joined from the including file's
    /// directory and the path written.
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable>;

    /// The names in a directory, for `include` with a pattern, in any order; none if there is no such
    /// directory. `path` is empty for the working directory.
    fn list(&self, path: &str) -> Vec<String> {
        let _ = path;
        Vec::new()
    }

    /// What stands at the path of a script or of one of the directories above it.
    fn inspect(&self, path: &str) -> Inspection {
        let _ = path;
        Inspection::Unknown
    }

    /// A user that scripts are to run as.
    fn user(&self, name: &str) -> Account {
        let _ = name;
        Account::Unknown
    }

    /// A group that scripts are to run as.
    fn group(&self, name: &str) -> Account {
        let _ = name;
        Account::Unknown
    }

    /// A variable of the environment, for `${_ENV NAME}`.
    fn environment(&self, name: &str) -> Option<String> {
        let _ = name;
        None
    }
}

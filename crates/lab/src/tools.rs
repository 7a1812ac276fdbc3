//! Finds the programs the lab needs and says which are missing, all at once.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

/// The lab cannot run here, and why; the process exits with status 2.
#[derive(Debug)]
pub struct CannotRun(pub String);

impl fmt::Display for CannotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotRun {}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Tools {
    /// `ip` of iproute2.
    pub ip: PathBuf,
    /// `redis-server` or `valkey-server`.
    pub redis: PathBuf,
    /// It is older than Redis 7, and knows some settings by other names or not at all.
    pub redis_is_old: bool,
    /// `nft`; only advert loss needs it.
    pub nft: Option<PathBuf>,
    /// `tc` of iproute2; only a slow link needs it.
    pub tc: Option<PathBuf>,
    /// `keepair`, the program under test; absent where only the lab itself is measured.
    pub keepair: Option<PathBuf>,
    /// `keepair-sim`, next to this program: what it knows is compared with what is seen here.
    pub simulator: Option<PathBuf>,
    /// `etcd`; only the tie-breaker of that name needs it.
    pub etcd: Option<PathBuf>,
}

/// Looks everything up; `keepair` is the path given, or the file next to the lab's own executable.
///
/// # Errors
/// [`CannotRun`] with one line for each program that is missing.
pub fn find(
    keepair: Option<&Path>,
    redis: Option<&Path>,
    need_keepair: bool,
) -> Result<Tools, CannotRun> {
    let mut missing = Vec::new();
    let ip = which("ip");
    if ip.is_none() {
        missing.push("ip: not in PATH (package iproute2)".to_owned());
    }
    let server = match redis {
        Some(path) => executable(path),
        None => which("redis-server").or_else(|| which("valkey-server")),
    };
    if server.is_none() {
        missing.push(match redis {
            Some(path) => format!("{}: no such program (--redis)", path.display()),
            None => "redis-server or valkey-server: neither is in PATH (package redis-server or \
                     valkey)"
                .to_owned(),
        });
    }
    let daemon = match keepair {
        Some(path) => executable(path),
        None => beside_us("keepair"),
    };
    if need_keepair && daemon.is_none() {
        missing.push(match keepair {
            Some(path) => format!("{}: no such program (--keepair)", path.display()),
            None => "keepair: not next to this program (build it: cargo build --release, or name \
                     it: --keepair PATH)"
                .to_owned(),
        });
    }
    match (ip, server) {
        (Some(ip), Some(redis)) if missing.is_empty() => {
            let redis_is_old = is_old(&redis);
            let (nft, simulator) = (which("nft"), beside_us("keepair-sim"));
            let (tc, etcd) = (which("tc"), which("etcd"));
            Ok(Tools { ip, redis, redis_is_old, nft, tc, keepair: daemon, simulator, etcd })
        }
        _ => Err(CannotRun(format!("the lab lacks:\n  {}", missing.join("\n  ")))),
    }
}

/// `Redis server v=6.0.16 ...`; every Valkey is young enough.
fn is_old(server: &Path) -> bool {
    let output = std::process::Command::new(server).arg("--version").output();
    let text = output.map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    let text = text.unwrap_or_default();
    let major = text.split_once("v=").and_then(|(_, rest)| rest.split('.').next()?.parse().ok());
    text.starts_with("Redis") && major.is_some_and(|major: u32| major < 7)
}

fn beside_us(name: &str) -> Option<PathBuf> {
    executable(&env::current_exe().ok()?.with_file_name(name))
}

/// A user's PATH often lacks the `sbin` beside a `bin`, where `ip` and `nft` live. Nowhere else: under
/// `make test` the PATH says which programs there are.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).collect();
    let bins = folders.iter().filter(|folder| folder.ends_with("bin"));
    let beside = bins.map(|bin| bin.with_file_name("sbin"));
    folders.iter().cloned().chain(beside).find_map(|folder| executable(&folder.join(name)))
}

fn executable(path: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let meta = path.metadata().ok()?;
    if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
        return None;
    }
    // Not canonicalised: on Debian redis-server is a link to a program that looks at its own name.
    std::path::absolute(path).ok()
}

//! The files of an example, put where they belong on a host: its own, for its mounts are its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};

/// An example: a configuration for each machine, and the scripts both have.
#[derive(Debug, Clone)]
pub struct Example {
    configs: [String; 2],
    scripts: Vec<(String, Vec<u8>)>,
    home: PathBuf,
    logs: Vec<PathBuf>,
}

impl Example {
    /// Reads a directory: either `redis-1.conf`, `redis-2.conf` and `scripts/`, which belong to
    /// `/etc/keepalived`, or the first machine's `keepalived.conf` with its scripts beside it, which
    /// belong to `/var/keepalived/scripts`; the second machine's is made from it then.
    ///
    /// # Errors
    /// Where neither is there.
    pub fn read(dir: &Path) -> Result<Self> {
        let text = |name: &str| {
            fs::read_to_string(dir.join(name)).with_context(|| dir.join(name).display().to_string())
        };
        let own = dir.join("redis-1.conf").exists();
        let (configs, scripts, home, logs) = if own {
            let logs = vec!["/var/log/keepalived-redis.log".into()];
            let configs = [text("redis-1.conf")?, text("redis-2.conf")?];
            (configs, dir.join("scripts"), "/etc/keepalived/scripts", logs)
        } else {
            let first = text("keepalived.conf")?;
            let second = second(&first)?;
            let logs = ["redis-change.log", "redis-state.log"];
            let logs = logs.map(|name| Path::new("/var/keepalived/logs").join(name)).to_vec();
            ([first, second], dir.to_owned(), "/var/keepalived/scripts", logs)
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(&scripts).with_context(|| scripts.display().to_string())? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "sh") {
                let name = path.file_name().context("a name")?.to_string_lossy().into_owned();
                found.push((name, fs::read(path)?));
            }
        }
        if found.is_empty() {
            bail!("{} has no scripts", scripts.display());
        }
        Ok(Self { configs, scripts: found, home: home.into(), logs })
    }

    /// A machine's configuration.
    #[must_use]
    pub fn config(&self, who: usize) -> &str {
        self.configs.get(who).map_or("", String::as_str)
    }

    /// Where the scripts write.
    #[must_use]
    pub fn logs(&self) -> Vec<PathBuf> {
        self.logs.clone()
    }

    /// Puts the scripts where the configuration says they are, on the host of the calling thread.
    ///
    /// # Errors
    /// Where nothing can be mounted.
    pub fn install(&self, _who: usize) -> Result<()> {
        // Both hide what is there, for this host alone; nothing that runs here needs it.
        for over in ["/var", "/etc/keepalived"] {
            let strict = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
            let none = Some("mode=0755");
            mount(Some("example"), over, Some("tmpfs"), strict, none)
                .with_context(|| format!("mount a tmpfs on {over}"))?;
        }
        fs::create_dir_all(&self.home)?;
        for log in &self.logs {
            fs::create_dir_all(log.parent().context("a folder of logs")?)?;
        }
        for (name, bytes) in &self.scripts {
            let path = self.home.join(name);
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }
}

/// The second machine's configuration: worse, and no `state MASTER`. Its address for the scripts is
/// the first machine's, as it stands.
fn second(first: &str) -> Result<String> {
    let mut text = first.to_owned();
    for (from, to) in [("state MASTER", "state BACKUP"), ("priority 100", "priority 90")] {
        if text.matches(from).count() != 1 {
            bail!("the first machine's configuration says {from:?} not once");
        }
        text = text.replace(from, to);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_machine_is_worse_and_no_more() {
        let first = "state MASTER\npriority 100\nnotify_backup \"x 172.18.0.4\"\n";
        let want = "state BACKUP\npriority 90\nnotify_backup \"x 172.18.0.4\"\n";
        assert_eq!(second(first).expect("a configuration"), want);
        assert!(second("priority 100\n").is_err());
    }
}

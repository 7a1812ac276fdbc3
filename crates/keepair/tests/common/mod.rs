//! A machine of the pair in a private network namespace, with the built binary and a real Redis.
//! Needs root, `ip`, `nft`, `redis-server`, and util-linux; a test without them fails and says so.
#![allow(dead_code)]

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

pub(crate) const KEEPAIR: &str = env!("CARGO_BIN_EXE_keepair");
pub(crate) const OWN: &str = "10.9.0.1";
pub(crate) const PEER: &str = "10.9.0.2";
pub(crate) const VIP: &str = "10.9.0.10";
pub(crate) const PASSWORD: &str = "s3cret-that-nobody-may-see";

/// A directory that everybody may enter, gone when the test ends.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Dir {
        use std::os::unix::fs::PermissionsExt;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("keepair-test-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Dir(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that only its owner may read; its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.path(name);
        let _ = fs::remove_file(&path);
        let mut options = File::options();
        let mut file = options.write(true).create(true).mode(0o600).open(&path).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A network namespace, gone when nothing runs in it any more.
pub(crate) struct Network(File);

impl Network {
    /// An empty one with `lo` up.
    pub(crate) fn new() -> Network {
        let inside = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .expect("this test needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN): use sudo");
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let network = Network(inside.join().expect("no private network namespace"));
        network.sh("ip link set lo up");
        network
    }

    /// Two, joined by a cable: `eth0` (10.9.0.1/24) here and `eth0` (10.9.0.2/24) there.
    pub(crate) fn pair() -> [Network; 2] {
        let [a, b] = [Network::new(), Network::new()];
        let there = format!("/proc/{}/fd/{}", std::process::id(), b.0.as_raw_fd());
        a.sh(&format!("ip link add eth0 type veth peer name eth0 netns {there}"));
        for (network, address) in [(&a, OWN), (&b, PEER)] {
            network.sh(&format!("ip addr add {address}/24 dev eth0; ip link set eth0 up"));
        }
        wait_for("the cable", || a.sh("ip link show eth0").contains("LOWER_UP"));
        [a, b]
    }

    /// Runs `work` on a thread inside; what it starts is born inside.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            inside.join().unwrap()
        })
    }

    /// A program to start inside, which dies with the calling thread: a test that is killed leaves
    /// nothing behind.
    pub(crate) fn command(&self, program: &str) -> Command {
        let inside = format!("--net=/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd());
        let mut command = Command::new("nsenter");
        command.args([&inside, "setpriv", "--pdeathsig", "KILL", program]);
        command
    }

    /// Runs a shell command inside; panics when it fails.
    pub(crate) fn sh(&self, command: &str) -> String {
        let out = self.run(|| Command::new("sh").arg("-ec").arg(command).output().unwrap());
        assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    pub(crate) fn has_address(&self, address: &str) -> bool {
        self.sh("ip -o addr show").contains(&format!(" {address}/"))
    }

    /// The addresses that the replication gate is closed to; none where there are no rules.
    pub(crate) fn gated(&self) -> Vec<String> {
        let set = self.sh("nft list set inet keepair_51 closed4 2>/dev/null || true");
        let Some((_, elements)) = set.split_once("elements = {") else { return Vec::new() };
        let (elements, _) = elements.split_once('}').unwrap();
        elements.split(',').map(|address| address.trim().to_owned()).collect()
    }

    /// What is left of a start that failed: no virtual address, and the gate, closed to these.
    #[track_caller]
    pub(crate) fn assert_shut(&self, gated: &[&str]) {
        assert!(!self.has_address(VIP), "the address was left behind");
        assert_eq!(self.gated(), gated, "who is kept from replicating");
    }

    /// No virtual address and no rule of ours.
    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        assert!(!self.has_address(VIP), "the address was left behind");
        assert_eq!(self.sh("nft list tables"), "", "tables were left behind");
    }
}

/// Ends a child with the test, whatever becomes of it.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ended_within(&mut self, limit: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < limit, "still running after {limit:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One machine: its network, its files, the way to start things on it.
pub(crate) struct Machine {
    pub(crate) network: Network,
    pub(crate) dir: Dir,
}

impl Machine {
    /// With a configuration for the pair 10.9.0.1 and 10.9.0.2 in `keepair.toml`, and the password
    /// it names in `password`.
    pub(crate) fn new(network: Network) -> Machine {
        let machine = Machine { network, dir: Dir::new() };
        machine.dir.write("password", &format!("{PASSWORD}\n"));
        machine.configure(|text| text);
        machine
    }

    /// Writes the configuration anew, changed.
    pub(crate) fn configure(&self, change: impl FnOnce(String) -> String) -> PathBuf {
        let text = format!(
            "vip = [\"{VIP}/24\"]\ninterface = \"eth0\"\nvirtual_router_id = 51\n\
             [[node]]\nname = \"here\"\naddress = \"{OWN}\"\n\
             [[node]]\nname = \"there\"\naddress = \"{PEER}\"\n\
             [redis]\npassword_file = \"{}\"\n\
             [failover]\nboot_wait = \"300ms\"\n",
            self.dir.path("password").display()
        );
        self.dir.write("keepair.toml", &change(text))
    }

    /// A `keepair run` that was not started yet.
    pub(crate) fn daemon_command(&self) -> Command {
        let mut command = self.network.command(KEEPAIR);
        command
            .arg("run")
            .arg("--config")
            .arg(self.dir.path("keepair.toml"))
            .arg("--run-dir")
            .arg(self.dir.path("run"))
            .arg("--state-dir")
            .arg(self.dir.path("state"))
            .env_remove("JOURNAL_STREAM");
        command
    }

    /// Starts it, with its log in `log`.
    pub(crate) fn start(&self) -> Running {
        let log = File::options().create(true).append(true).open(self.dir.path("log")).unwrap();
        let mut command = self.daemon_command();
        command.stdout(Stdio::null()).stderr(log);
        Running(command.spawn().unwrap())
    }

    /// Starts it, and lets it begin without the other machine, which nobody has heard.
    pub(crate) fn start_alone(&self) -> Running {
        let daemon = self.start();
        self.begin_alone();
        daemon
    }

    /// Waits until the daemon asks for the word to begin alone, and gives it.
    #[track_caller]
    pub(crate) fn begin_alone(&self) {
        self.wait_state("Unfit", "begin without it: keepair solo");
        let out = self.command(&["solo", "--yes"]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }

    /// Runs it to its end, which must come within two seconds; what it said.
    #[track_caller]
    pub(crate) fn refused(&self, mut command: Command) -> String {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut daemon = Running(command.spawn().unwrap());
        let status = daemon.ended_within(Duration::from_secs(2));
        let mut said = String::new();
        let mut stderr = daemon.0.stderr.take().unwrap();
        std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        said
    }

    pub(crate) fn log(&self) -> String {
        self.dir.read("log")
    }

    /// A command that talks to the daemon, as `status` or `switchover`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let run_dir = self.dir.path("run");
        Command::new(KEEPAIR).args(arguments).arg("--run-dir").arg(run_dir).output().unwrap()
    }

    /// What the daemon says of this machine; null while it does not answer.
    pub(crate) fn status(&self) -> Value {
        let out = self.command(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        status["members"][0].clone()
    }

    /// Waits until the daemon answers.
    #[track_caller]
    pub(crate) fn wait_answer(&self) {
        wait_for("an answer", || self.status()["state"].is_string());
    }

    /// Waits until the daemon says this state, and a reason with these words.
    #[track_caller]
    pub(crate) fn wait_state(&self, state: &str, reason: &str) {
        let start = Instant::now();
        loop {
            let own = self.status();
            let said = own["reason"].as_str().unwrap_or_default();
            if own["state"] == state && said.contains(reason) {
                return;
            }
            let late = start.elapsed() > Duration::from_secs(5);
            assert!(!late, "not {state}, {reason:?}, but {own}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until these words are on the disk. The daemon does not wait for that; a test that kills it
    /// does.
    pub(crate) fn wait_kept(&self, words: &str) {
        let file = self.dir.path("state/generation-51.json");
        wait_for("the generation on the disk", || {
            fs::read_to_string(&file).is_ok_and(|text| text.contains(words))
        });
    }

    /// Starts a Redis with the password, listening on this machine's addresses.
    pub(crate) fn start_redis(&self) -> Running {
        let text = format!(
            "bind 0.0.0.0\nport 6379\nsave \"\"\nrequirepass {PASSWORD}\nmasterauth {PASSWORD}\n\
             repl-backlog-size 64mb\nrepl-backlog-ttl 0\ndir {}\n",
            self.dir.0.display()
        );
        let config = self.dir.write("redis.conf", &text);
        let mut command = self.network.command("redis-server");
        let redis = command.arg(config).stdout(Stdio::null()).spawn().unwrap();
        wait_for("redis-server", || {
            self.network.run(|| std::net::TcpStream::connect("127.0.0.1:6379").is_ok())
        });
        Running(redis)
    }
}

/// What comes of a connection from the other machine to the Redis of this one. The gate resets it.
pub(crate) fn replicates(there: &Network) -> Result<(), std::io::ErrorKind> {
    let to: std::net::SocketAddr = format!("{OWN}:6379").parse().unwrap();
    let limit = Duration::from_secs(1);
    let connected = there.run(|| std::net::TcpStream::connect_timeout(&to, limit));
    connected.map(|_| ()).map_err(|error| error.kind())
}

/// Polls a condition for at most five seconds.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(5), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// All of these words are in the text.
#[track_caller]
pub(crate) fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{text:?} lacks {word:?}");
    }
}

/// The files below a directory, by name.
pub(crate) fn files(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

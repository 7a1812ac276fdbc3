//! `keepalived.conf`: values, or what is wrong with the texts, of which one may include others. And what
//! is made of the values: a router, a pair, a `keepair.toml`.

use core::time::Duration;

use keepair_conf::Severity;
use keepair_conf::keepalived::convert::{Known, convert};
use keepair_conf::keepalived::{
    File, Limits, Machine, Options, Parsed, Unreadable, native, parse, router,
};
use keepair_core::router::Config;

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
    if let Some(file) = &parsed.file {
        made(file, &parsed, &disk);
    }
}

/// What is made of a file without errors.
fn made(file: &File, parsed: &Parsed, disk: &Disk) {
    if let Ok(config) = router(file, &parsed.sources, disk, Duration::ZERO) {
        places(&config);
    }
    drop(native(file, &parsed.sources));
    let known = Known {
        name: FILES[0].to_owned(),
        other: Some(file),
        instance: file.instances.first().map(|it| it.name.value.clone()),
        address: None,
        peer: None,
        addresses_of: &|_| vec![([192, 0, 2, 1].into(), 24)],
        script_text: &|path| disk.text(path).map(str::to_owned),
        password_file: "/password".to_owned(),
    };
    if let Ok(conversion) = convert(file, &known) {
        // It is TOML, whatever names and paths are like.
        let found = keepair_conf::parse("keepair.toml", &conversion.toml);
        let open = found.err().unwrap_or_default();
        let says = |text: &str| open.iter().any(|one| one.message.contains(text));
        assert!(conversion.missing.is_empty() || says("FILL IN"), "{}", conversion.toml);
    }
}

/// Everything that is named by its place is there.
fn places(config: &Config) {
    let groups = config.groups.iter().map(|group| &group.tracks);
    for tracks in config.instances.iter().map(|it| &it.tracks).chain(groups) {
        assert!(tracks.links.iter().all(|it| it.id.0 < config.links.len()));
        assert!(tracks.scripts.iter().all(|it| it.id.0 < config.scripts.len()));
        assert!(tracks.files.iter().all(|it| it.id.0 < config.files.len()));
        assert!(tracks.processes.iter().all(|it| it.id.0 < config.processes.len()));
    }
    assert!(config.instances.iter().all(|it| it.link.0 < config.links.len()));
    let members = config.groups.iter().flat_map(|group| &group.members);
    assert!(members.into_iter().all(|member| member.0 < config.instances.len()));
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

//! The configurations that Debian's package ships are read without a false complaint. The true ones
//! are listed: some of the samples have mistakes in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use keepair_conf::Severity;
use keepair_conf::keepalived::{Machine, Options, Unreadable, parse};

use crate::disk::Disk;

const FOLDER: &str = "/usr/share/doc/keepalived/samples";

/// Reads files and tells nothing else: the samples name scripts that are on no machine.
struct OnlyFiles;

impl Machine for OnlyFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        Disk.read(path)
    }
}

/// What is said of a sample, a line each: `line: message`, errors with `error: `.
fn found(path: &Path) -> Vec<String> {
    // One of them is for several machines, and has no script for any other.
    let options = Options { config_id: "high".to_owned(), ..Options::default() };
    let parsed = parse(&path.display().to_string(), &OnlyFiles, &options);
    let say = |one: &keepair_conf::Diagnostic| {
        let error = if one.severity == Severity::Error { "error: " } else { "" };
        format!("{}: {error}{}", one.line, one.message)
    };
    parsed.diagnostics.iter().map(say).collect()
}

const LVS: &str = "`virtual_server` is skipped";
const NO_DEV: &str = "a route without `dev` is not tracked";

#[test]
fn samples_are_read_without_a_false_complaint() {
    let expected: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::from([
        ("HTTP_GET.port", vec![(13, LVS)]),
        ("IPv6", vec![(7, "`virtual_server_group` is skipped")]),
        ("PING_CHECK", vec![(14, LVS)]),
        ("SMTP_CHECK", vec![(25, LVS)]),
        (
            "SSL_GET",
            vec![(20, "error: `auth_type AH` is refused: Keepair has no IPsec"), (30, LVS)],
        ),
        ("UDP_CHECK", vec![(14, LVS)]),
        ("conditional_conf", vec![(3, "error: `net_namespace` is refused")]),
        ("fwmark", vec![(7, LVS)]),
        ("inhibit", vec![(13, LVS)]),
        ("misc_check", vec![(14, LVS)]),
        ("misc_check_arg", vec![(13, LVS)]),
        ("quorum", vec![(23, LVS)]),
        ("sample", vec![(26, LVS)]),
        ("status_code", vec![(14, LVS)]),
        ("track_interface", vec![(31, NO_DEV)]),
        ("virtual_server_group", vec![(13, "`virtual_server_group` is skipped")]),
        ("virtualhost", vec![(13, LVS)]),
        ("vrrp", vec![(32, "the address 192.168.200.18 stands here again")]),
        (
            "vrrp.localcheck",
            vec![
                (12, "the script `killall` is not an absolute path"),
                (20, "the script `killall` is not an absolute path"),
            ],
        ),
        (
            // Its instances stand in the group without a `group` block.
            "vrrp.lvs_syncd",
            vec![
                (3, "error: sync group `VG1` has no instances"),
                (4, "error: unknown keyword `VI_2` in `vrrp_sync_group`"),
                (5, "error: unknown keyword `VI_3` in `vrrp_sync_group`"),
                (11, "`lvs_sync_daemon_interface` has no effect"),
                (50, LVS),
            ],
        ),
        (
            "vrrp.routes",
            vec![
                (29, NO_DEV),
                (30, NO_DEV),
                (30, "`or` is an old word"),
                (31, NO_DEV),
                (32, NO_DEV),
                (32, "`gw` is an old word"),
            ],
        ),
        (
            // An octet is missing.
            "vrrp.rules",
            vec![
                (10, "a rule without a preference"),
                (11, "error: `192.168.100./24` is not an address"),
                (25, "a rule without a preference"),
                (26, "error: `192.168.200./24` is not an address"),
            ],
        ),
        ("vrrp.scripts", vec![]),
        ("vrrp.static_ipaddress", vec![(25, NO_DEV)]),
        ("vrrp.sync", vec![]),
    ]);
    let folder =
        fs::read_dir(FOLDER).expect("keepalived is installed (apt-get install keepalived)");
    let mut seen = 0;
    for entry in folder.flatten() {
        let name = entry.file_name().into_string().expect("a name");
        let Some(name) = name.strip_prefix("keepalived.conf.") else { continue };
        let expected = expected.get(name).unwrap_or_else(|| panic!("a new sample: {name}"));
        let expected: Vec<String> =
            expected.iter().map(|(line, message)| format!("{line}: {message}")).collect();
        assert_eq!(found(&entry.path()), expected, "{name}");
        seen += 1;
    }
    assert_eq!(seen, expected.len());
}

#[test]
fn the_configuration_it_installs_is_used_as_it_is() {
    let expected = [
        "15: `vrrp_garp_interval` is 0",
        "16: `vrrp_gna_interval` is 0",
        "20: strict mode: `state MASTER` with priority 100",
        "27: strict mode has no passwords: adverts are sent and taken without one",
        "36: `virtual_server` is skipped",
    ];
    assert_eq!(found(Path::new("/etc/keepalived/keepalived.conf.sample")), expected);
}

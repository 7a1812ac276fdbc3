//! Good and bad configurations, a line each: how the two judge it, what it is put into, and its lines
//! with `;;` between them.

/// One configuration.
pub(crate) struct Row {
    pub(crate) verdict: Verdict,
    pub(crate) text: String,
}

/// How the two judge it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    /// Both find errors, or neither does.
    Same,
    /// Only one of them does, for this reason.
    Differs(&'static str),
}

/// Why they differ.
const REASONS: [(&str, &str); 8] = [
    ("adjusted", "both change the value and go on: a warning here"),
    ("old", "an old word that still works: a warning here"),
    ("harmless", "nothing is left out: a warning here"),
    ("silent", "keepalived leaves it out, or runs without it, and does not say so: an error here"),
    ("newer", "the word or its form is newer than Debian's 2.2.7"),
    ("order", "keepalived has to know it before it is used; Keepair has not: a warning here"),
    ("broken", "2.2.7 does not do what its manual says, or crashes"),
    ("refused", "Keepair can't do it, and would not do what was asked for without it"),
];

const ROWS: &[&str] = &[
    include_str!("rows/language.txt"),
    include_str!("rows/globals.txt"),
    include_str!("rows/instances.txt"),
    include_str!("rows/trackers.txt"),
    include_str!("rows/network.txt"),
];

pub(crate) fn rows() -> Vec<Row> {
    let lines = ROWS.iter().flat_map(|text| text.lines()).map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with("# ")).map(row).collect()
}

fn row(line: &str) -> Row {
    let (verdict, rest) = line.split_once(char::is_whitespace).expect("a verdict");
    let (kind, lines) =
        rest.trim_start().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
    let verdict = match REASONS.iter().find(|(name, _)| *name == verdict) {
        _ if verdict == "same" => Verdict::Same,
        Some((_, reason)) => Verdict::Differs(reason),
        None => panic!("no such verdict: {line}"),
    };
    let lines = lines.trim().replace(" ;;", "\n").replace("\n ", "\n");
    let lines = lines.replace("\\r", "\r").replace("\\x", &"x".repeat(1_100));
    // Other files go behind the one that the lines are put into.
    let (lines, files) = lines.split_once("\n==> ").unwrap_or((&lines, ""));
    let (lines, files) = (lines.to_owned(), files.to_owned());
    let mut text = match kind {
        "file" => lines,
        "instance" => instance(&lines),
        "before" => before(&lines, ""),
        "global" => {
            instance("").replacen("script_user root\n", &format!("script_user root\n{lines}\n"), 1)
        }
        "script" => {
            let script = if lines.starts_with("script") { "" } else { "script /bin/true\n" };
            before(
                &format!("vrrp_script check {{\n{script}{lines}\n}}"),
                "track_script {\ncheck\n}",
            )
        }
        "file_tracked" => {
            before(&format!("track_file standby {{\n{lines}\n}}"), "track_file {\nstandby\n}")
        }
        "process" => before(
            &format!("vrrp_track_process redis {{\n{lines}\n}}"),
            "track_process {\nredis\n}",
        ),
        "tracks" => {
            let defined = "vrrp_script check {\nscript /bin/true\n}\n\
                           track_file standby {\nfile /run/standby\n}\n\
                           vrrp_track_process redis {\nprocess redis-server\n}";
            before(defined, &lines)
        }
        "group" => {
            let other = instance("").replacen(HEAD, "", 1).replace("VI_1", "VI_2");
            let other = other.replace("51", "52").replace("10.0.0.1", "10.0.0.2");
            let checks = "vrrp_script check {\nscript /bin/true\n}\n\
                          vrrp_script weighed {\nscript /bin/true\nweight 5\n}\n";
            let group = format!("vrrp_sync_group VG {{\n{lines}\n}}\n");
            format!("{}{other}", before(&format!("{checks}{group}"), "track_script {\ncheck\n}"))
        }
        "vip" => instance(&format!("virtual_ipaddress {{\n{lines}\n}}")),
        "peer" => instance(&format!("unicast_peer {{\n{lines}\n}}")),
        "auth" => instance(&format!("authentication {{\n{lines}\n}}")),
        "route" => instance(&format!("virtual_routes {{\n{lines}\n}}")),
        "rule" => instance(&format!("virtual_rules {{\n{lines}\n}}")),
        "static" => before(&format!("track_group TG {{\ngroup {{\nVI_1\n}}\n}}\n{lines}"), ""),
        // Changes to a good file, `from ~> to`.
        "change" => {
            let (from, to) = lines.split_once("~>").expect("from ~> to");
            let unescape = |text: &str| text.trim().replace("\\n", "\n");
            let good = instance("");
            assert!(good.contains(&unescape(from)), "{line}");
            good.replacen(&unescape(from), &unescape(to), 1)
        }
        _ => panic!("no such kind: {line}"),
    };
    if !files.is_empty() {
        text.push_str(&format!("\n==> {files}\n"));
    }
    Row { verdict, text }
}

/// What every file needs to be judged alike on every machine.
const HEAD: &str =
    "global_defs {\ndynamic_interfaces\nenable_script_security\nscript_user root\n}\n";

/// An instance with these lines in it.
fn instance(lines: &str) -> String {
    let address = "virtual_ipaddress {\n10.0.0.1\n}\n";
    let address = if lines.contains("virtual_ipaddress {") { "" } else { address };
    format!(
        "{HEAD}vrrp_instance VI_1 {{\ninterface eth7\nvirtual_router_id 51\n{lines}\n{address}}}\n"
    )
}

/// These lines before an instance that has the others in it.
fn before(before: &str, lines: &str) -> String {
    instance(lines).replacen(HEAD, &format!("{HEAD}{before}\n"), 1)
}

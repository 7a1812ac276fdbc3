//! Which language a configuration is written in.

use crate::keepalived;

/// The two languages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `keepair.toml`: one Redis pair, and the same file on both machines.
    Pair,
    /// `keepalived.conf`.
    Keepalived,
}

impl Format {
    /// Told by the name, and if that says nothing, by the text.
    ///
    /// A name that ends in `.toml` is a `keepair.toml`. Any other is a `keepalived.conf` if a line of it
    /// begins with a word that stands outside of all blocks there, or if its name ends in `.conf`;
    /// unless a line is the head of a table of TOML.
    pub fn of(name: &str, text: &str) -> Format {
        if name.ends_with(".toml") {
            return Format::Pair;
        }
        let mut lines = text.lines().map(str::trim_start);
        if text.lines().any(|line| matches!(line.trim(), "[[node]]" | "[redis]")) {
            return Format::Pair;
        }
        let is_word = |line: &str| {
            let word = line.split([' ', '\t', '{']).next().unwrap_or_default();
            line.starts_with('!') || keepalived::begins_file(word)
        };
        if name.ends_with(".conf") || lines.any(is_word) {
            return Format::Keepalived;
        }
        Format::Pair
    }
}

#[cfg(test)]
mod tests {
    use super::Format::{self, Keepalived, Pair};

    #[test]
    fn the_name_tells_and_then_the_text() {
        let toml = "vip = [\"10.0.0.1\"]\ninterface = \"eth0\"\n[[node]]\nname = \"a\"\n";
        let conf = "! redis\nglobal_defs {\n}\nvrrp_instance VI_1 {\n}\n";
        for (name, text, expected) in [
            ("/etc/keepair/keepair.toml", toml, Pair),
            ("/etc/keepair/keepair.toml", conf, Pair),
            ("/etc/keepalived/keepalived.conf", conf, Keepalived),
            ("/etc/keepalived/keepalived.conf", "", Keepalived),
            ("/etc/keepair/keepair.conf", toml, Pair),
            ("/etc/keepair", toml, Pair),
            ("/etc/keepair", "", Pair),
            ("/proc/self/fd/3", conf, Keepalived),
            ("conf", "include /etc/keepalived/*.conf\n", Keepalived),
            ("conf", "  vrrp_sync_group G{\n}", Keepalived),
            ("conf", "# vrrp_instance VI_1 {\n", Pair),
        ] {
            assert_eq!(Format::of(name, text), expected, "{name} {text:?}");
        }
    }
}

use super::nearest::{distance, hint};
use super::*;

#[test]
fn distances() {
    for (a, b, expected) in [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("port", "port", 0),
        ("prot", "port", 1),
        ("pot", "port", 1),
        ("portt", "port", 1),
        ("part", "port", 1),
        ("opTr", "port", 3),
        ("kitten", "sitting", 3),
        ("ab", "ba", 1),
    ] {
        assert_eq!(distance(a, b), expected, "{a} {b}");
        assert_eq!(distance(b, a), expected, "{b} {a}");
    }
}

#[test]
fn hints_for_unknown_keys() {
    for (section, word, expected) in [
        (Section::Top, "interfce", "did you mean `interface`?"),
        (Section::Top, "advert-interval", "did you mean `advert_interval`?"),
        (Section::Top, "Unicast", "did you mean `unicast`?"),
        (Section::Top, "vrid", "did you mean `virtual_router_id`?"),
        (Section::Top, "virtual_ipaddress", "did you mean `vip`?"),
        (Section::Top, "vpi", "did you mean `vip`?"),
        (Section::Top, "rediss", "did you mean `redis`?"),
        (Section::Redis, "requirepass", "did you mean `password`?"),
        (Section::Redis, "passwrod", "did you mean `password`?"),
        (Section::Redis, "ping_timout", "did you mean `ping_timeout`?"),
        (Section::Redis, "preempt", "`preempt` belongs above the first [section]"),
        (Section::Redis, "boot_wait", "`boot_wait` belongs in [failover]"),
        (Section::Top, "priority", "`priority` belongs in [[node]]"),
        (Section::Top, "drain_timout", "`drain_timeout` belongs in [failover]"),
        (Section::Garp, "zzzzzz", "known in [garp]: `repeats`, `interval`, `refresh`"),
        (Section::Control, "", "known in [control]: `group`"),
    ] {
        assert_eq!(hint(section, word), expected, "{section:?} {word}");
    }
}

#[test]
fn names_are_unique_and_defaults_within_bounds() {
    for (n, key) in ALL.iter().enumerate() {
        let twin = ALL.iter().skip(n + 1).find(|other| {
            other.section == key.section
                && (other.name == key.name || key.also.contains(&other.name))
        });
        assert!(twin.is_none(), "{:?} {}", key.section, key.name);
        assert!(!key.doc.is_empty() && key.doc.lines().all(|line| line.len() <= 98), "{}", key.doc);
        match (key.kind, key.preset) {
            (Kind::Duration { least, most }, Preset::Duration(_) | Preset::Timing(_)) => {
                assert!((least..=most).contains(&key.duration()), "{}", key.name);
            }
            (Kind::Integer { least, most }, Preset::Integer(default)) => {
                assert!((least..=most).contains(&default()), "{}", key.name);
            }
            (Kind::Integer { .. } | Kind::Duration { .. }, Preset::Required(_)) => {}
            (Kind::Integer { .. } | Kind::Duration { .. }, _) => panic!("{}", key.name),
            _ => {}
        }
    }
}

#[test]
fn the_template_is_the_defaults() {
    let text = template::default_toml();
    let (config, warnings) = crate::parse("template", &text).expect("it parses");
    assert_eq!(warnings, []);
    assert_eq!(config.timing, Timing::default());
    assert_eq!(config.announce, Announce::default());
    for key in ALL {
        if let Kind::Table(section) = key.kind {
            assert!(text.contains(section.header()), "{}", section.header());
        } else {
            assert!(text.contains(&format!("{} = ", key.name)), "{}", key.name);
        }
    }
    // Leaving out all that has a default changes nothing.
    let has_default = |line: &&str| {
        let name = line.split(" = ").next().unwrap_or("");
        let keys = || ALL.iter().filter(|key| key.name == name);
        keys().count() > 0 && keys().all(|key| !matches!(key.preset, Preset::Required(_)))
    };
    let short: Vec<&str> = text.lines().filter(|line| !has_default(line)).collect();
    assert!(short.len() < text.lines().count());
    assert_eq!(crate::parse("short", &short.join("\n")), Ok((config, Vec::new())));
}

#[test]
fn the_examples_of_the_template_are_good() {
    // One choice of those that exclude each other, then the other.
    for without in [["#password =", "#socket ="], ["#password_file =", "#host ="]] {
        let lines: Vec<String> = template::default_toml()
            .lines()
            .filter(|line| !without.iter().any(|start| line.starts_with(start)))
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.starts_with([' ', '#']) || rest.is_empty() => line.to_owned(),
                Some(rest) => rest.to_owned(),
                None => line.to_owned(),
            })
            .collect();
        let text = lines.join("\n");
        let (config, _) = crate::parse("template", &text)
            .unwrap_or_else(|found| panic!("{}", crate::render(&found, &text, false)));
        let access = config.redis;
        let tls = access.tls.expect("tls");
        assert!(tls.ca.is_some() && tls.cert.is_some() && tls.key.is_some());
        assert!(tls.server_name.is_some() && access.username.is_some());
        assert_ne!(access.host.is_some(), access.socket.is_some());
        assert_ne!(access.password.is_some(), access.password_file.is_some());
        assert!(config.control_group.is_some());
        let breaker = config.tie_breaker.expect("tiebreaker");
        assert!(breaker.gateway.is_some() && breaker.witness.is_some() && breaker.etcd.is_some());
    }
}

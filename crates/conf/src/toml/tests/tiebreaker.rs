//! `[tiebreaker]`: what reaches the configuration, and what is no third party.

use super::{GOOD, address, appended, changed, found};
use crate::config::{Endpoint, Etcd, Gateway, Login, TieBreaker, Tls, Witness};
use crate::secret::Secret;
use crate::{parse, render};

fn tie_breaker(lines: &str) -> Option<TieBreaker> {
    let text = format!("{GOOD}{lines}");
    let (config, warnings) = parse("keepair.toml", &text)
        .unwrap_or_else(|found| panic!("{}", render(&found, &text, false)));
    assert_eq!(warnings, [], "{lines}");
    config.tie_breaker
}

#[test]
fn every_key_reaches_its_field() {
    let everything = r#"
        [tiebreaker]
        gateway = "172.18.0.1"
        witness = "rediss://ann:p%40ss@w.example.org/5"
        etcd = ["https://root@192.0.2.8:1", "https://[2001:db8::9]"]
        etcd_password_file = "/etcd"
        key = "k"
        tls = { ca = "/ca", cert = "/cert", key = "/key", server_name = "name" }
    "#;
    let endpoint = |host: &str, port| Endpoint { host: host.to_owned(), port, tls: true };
    let found = tie_breaker(everything).unwrap();
    let expected = TieBreaker {
        gateway: Some(Gateway::Address(address("172.18.0.1"))),
        witness: Some(Witness {
            host: "w.example.org".to_owned(),
            port: 6379,
            tls: true,
            database: 5,
            login: Some(Login {
                username: Some("ann".to_owned()),
                password: Some(Secret::new("p@ss".to_owned())),
                password_file: None,
            }),
        }),
        etcd: Some(Etcd {
            endpoints: vec![endpoint("192.0.2.8", 1), endpoint("2001:db8::9", 2379)],
            login: Some(Login {
                username: Some("root".to_owned()),
                password: None,
                password_file: Some("/etcd".to_owned()),
            }),
        }),
        key: "k".to_owned(),
        tls: Some(Tls {
            ca: Some("/ca".to_owned()),
            cert: Some("/cert".to_owned()),
            key: Some("/key".to_owned()),
            server_name: Some("name".to_owned()),
        }),
    };
    assert_eq!(found, expected);
    assert_eq!(
        found.names(),
        [
            "gateway 172.18.0.1",
            "witness w.example.org:6379",
            "etcd 192.0.2.8:1, [2001:db8::9]:2379"
        ]
    );
}

#[test]
fn what_is_left_out() {
    assert_eq!(tie_breaker(""), None);
    let found = tie_breaker("[tiebreaker]\ngateway = \"auto\"").unwrap();
    assert_eq!((found.gateway, &found.witness, &found.etcd), (Some(Gateway::Auto), &None, &None));
    assert_eq!(found.names(), ["gateway"]);
}

#[test]
fn the_key_is_the_pairs_own_and_the_same_in_every_order() {
    let lines = "[tiebreaker]\nwitness = \"redis://192.0.2.7\"";
    let key = |text: &str| {
        let (config, _) = parse("keepair.toml", &format!("{text}{lines}")).unwrap();
        config.tie_breaker.unwrap().key
    };
    assert_eq!(key(GOOD), "keepair:51:172.18.0.4+172.18.0.5");
    let swapped = GOOD
        .replace("172.18.0.4", "X")
        .replace("172.18.0.5", "172.18.0.4")
        .replace('X', "172.18.0.5");
    assert_eq!(key(&swapped), key(GOOD));
    assert_eq!(key(&GOOD.replace("172.18.0.10", "172.18.0.11")), key(GOOD));
    assert_ne!(key(&GOOD.replace("= 51", "= 52")), key(GOOD));
}

#[test]
fn mistakes_about_tie_breakers() {
    appended(
        r#"
        [tiebreaker]                                             => 12:1 [tiebreaker] names no tie-breaker
        [tiebreaker] ;; key = "k"                                => 12:1 [tiebreaker] names no tie-breaker | 13:7 warning: `key` does nothing
        [tiebreaker] ;; tls = {}                                 => 12:1 [tiebreaker] names no tie-breaker | 13:1 warning: `tls` does nothing
        [tiebreaker] ;; gateway = "auto" ;; key = "k"            => 14:7 warning: `key` does nothing
        [tiebreaker] ;; gateway = "router"                       => 13:11 `router` is not an IP address
        [tiebreaker] ;; gateway = "http://a:b@c"                 => 13:11 a gateway is an address, not a URL
        [tiebreaker] ;; gateway = "172.18.0.4"                   => 13:11 `172.18.0.4` is the address of `redis-1`
        [tiebreaker] ;; gateway = "172.18.0.10"                  => 13:11 `172.18.0.10` is a virtual address
        [tiebreaker] ;; gatway = "auto"                          => 12:1 [tiebreaker] names no tie-breaker | 13:1 unknown key `gatway`
        [tiebreaker] ;; witness = "192.0.2.7"                    => 13:11 this is not a URL
        [tiebreaker] ;; witness = "http://192.0.2.7"             => 13:11 `http` is not a scheme
        [tiebreaker] ;; witness = "redis://172.18.0.5:6380"      => 13:11 `172.18.0.5` is the address of `redis-2`
        [tiebreaker] ;; witness = "redis://[::ffff:172.18.0.5]"  => 13:11 `::ffff:172.18.0.5` is the address of `redis-2`
        [tiebreaker] ;; witness = "redis://172.18.0.10"          => 13:11 `172.18.0.10` is a virtual address
        [tiebreaker] ;; witness = "redis://localhost"            => 13:11 `localhost` is the machine itself
        [tiebreaker] ;; witness = "redis://127.0.0.1"            => 13:11 `127.0.0.1` is the machine itself
        [tiebreaker] ;; witness = "redis://192.0.2.7/x"          => 13:11 this is not a database
        [tiebreaker] ;; witness = "redis://ann@192.0.2.7"        => 13:11 user `ann` without a password
        [tiebreaker] ;; witness = "redis://:p@192.0.2.7" ;; witness_password_file = "/p" => 13:11 a password in the URL and `witness_password_file` exclude
        [tiebreaker] ;; witness = "redis://192.0.2.7" ;; witness_password_file = "p" => 14:25 `p` is not an absolute path
        [tiebreaker] ;; gateway = "auto" ;; witness_password_file = "/p" => 14:25 warning: `witness_password_file` without `witness`
        [tiebreaker] ;; witness = "rediss://192.0.2.7" ;; tls = { key = "/k" } => 14:9 `key` without `cert`
        [tiebreaker] ;; witness = "redis://192.0.2.7" ;; tls = {} => 14:1 warning: `tls` does nothing
        [tiebreaker] ;; etcd = []                                => 13:8 `etcd` is empty
        [tiebreaker] ;; etcd = 7                                 => 13:8 `etcd`: expected a string or an array of strings
        [tiebreaker] ;; etcd = ["http://192.0.2.8", "192.0.2.9"] => 13:29 this is not a URL
        [tiebreaker] ;; etcd = "http://192.0.2.8/v3"             => 13:8 an endpoint has no path
        [tiebreaker] ;; etcd = "http://172.18.0.4"               => 13:8 `172.18.0.4` is the address of `redis-1`
        [tiebreaker] ;; etcd = "http://a@192.0.2.8"              => 13:8 a login is a user and a password
        [tiebreaker] ;; etcd = ["http://a:b@192.0.2.8", "http://a:c@192.0.2.9"] => 13:33 another user or password
        [tiebreaker] ;; etcd = "http://192.0.2.8" ;; etcd_password_file = "/p" => 14:22 `etcd_password_file` without a user
        "#,
    );
    changed(
        r#"
        51 ~> 51 ;; advert_interval = "40ms" ;; tiebreaker.gateway = "auto"             =>
        51 ~> 51 ;; advert_interval = "50ms" ;; tiebreaker.witness = "redis://192.0.2.7" =>
        51 ~> 51 ;; advert_interval = "40ms" ;; tiebreaker.witness = "redis://192.0.2.7" => 5:12 warning: a vote needs an answer within `advert_interval` (40ms)
        "#,
    );
}

#[test]
fn no_diagnostic_tells_a_login() {
    for lines in [
        "witness = \"redis://ann:hunter2@172.18.0.4\"",
        "witness = \"redis://:hunter2@192.0.2.7:0\"",
        "witness = \"redis://:hunter2@192.0.2.7/x\"",
        "witness = \"redis://:hunter2@192.0.2.7\"\nwitness_password_file = \"/p\"",
        "witness = \"redis://ann:hun/ter2@192.0.2.7\"",
        "gateway = \"redis://:hunter2@192.0.2.7\"",
        "etcd = [\"http://a:hunter2@192.0.2.8\", \"http://a:b@192.0.2.9\"]",
        "witnes = \"redis://:hunter2@192.0.2.7\"",
        "witness = redis://:hunter2@192.0.2.7",
        "witness = \"redis://:hunter2@192.0.2.7",
    ] {
        let text = format!("{GOOD}[tiebreaker]\n{lines}");
        let all = parse("keepair.toml", &text).expect_err(lines);
        let shown = render(&all, &text, false) + &format!("{all:?} {:?}", found(&text));
        assert!(!shown.contains("hunter2") && !shown.contains("ter2"), "{lines}\n{shown}");
    }
    let text = format!("{GOOD}[tiebreaker]\nwitness = \"redis://:hunter2@192.0.2.7\"");
    let config = parse("keepair.toml", &text).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

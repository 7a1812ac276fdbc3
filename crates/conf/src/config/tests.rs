use super::*;

fn config() -> Config {
    crate::parse("keepair.toml", &crate::default_toml()).expect("the template parses").0
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_machine_knows_itself_by_its_address() {
    let config = config();
    for (own, expected) in [
        (&["127.0.0.1", "172.18.0.4"][..], Ok(0)),
        (&["172.18.0.5", "fe80::1"], Ok(1)),
        // The primary also holds the virtual address.
        (&["172.18.0.5", "172.18.0.10"], Ok(1)),
        (&["::ffff:172.18.0.5"], Ok(1)),
        (
            &["172.18.0.4", "172.18.0.5"],
            Err("this machine has the addresses of both nodes, 172.18.0.4 (`redis-1`) and \
                 172.18.0.5 (`redis-2`); the pair needs two machines"),
        ),
        (
            &["127.0.0.1", "10.0.0.9"],
            Err("this machine is neither node: it has neither 172.18.0.4 (`redis-1`) nor \
                 172.18.0.5 (`redis-2`); its addresses are 127.0.0.1, 10.0.0.9; correct \
                 `address` of the node that is this machine"),
        ),
        (
            &[],
            Err("this machine is neither node: it has neither 172.18.0.4 (`redis-1`) nor \
                 172.18.0.5 (`redis-2`); it has no address at all yet"),
        ),
    ] {
        let found = config.find_own(&addresses(own)).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{own:?}");
    }
}

#[test]
fn the_protocol_gets_what_the_file_says() {
    let config = config();
    let core = config.core_config(1);
    assert_eq!(core.own().name, "redis-2");
    assert_eq!(core.peer().name, "redis-1");
    assert_eq!(core.redis_port, 6379);
    assert_eq!(core.vips, config.vips);
    assert_eq!(core.timing, Timing::default());
    assert_eq!(core.advert_interval, Duration::from_millis(100));
}

#[test]
fn a_password_stays_out_of_debug() {
    let mut config = config();
    config.redis.password = Some(Secret::new("hunter2".to_owned()));
    let shown = format!("{config:?}");
    assert!(shown.contains("password: Some(***)") && !shown.contains("hunter2"), "{shown}");
    assert_eq!(config.redis.password.unwrap().expose(), "hunter2");
}

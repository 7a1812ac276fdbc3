use super::*;

#[test]
fn words_name_a_tie_breaker() {
    let table: &[(&str, &[Kind])] = &[
        ("none", &[]),
        ("witness", &[Kind::Witness]),
        ("etcd+gateway", &[Kind::Gateway, Kind::Etcd]),
        ("witness+witness", &[Kind::Witness]),
    ];
    for (text, kinds) in table {
        assert_eq!(TieBreaker::parse(text).unwrap().kinds(), *kinds, "{text}");
    }
    assert!(TieBreaker::parse("arbiter").is_err());
    assert_eq!(TieBreaker::parse("etcd+gateway").unwrap().to_string(), "gateway+etcd");
}

#[test]
fn addresses_are_written_as_urls_want_them() {
    assert_eq!(
        Kind::Etcd.setting("fd00:18::30".parse().unwrap()),
        "etcd = [\"http://[fd00:18::30]:2379\"]\n"
    );
}

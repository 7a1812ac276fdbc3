use super::*;

const FULL: &str = r#"{"node":"redis-1","members":[
  {"name":"redis-1","local":true,"state":"Active","reason":"newest data",
   "redis":{"role":"primary","link":"up","offset":123,"lag_bytes":0}},
  {"name":"redis-2","local":false,"state":"Backup","reason":""}],
  "last_failover":{"cause":"redis exited","total_us":8100,
   "phases":[{"phase":"notice","at_us":0},{"phase":"claim","at_us":7000}]}}"#;

#[test]
fn reads_the_promised_shape() {
    let status = Status::parse(FULL).unwrap();
    assert_eq!(status.active(), ["redis-1"]);
    assert!(status.members[0].local && !status.members[1].local);
    let failover = status.last_failover.unwrap();
    assert_eq!(failover.cause, "redis exited");
    assert_eq!(failover.phases, [("notice".to_owned(), 0), ("claim".to_owned(), 7000)]);
}

#[test]
fn misses_nothing_it_does_not_need() {
    let status = Status::parse(r#"{"members":[{"name":"a"},{}],"last_failover":null}"#).unwrap();
    assert_eq!(status.members.len(), 2);
    assert!(status.active().is_empty() && status.last_failover.is_none());
    assert!(Status::parse("not json").is_err());
    assert!(Status::parse("[]").is_err());
}

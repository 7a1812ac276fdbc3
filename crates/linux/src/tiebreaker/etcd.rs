//! An etcd as a witness: the register is one key, the atomic operation a transaction that compares the
//! key's revision.
//!
//! etcd forgets nothing, unless somebody removes the key: its revision of creation is part of the life's
//! name, as the cluster's is. Reads are linearizable (the default), so a member that is cut off from
//! the others answers nothing. Spoken to by its JSON gateway, version 3 (etcd 3.4 and later).

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keepair_core::tiebreaker::{Ask, Run, Says};
use keepair_wire::peer::Stamp;
use serde_json::{Value, json};

use super::inbox::{Event, Inbox};
use super::line::Line;
use super::{ANSWER_TIMEOUT, Etcd, IDLE, Trouble, Voice, http, keep};

/// How often the register is looked for; the last time it must be there.
const ATTEMPTS: u32 = 3;

/// Works until the daemon ends.
pub(super) fn work(setting: &Etcd, inbox: Inbox, voice: Voice) {
    keep(inbox, voice, |attempt, inbox, voice| serve(setting, attempt, inbox, voice));
}

/// One connection, from beginning to end. `Ok`: the daemon ends.
fn serve(
    setting: &Etcd,
    attempt: usize,
    inbox: &mut Inbox,
    voice: &mut Voice,
) -> Result<(), Trouble> {
    let mut client = Client::open(setting, attempt)?;
    client.log_in()?;
    let mut register = client.meet()?;
    voice.say(Says::Met(register.run()))?;
    loop {
        match inbox.wait(Some(client.line.as_fd()), Instant::now() + IDLE)? {
            Event::Ask(ask) => {
                let says = client.claim(&mut register, &ask)?;
                voice.say(says)?;
            }
            Event::Readable => client.line.look()?,
            Event::Due => {
                let known = register.run();
                register = client.meet()?;
                if register.run() != known {
                    voice.say(Says::Met(register.run()))?;
                }
            }
            Event::Ended => return Ok(()),
        }
    }
}

/// The register as it was read or written last.
#[derive(Clone, PartialEq, Eq, Debug)]
struct State {
    cluster_id: u64,
    create_revision: u64,
    mod_revision: u64,
    /// Who has the vote, and the newest stamp.
    holder: Option<(String, Stamp)>,
}

impl State {
    fn run(&self) -> Run {
        let mut run = [0; 20];
        let ids =
            self.cluster_id.to_be_bytes().into_iter().chain(self.create_revision.to_be_bytes());
        for (byte, id) in run.iter_mut().zip(ids) {
            *byte = id;
        }
        run
    }
}

/// What an ask leads to, with the register in this state.
#[derive(PartialEq, Eq, Debug)]
enum Verdict {
    /// The vote is given once this stamp is written.
    Write(Stamp),
    Say(Says),
}

/// The claim, as `witness.lua` has it.
fn judge(state: &State, me: &str, ask: &Ask) -> Verdict {
    if state.run() != ask.run {
        return Verdict::Say(Says::Met(state.run()));
    }
    match &state.holder {
        Some((holder, held)) if holder == me && *held >= ask.stamp => {
            Verdict::Say(Says::Granted(ask.stamp))
        }
        Some((holder, held)) if holder != me && *held > ask.over => {
            Verdict::Say(Says::Refused(*held))
        }
        _ => Verdict::Write(ask.stamp),
    }
}

struct Client<'a> {
    setting: &'a Etcd,
    line: Line,
    host: String,
    token: Option<String>,
}

impl Client<'_> {
    fn open(setting: &Etcd, attempt: usize) -> Result<Client<'_>, Trouble> {
        let count = setting.endpoints.len().max(1);
        let endpoint = setting.endpoints.get(attempt % count);
        let endpoint = endpoint.ok_or_else(|| Trouble::Unfit("no endpoint".to_owned()))?;
        let place = (endpoint.host.as_str(), endpoint.port);
        let pair = &setting.register.pair;
        // Each of an endpoint's addresses has its turn when all endpoints have had theirs.
        let line = Line::open(place, endpoint.tls.as_ref(), attempt / count, pair)?;
        let host = if endpoint.host.contains(':') {
            format!("[{}]:{}", endpoint.host, endpoint.port)
        } else {
            format!("{}:{}", endpoint.host, endpoint.port)
        };
        Ok(Client { setting, line, host, token: None })
    }

    fn log_in(&mut self) -> Result<(), Trouble> {
        let Some((user, password)) = &self.setting.login else { return Ok(()) };
        let answer =
            self.ask("/v3/auth/authenticate", &json!({ "name": user, "password": **password }))?;
        self.token = answer["token"].as_str().map(str::to_owned);
        Ok(())
    }

    /// The register's state; an empty one is made where there is none.
    fn meet(&mut self) -> Result<State, Trouble> {
        let key = BASE64.encode(&self.setting.register.key);
        for _ in 0..ATTEMPTS {
            let answer = self.ask("/v3/kv/range", &json!({ "key": key }))?;
            if let Some(state) = state_of(&answer, &answer["kvs"][0])? {
                return Ok(state);
            }
            // Nothing is done where the other machine was faster.
            self.ask(
                "/v3/kv/txn",
                &json!({
                    "compare": [
                        { "key": key, "target": "VERSION", "result": "EQUAL", "version": "0" },
                    ],
                    "success": [{ "requestPut": { "key": key, "value": "" } }],
                }),
            )?;
        }
        Err(Trouble::Away("somebody removes the register".to_owned()))
    }

    fn claim(&mut self, register: &mut State, ask: &Ask) -> Result<Says, Trouble> {
        let me = &self.setting.register.node;
        let until = Instant::now() + ANSWER_TIMEOUT;
        // What was read before is good for writing, which compares; for saying it must be read anew.
        let mut fresh = false;
        while Instant::now() < until {
            match judge(register, me, ask) {
                Verdict::Say(says) if fresh => return Ok(says),
                Verdict::Say(_) => *register = self.meet()?,
                Verdict::Write(stamp) => {
                    if self.write(register, stamp)? {
                        return Ok(Says::Granted(stamp));
                    }
                }
            }
            fresh = true;
        }
        Err(Trouble::Away("the other machine writes the register all the time".to_owned()))
    }

    /// Whether the register was still as in `state`, and is written; else `state` is what it is now.
    fn write(&mut self, state: &mut State, stamp: Stamp) -> Result<bool, Trouble> {
        let Stamp { instance, seq } = stamp;
        let register = &self.setting.register;
        let key = BASE64.encode(&register.key);
        let value = BASE64.encode(format!("{} {instance} {seq}", register.node));
        let answer = self.ask(
            "/v3/kv/txn",
            &json!({
                "compare": [{
                    "key": key, "target": "MOD", "result": "EQUAL",
                    "modRevision": state.mod_revision.to_string(),
                }],
                "success": [{ "requestPut": { "key": key, "value": value } }],
                "failure": [{ "requestRange": { "key": key } }],
            }),
        )?;
        if answer["succeeded"] == true {
            state.mod_revision = number(&answer["header"]["revision"])
                .ok_or_else(|| Trouble::Unfit("its answer has no revision".to_owned()))?;
            state.holder = Some((register.node.clone(), stamp));
            return Ok(true);
        }
        let found = &answer["responses"][0]["response_range"]["kvs"][0];
        *state = match state_of(&answer, found)? {
            Some(state) => state,
            None => self.meet()?,
        };
        Ok(false)
    }

    fn ask(&mut self, path: &str, question: &Value) -> Result<Value, Trouble> {
        let body = question.to_string();
        let response = http::post(&mut self.line, &self.host, path, self.token.as_deref(), &body)?;
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        if response.status == 200 && answer.is_object() {
            return Ok(answer);
        }
        let text = answer["message"].as_str().or(answer["error"].as_str());
        let text = text.map_or(format!("HTTP status {}", response.status), str::to_owned);
        // Without a leader it may be well again in a moment; a token ends after five minutes.
        Err(if response.status >= 500 || text.contains("invalid auth token") {
            Trouble::Away(text)
        } else {
            Trouble::Unfit(text)
        })
    }
}

/// What `answer` says of the register with its entry `kv`; `None`: there is no register.
fn state_of(answer: &Value, kv: &Value) -> Result<Option<State>, Trouble> {
    let nonsense = || Trouble::Unfit("its answer makes no sense".to_owned());
    let cluster_id = number(&answer["header"]["cluster_id"]).ok_or_else(nonsense)?;
    if kv.is_null() {
        return Ok(None);
    }
    let create_revision = number(&kv["create_revision"]).ok_or_else(nonsense)?;
    let mod_revision = number(&kv["mod_revision"]).ok_or_else(nonsense)?;
    let value = BASE64.decode(kv["value"].as_str().unwrap_or_default()).map_err(|_| nonsense())?;
    let holder = if value.is_empty() {
        None
    } else {
        let text = String::from_utf8(value).map_err(|_| nonsense())?;
        let holder = holder_of(&text);
        Some(holder.ok_or_else(|| {
            Trouble::Unfit("its key holds something else: set `key` in [tiebreaker]".to_owned())
        })?)
    };
    Ok(Some(State { cluster_id, create_revision, mod_revision, holder }))
}

fn holder_of(text: &str) -> Option<(String, Stamp)> {
    let mut words = text.split(' ');
    let holder = words.next()?.to_owned();
    let stamp = Stamp { instance: words.next()?.parse().ok()?, seq: words.next()?.parse().ok()? };
    words.next().is_none().then_some((holder, stamp))
}

/// 64-bit integers are texts in JSON.
fn number(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn stamp(seq: u64) -> Stamp {
        Stamp { instance: 1, seq }
    }

    fn state(holder: Option<(&str, u64)>) -> State {
        let holder = holder.map(|(name, seq)| (name.to_owned(), stamp(seq)));
        State { cluster_id: 7, create_revision: 8, mod_revision: 9, holder }
    }

    #[test]
    fn who_gets_the_vote() {
        let run = state(None).run();
        let ask = |seq, over| Ask { run, stamp: stamp(seq), over: stamp(over) };
        let say = Verdict::Say;
        for (what, holder, ask, expected) in [
            ("it is free", None, ask(5, 0), Verdict::Write(stamp(5))),
            ("it is mine", Some(("a", 4)), ask(5, 0), Verdict::Write(stamp(5))),
            ("mine, and newer", Some(("a", 6)), ask(5, 0), say(Says::Granted(stamp(5)))),
            ("the other's, as I heard", Some(("b", 9)), ask(5, 9), Verdict::Write(stamp(5))),
            ("the other's, newer", Some(("b", 10)), ask(5, 9), say(Says::Refused(stamp(10)))),
            ("of another life", None, Ask { run: [0; 20], ..ask(5, 0) }, say(Says::Met(run))),
        ] {
            assert_eq!(judge(&state(holder), "a", &ask), expected, "{what}");
        }
    }

    #[test]
    fn a_register_that_was_removed_lives_anew() {
        let old = state(None);
        for new in
            [State { create_revision: 9, ..old.clone() }, State { cluster_id: 8, ..old.clone() }]
        {
            assert_ne!(new.run(), old.run());
        }
        assert_eq!(State { mod_revision: 10, ..state(Some(("a", 1))) }.run(), old.run());
    }

    #[test]
    fn what_etcd_answers() {
        let header = json!({ "cluster_id": "14841639068965178418", "revision": "5" });
        let entry = |value: &str| {
            let value = BASE64.encode(value);
            json!({ "create_revision": "3", "mod_revision": "4", "value": value })
        };
        let answer = json!({ "header": header });
        let read = |kv: &Value| state_of(&answer, kv);
        let found = |holder: Option<(&str, u64)>| {
            Ok(Some(State {
                cluster_id: 14_841_639_068_965_178_418,
                create_revision: 3,
                mod_revision: 4,
                ..state(holder)
            }))
        };
        assert_eq!(read(&Value::Null), Ok(None));
        assert_eq!(read(&entry("")), found(None));
        assert_eq!(read(&entry("redis-1 1 7")), found(Some(("redis-1", 7))));
        for other in ["hello", "a 1", "a 1 2 3", "a x 2"] {
            assert!(matches!(read(&entry(other)), Err(Trouble::Unfit(_))), "{other}");
        }
        assert!(matches!(state_of(&json!({}), &Value::Null), Err(Trouble::Unfit(_))));
    }
}

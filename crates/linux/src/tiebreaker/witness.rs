//! A third Redis as a witness: the register is a hash, the atomic operation a script.
//!
//! The register has a life, named when it is made: one that a restart, `FLUSHALL` or an eviction took away
//! is made anew under another name, and nobody gets a vote by speaking to the old one. So a witness
//! may be a Redis that others use too. It must be one process, not a proxy or a cluster.

use keepair_core::tiebreaker::{Ask, Run, Says};
use keepair_wire::info::{Info, Role, RunId};
use keepair_wire::peer::Stamp;
use keepair_wire::resp::{Decoder, Limits, Value, encode_command};
use std::io;
use std::time::Instant;

use super::inbox::{Event, Inbox};
use super::line::Line;
use super::{IDLE, Register, Trouble, Voice, Witness, keep, new_run};

/// The claim. Stamps are 40 digits: compared as texts, none is ever rounded.
const SCRIPT: &str = include_str!("witness.lua");

/// Works until the daemon ends.
pub(super) fn work(setting: &Witness, inbox: Inbox, voice: Voice) {
    keep(inbox, voice, |attempt, inbox, voice| serve(setting, attempt, inbox, voice));
}

/// One connection, from beginning to end. `Ok`: the daemon ends.
fn serve(
    setting: &Witness,
    attempt: usize,
    inbox: &mut Inbox,
    voice: &mut Voice,
) -> Result<(), Trouble> {
    let mut client = Client::open(setting, attempt)?;
    client.log_in(setting)?;
    let run_id = client.look_at_server()?;
    // Speaks to no life, so that it says which it is.
    let meeting = client.claim(&setting.register, None)?;
    voice.say(meeting)?;
    loop {
        let event = inbox.wait(Some(client.line.as_fd()), Instant::now() + IDLE)?;
        if inbox.local() == Some(run_id) {
            return Err(Trouble::Unfit(
                "it is the local Redis: a tie-breaker must be a third party".to_owned(),
            ));
        }
        match event {
            Event::Ask(ask) => {
                let says = client.claim(&setting.register, Some(&ask))?;
                voice.say(says)?;
            }
            Event::Readable => client.line.look()?,
            Event::Due => {
                client.command(&[b"PING"])?;
            }
            Event::Ended => return Ok(()),
        }
    }
}

struct Client {
    line: Line,
    decoder: Decoder,
}

impl Client {
    fn open(setting: &Witness, attempt: usize) -> Result<Client, Trouble> {
        let place = (setting.host.as_str(), setting.port);
        let line = Line::open(place, setting.tls.as_ref(), attempt, &setting.register.pair)?;
        Ok(Client { line, decoder: Decoder::new(Limits::default()) })
    }

    fn log_in(&mut self, setting: &Witness) -> Result<(), Trouble> {
        if let Some(password) = &setting.password {
            let user = setting.username.as_deref().unwrap_or("default");
            // Before Redis 6 there are no users, and a password stands alone.
            let command: &[&[u8]] = match &setting.username {
                Some(_) => &[b"AUTH", user.as_bytes(), password.as_bytes()],
                None => &[b"AUTH", password.as_bytes()],
            };
            self.command(command)?;
        }
        if setting.database != 0 {
            self.command(&[b"SELECT", setting.database.to_string().as_bytes()])?;
        }
        Ok(())
    }

    fn look_at_server(&mut self) -> Result<RunId, Trouble> {
        let reply = self.command(&[b"INFO"])?;
        fit(&Info::parse(reply.as_bytes().unwrap_or_default())).map_err(Trouble::Unfit)
    }

    /// Claims the vote, or only asks for the name of the register's life.
    fn claim(&mut self, register: &Register, ask: Option<&Ask>) -> Result<Says, Trouble> {
        let (run, stamp, over) = match ask {
            Some(ask) => (hex(&ask.run), digits(ask.stamp), digits(ask.over)),
            None => (String::new(), String::new(), String::new()),
        };
        let new = hex(&new_run()?);
        let texts = [&register.key, &run, &new, &register.node, &stamp, &over];
        let mut command: Vec<&[u8]> = vec![b"EVAL", SCRIPT.as_bytes(), b"1"];
        command.extend(texts.map(|text| text.as_bytes()));
        let reply = self.command(&command)?;
        let stamp = ask.map(|ask| ask.stamp);
        said(&reply, stamp)
            .ok_or_else(|| Trouble::Unfit(format!("its answer makes no sense: {reply:?}")))
    }

    fn command(&mut self, args: &[&[u8]]) -> Result<Value, Trouble> {
        let mut request = Vec::new();
        encode_command(args, &mut request);
        let decoder = &mut self.decoder;
        let reply = self.line.exchange(&request, |bytes| {
            decoder.push(bytes);
            decoder
                .next()
                .map_err(|error| io::Error::other(format!("this is not a Redis: {error}")))
        })?;
        match reply.as_error() {
            // A Redis quotes the arguments of a command it does not know.
            Some(_) if args.first() == Some(&&b"AUTH"[..]) => {
                let code = reply.error_code().unwrap_or_default();
                Err(Trouble::Unfit(format!("it refuses the login: {code}")))
            }
            Some(text) => Err(Trouble::Unfit(text.into_owned())),
            None => Ok(reply),
        }
    }
}

/// Its run, if it can be a witness.
fn fit(info: &Info) -> Result<RunId, String> {
    if info.role == Some(Role::Replica) {
        return Err("it is a replica: a witness must be a primary".to_owned());
    }
    if info.cluster_enabled == Some(true) {
        return Err("it is part of a cluster: a witness must be one Redis".to_owned());
    }
    info.run_id.ok_or_else(|| "it does not tell its run_id".to_owned())
}

/// What the script's answer means; `asked` with that stamp.
fn said(reply: &Value, asked: Option<Stamp>) -> Option<Says> {
    match reply.as_array()? {
        [Value::Integer(1)] => asked.map(Says::Granted),
        [Value::Integer(0), stamp] => Some(Says::Refused(stamp_of(stamp.as_str()?)?)),
        [Value::Integer(-1), life] => {
            let RunId(run) = life.as_str()?.parse().ok()?;
            Some(Says::Met(run))
        }
        _ => None,
    }
}

fn digits(stamp: Stamp) -> String {
    format!("{:020}{:020}", stamp.instance, stamp.seq)
}

fn stamp_of(digits: &str) -> Option<Stamp> {
    let (instance, seq) = digits.split_at_checked(20)?;
    Some(Stamp { instance: instance.parse().ok()?, seq: seq.parse().ok()? })
}

fn hex(run: &Run) -> String {
    RunId(*run).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_be_a_witness() {
        let run = "run_id:0123456789abcdef0123456789abcdef01234567\r\n";
        for (lines, expected) in [
            (format!("{run}role:master\r\ncluster_enabled:0\r\n"), Ok(())),
            (format!("{run}role:slave\r\n"), Err("replica")),
            (format!("{run}role:master\r\ncluster_enabled:1\r\n"), Err("cluster")),
            ("role:master\r\n".to_owned(), Err("run_id")),
        ] {
            match (fit(&Info::parse(&lines)), expected) {
                (Ok(_), Ok(())) => {}
                (Err(text), Err(part)) => assert!(text.contains(part), "{text}"),
                (found, _) => panic!("{lines}: {found:?}"),
            }
        }
    }

    #[test]
    fn the_answers_of_the_script() {
        let asked = Stamp { instance: 7, seq: 8 };
        let held = Stamp { instance: u64::MAX, seq: 1 };
        let text = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        let life = "0123456789abcdef0123456789abcdef01234567";
        let RunId(run) = life.parse().unwrap();
        for (items, expected) in [
            (vec![Value::Integer(1)], Some(Says::Granted(asked))),
            (vec![Value::Integer(0), text(&digits(held))], Some(Says::Refused(held))),
            (vec![Value::Integer(-1), text(life)], Some(Says::Met(run))),
            (vec![Value::Integer(-1), text("short")], None),
            (vec![Value::Integer(0), text("1")], None),
            (vec![Value::Integer(2)], None),
            (vec![], None),
        ] {
            assert_eq!(said(&Value::Array(items.clone()), Some(asked)), expected, "{items:?}");
        }
        assert_eq!(said(&Value::Array(vec![Value::Integer(1)]), None), None);
        assert_eq!(said(&Value::Null, Some(asked)), None);
    }

    #[test]
    fn stamps_are_ordered_as_texts() {
        let stamps = [(0, 0), (0, 9), (0, 10), (1, 0), (9, u64::MAX), (10, 0), (u64::MAX, 1)];
        let stamps = stamps.map(|(instance, seq)| Stamp { instance, seq });
        let texts = stamps.map(digits);
        assert!(stamps.is_sorted() && texts.is_sorted());
        assert_eq!(texts.map(|text| stamp_of(&text).unwrap()), stamps);
    }
}

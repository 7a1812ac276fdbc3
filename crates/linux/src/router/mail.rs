//! Alerts by mail: a thread of their own, for a mail server may take its time.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::log::Log;
use super::notify::Mail;
use super::setup::MailSetup;

/// Mails that may wait for the ones before them.
const WAITING_MAX: usize = 256;
/// A server's answer that is longer is not one.
const REPLY_BYTES_MAX: u64 = 16 * 1024;
/// glibc's resolver needs some.
const STACK_BYTES: usize = 256 * 1024;

/// Where mails are put.
pub(crate) struct Mailer {
    sender: SyncSender<(MailSetup, Mail)>,
    log: Log,
}

impl Mailer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there is no room for another thread.
    pub(crate) fn start(log: Log) -> io::Result<Mailer> {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let own = log.clone();
        thread::Builder::new()
            .name("mail".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || work(&receiver, &own))?;
        Ok(Mailer { sender, log })
    }

    /// Sends it, in its turn.
    pub(crate) fn send(&self, setup: &MailSetup, mail: Mail) {
        if let Err(error) = self.sender.try_send((setup.clone(), mail)) {
            self.log.warning(format!("a mail is not sent, too many wait: {error}"));
        }
    }
}

fn work(mails: &Receiver<(MailSetup, Mail)>, log: &Log) {
    while let Ok((setup, mail)) = mails.recv() {
        let server = format!("{}:{}", setup.server, setup.port);
        match deliver(&setup, &mail, SystemTime::now()) {
            Ok(refused) => {
                for recipient in refused {
                    log.warning(format!("mail server {server} refuses {recipient}"));
                }
            }
            Err(error) => {
                log.warning(format!("mail \"{}\" not sent by {server}: {error}", mail.subject));
            }
        }
    }
}

/// A dialogue with the server (RFC 5321, section 3). Gives the recipients it refused.
fn deliver(setup: &MailSetup, mail: &Mail, now: SystemTime) -> io::Result<Vec<String>> {
    let stream = connect(setup)?;
    stream.set_read_timeout(Some(setup.timeout))?;
    stream.set_write_timeout(Some(setup.timeout))?;
    let mut dialogue = Dialogue { reader: BufReader::new(stream) };
    dialogue.expect(2)?;
    dialogue.ask(&format!("HELO {}", one_line(&setup.helo)), 2)?;
    dialogue.ask(&format!("MAIL FROM:<{}>", one_line(&setup.from)), 2)?;
    let mut refused = Vec::new();
    let mut why = None;
    for recipient in &setup.to {
        if let Err(error) = dialogue.ask(&format!("RCPT TO:<{}>", one_line(recipient)), 2) {
            if error.kind() != io::ErrorKind::Other {
                return Err(error);
            }
            refused.push(recipient.clone());
            why = Some(error);
        }
    }
    if let Some(why) = why.filter(|_| refused.len() == setup.to.len()) {
        return Err(why);
    }
    dialogue.ask("DATA", 3)?;
    dialogue.say(&message(setup, mail, now))?;
    dialogue.ask(".", 2)?;
    // It has the mail; what it says to this does not matter.
    let _ = dialogue.say("QUIT\r\n");
    Ok(refused)
}

fn connect(setup: &MailSetup) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in (setup.server.as_str(), setup.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, setup.timeout.max(Duration::from_millis(1))) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

struct Dialogue {
    reader: BufReader<TcpStream>,
}

impl Dialogue {
    fn say(&mut self, text: &str) -> io::Result<()> {
        self.reader.get_mut().write_all(text.as_bytes())
    }

    fn ask(&mut self, command: &str, class: u8) -> io::Result<()> {
        self.say(&format!("{command}\r\n"))?;
        self.expect(class)
    }

    /// A reply whose code begins with this digit. Another one is an error of the kind `Other`.
    fn expect(&mut self, class: u8) -> io::Result<()> {
        let mut left = REPLY_BYTES_MAX;
        loop {
            let mut line = Vec::new();
            let read = io::Read::take(&mut self.reader, left).read_until(b'\n', &mut line)?;
            if line.pop() != Some(b'\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left = left.saturating_sub(read as u64);
            // `250-` goes on, `250 ` and `250` end.
            if line.get(3) == Some(&b'-') {
                continue;
            }
            let is_expected = line.first() == Some(&(b'0' + class));
            let text = one_line(&String::from_utf8_lossy(&line));
            return if is_expected {
                Ok(())
            } else {
                Err(io::Error::other(format!("it says {}", text.trim_end())))
            };
        }
    }
}

/// Header and body, without the dot that ends it. No line of it begins with a dot.
fn message(setup: &MailSetup, mail: &Mail, now: SystemTime) -> String {
    let lines = [
        format!("Date: {}", date(now)),
        format!("From: {}", one_line(&setup.from)),
        format!("Subject: {}", one_line(&mail.subject)),
        "X-Mailer: Keepair".to_owned(),
        format!("To: {}", one_line(&setup.to.join(", "))),
        String::new(),
        one_line(&mail.text),
        String::new(),
    ];
    lines.iter().flat_map(|line| [line, "\r\n"]).collect()
}

/// A line feed within would begin a command or a header of its own.
fn one_line(text: &str) -> String {
    text.chars().map(|ch| if ch.is_control() { ' ' } else { ch }).collect()
}

/// RFC 5322, section 3.3, in UTC.
fn date(now: SystemTime) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // 1 January 1970 was a Thursday.
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let mut day = days;
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = "";
    for (name, length) in MONTHS.iter().zip(lengths) {
        month = name;
        if day < length {
            break;
        }
        day -= length;
    }
    let weekday = DAYS.get((days % 7) as usize).copied().unwrap_or_default();
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{weekday}, {:02} {month} {year} {hour:02}:{minute:02}:{second:02} +0000", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_date_1() {
        // date -u -d @N '+%a, %d %b %Y %T +0000'
        let cases = [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_795_385_881, "Sun, 22 Nov 2026 22:18:01 +0000"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 +0000"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 +0000"),
        ];
        for (seconds, text) in cases {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_name_with_a_line_feed_begins_no_header() {
        assert_eq!(one_line("a\r\nBcc: x"), "a  Bcc: x");
    }
}

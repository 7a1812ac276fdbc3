//! Anything that can happen to the virtual routers of a `keepalived.conf`, in any order and at any time.

use core::net::Ipv4Addr;
use core::time::Duration;

use keepair_conf::keepalived::{Machine, Options, Unreadable, parse, router};
use keepair_core::router::action::{Action, Actions};
use keepair_core::router::config::{Config, FileId, InstanceId, LinkId, ProcessId, ScriptId};
use keepair_core::router::input::{Ended, Input, LinkState, Operator};
use keepair_core::router::{Router, event};
use keepair_core::time::Time;
use keepair_wire::vrrp::{self, ChecksumForm, v2};

use crate::checksum::seal;
use crate::draw::Draw;

/// A group of two versions, an instance beside it, and everything that can be tracked.
const FILE: &str = "
vrrp_script check {
  script /bin/true
  interval 1
  rise 2
  fall 2
  weight -20
}
vrrp_script needed {
  script /bin/true
  interval 1
  timeout 3
}
track_file number {
  file /number
}
vrrp_track_process server {
  process redis-server
  weight 5
  delay 0.5
}
vrrp_sync_group both {
  group {
    old
    new
  }
}
vrrp_instance old {
  state MASTER
  interface eth0
  virtual_router_id 51
  priority 100
  authentication {
    auth_type PASS
    auth_pass 1111
  }
  virtual_ipaddress {
    10.0.0.100
  }
  track_script {
    needed
  }
}
vrrp_instance new {
  state BACKUP
  interface eth1
  virtual_router_id 52
  priority 100
  version 3
  advert_int 0.1
  preempt_delay 2
  virtual_ipaddress {
    10.0.1.100
  }
  track_script {
    needed
  }
}
vrrp_instance alone {
  state BACKUP
  interface eth0
  virtual_router_id 53
  priority 120
  nopreempt
  version 3
  unicast_src_ip 10.0.0.1
  unicast_peer {
    10.0.0.2
  }
  virtual_ipaddress {
    10.0.0.101
    10.0.0.102
  }
  track_script {
    check
  }
  track_file {
    number
  }
  track_process {
    server
  }
}
";
/// An input leads to so many actions at the most: three instances, each told, moved and announced.
const ACTIONS_MAX: usize = 60;

struct Disk;

impl Machine for Disk {
    fn read(&self, _path: &str) -> Result<Vec<u8>, Unreadable> {
        Ok(FILE.as_bytes().to_vec())
    }

    fn list(&self, _path: &str) -> Vec<String> {
        Vec::new()
    }
}

/// The configuration, without and with its last instance.
fn configs() -> [Config; 2] {
    let parsed = parse("keepalived.conf", &Disk, &Options::default());
    let file = parsed.file.as_ref().unwrap_or_else(|| panic!("{}", parsed.render(false)));
    let whole = router(file, &parsed.sources, &Disk, Duration::ZERO).unwrap();
    let mut part = whole.clone();
    part.instances.truncate(2);
    [part, whole]
}

/// A time and something that happens then, again and again.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let configs = configs();
    let mut config = configs[1].clone();
    let mut now = Time(1_000_000);
    let mut router = Router::new(config.clone(), now);
    let mut running = vec![false; config.scripts.len()];
    let mut next = Some(Input::Started { unix: Duration::from_secs(1) });
    while let Some(input) = next {
        if let Input::ScriptEnded(script, _) = &input
            && let Some(runs) = running.get_mut(script.0)
        {
            *runs = false;
        }
        let mut actions = Actions::new();
        router.handle(now, input, &mut actions);
        assert!(actions.len() <= ACTIONS_MAX, "{} actions", actions.len());
        let mut exits = false;
        for action in &actions {
            assert!(!exits, "something is left to do after the end");
            match action {
                Action::RunScript(script) => {
                    assert!(!core::mem::replace(&mut running[script.0], true), "twice at once");
                }
                Action::EndScript { script, .. } => assert!(running[script.0]),
                Action::Send { message, dst, .. } => {
                    let v2 = message[0] >> 4 == 2;
                    let src = Ipv4Addr::new(10, 0, if message[1] == 52 { 1 } else { 0 }, 1);
                    let read = match v2 {
                        true => v2::parse(message).is_ok(),
                        false => vrrp::parse(message, src.into(), *dst).is_ok(),
                    };
                    assert!(read, "{message:?}");
                }
                Action::Adopt(adopted) => {
                    config.clone_from(&adopted.config);
                    let known = |old: &Option<ScriptId>| old.is_some_and(|id| running[id.0]);
                    running = adopted.scripts.iter().map(known).collect();
                }
                Action::Exit => exits = true,
                _ => {}
            }
        }
        if exits || draw.is_empty() {
            return;
        }
        assert!(router.deadline() > now, "a deadline that does not pass");
        let status = router.status(now);
        let active = |at: usize| status.instances[at].state == event::State::Active;
        assert!(active(0) == active(1) || !active(0) || !active(1) || config.groups.is_empty());
        let soon = Duration::from_micros(draw.number::<u16>().into());
        now = match draw.below(4) {
            0 => now,
            1 => now + soon,
            2 => now + soon * 64,
            _ => now.max(router.deadline().min(now + Duration::from_secs(60))),
        };
        next = Some(happens(&mut draw, &configs));
    }
}

fn happens(draw: &mut Draw<'_>, configs: &[Config; 2]) -> Input {
    let instance = InstanceId(draw.below(4));
    match draw.below(12) {
        0..3 => packet(draw),
        3 => {
            let link = draw.below(3);
            let v4 = draw.flag().then_some(Ipv4Addr::new(10, 0, link as u8, 1));
            let all = v4.into_iter().map(Into::into).collect();
            let state = LinkState { up: draw.flag(), v4, v6: None, all, mtu: 1500 };
            Input::Link { link: LinkId(link), state }
        }
        4 => Input::Gone(instance),
        5 => {
            let ended = match draw.below(4) {
                0 => Ended::Killed(9),
                1 => Ended::NotStarted("no".to_owned()),
                status => Ended::Exited(status as i32 - 2),
            };
            Input::ScriptEnded(ScriptId(draw.below(3)), ended)
        }
        6 => Input::FileRead(FileId(draw.below(2)), draw.number()),
        7 => Input::Processes(ProcessId(draw.below(2)), draw.number::<u8>().into()),
        8 => Input::Added(instance, if draw.flag() { Ok(()) } else { Err("no".to_owned()) }),
        9 => Input::Removed(instance, Ok(())),
        10 => Input::Operator(match draw.below(6) {
            0 => Operator::Stop,
            1 | 2 => Operator::Reload(Box::new(draw.pick(configs))),
            3 => Operator::ClearCounters,
            _ => Operator::Announce,
        }),
        _ => Input::Deadline,
    }
}

fn packet(draw: &mut Draw<'_>) -> Input {
    let link = draw.below(3);
    let from = |last| Ipv4Addr::new(10, 0, link as u8, last);
    let (src, group) = (from(draw.pick(&[2, 1, 200])), Ipv4Addr::new(224, 0, 0, 18));
    let dst = if draw.flag() { group } else { from(1) };
    let message = match draw.below(3) {
        0 => {
            let addresses = vec![from(100)];
            let max_advert_int_cs = draw.number();
            let (vrid, priority) = (51 + draw.below(4) as u8, draw.byte());
            let addresses = addresses.into_iter().map(Into::into).collect();
            vrrp::Advert { vrid, priority, max_advert_int_cs, addresses }.emit(
                src.into(),
                dst.into(),
                ChecksumForm::PseudoHeader,
            )
        }
        1 => {
            let (vrid, priority) = (51 + draw.below(4) as u8, draw.byte());
            let (auth_type, advert_int_s) = (draw.below(3) as u8, draw.below(3) as u8);
            let auth_data = draw.pick(&[[0; 8], *b"1111\0\0\0\0"]);
            let addresses = vec![from(100)];
            v2::Advert { vrid, priority, auth_type, advert_int_s, addresses, auth_data }.emit()
        }
        _ => {
            let len = draw.below(40);
            let mut message = draw.take(len).to_vec();
            if message.len() >= 8 {
                seal(&mut message, 6, &[]);
            }
            message
        }
    };
    Input::Packet { link: LinkId(link), src: src.into(), dst: dst.into(), ttl: 255, message }
}

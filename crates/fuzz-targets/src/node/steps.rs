//! What can happen next.

use std::time::Duration;

use keepair_core::Input;
use keepair_core::action::Query;
use keepair_core::input::{Done, Lost, Operator, RedisInput, Refused, Reply};
use keepair_wire::info::Info;
use keepair_wire::peer::State;

use super::Scene;
use super::pair::{self, PeerDaemon};

/// Spans of time, in microseconds, around the ones the protocol knows.
const SPANS_US: [u64; 14] = [
    0,
    50,
    400,
    1_000,
    3_000,
    10_000,
    30_000,
    61_000,
    100_000,
    310_000,
    370_000,
    1_100_000,
    5_100_000,
    170_000_000,
];

impl Scene<'_> {
    /// The next thing happens.
    pub(super) fn step(&mut self) {
        match self.draw.below(32) {
            0 => self.wake(Duration::ZERO),
            1 => {
                let late = self.span();
                self.wake(late);
            }
            2 => {
                self.now = self.now + self.span();
                self.due();
            }
            3 => self.live(),
            4 if self.honest => self.holding = true,
            4 => self.work_off_one(),
            5 => {
                let pause = self.span();
                self.work_off_slowly(pause);
            }
            6 => self.redis_answers(),
            7 => (0..8).for_each(|_| self.redis_answers()),
            8 => self.redis_errs(),
            9 => self.redis.changes(&mut self.draw),
            10 => self.redis.becomes_replica(),
            11 => {
                self.redis.restarts(&mut self.draw);
                self.redis_hangs_up(Lost::Closed);
            }
            12 => {
                let failed = Lost::Failed("reset".to_owned());
                let lost = self.draw.pick(&[Lost::Closed, failed]);
                self.redis_hangs_up(lost);
            }
            13 => self.tell(Input::Redis(RedisInput::ProcessStirred)),
            14 => self.peer.settles(&mut self.draw, &self.redis),
            15 => self.peer.changes(&mut self.draw),
            16 => self.peer_says(),
            17 => self.peer_advertises(),
            18 => self.tell(self.peer.advertises(0)),
            19 => {
                let input = self.peer.says_oddly(&mut self.draw);
                self.tell(input);
            }
            20 => {
                let input = self.peer.advertises_oddly(&mut self.draw);
                self.tell(input);
            }
            21 => {
                self.peer.complies();
                self.peer_says();
            }
            22 => {
                let up = self.draw.flag();
                self.tell(Input::LinkChanged(up));
            }
            23 => self.vips_are_taken(),
            24 => {
                let claim = PeerDaemon::claims(&self.config, &mut self.draw);
                self.tell(claim);
            }
            25 => self.tell(Input::Operator(Operator::Switchover)),
            26 => {
                let config = pair::changed(&self.config, &mut self.draw);
                // The executor at once, the core in its turn.
                self.kernel.reload(&config);
                self.config = config.clone();
                self.tell(Input::Operator(Operator::Reload(Box::new(config))));
            }
            27 => {
                let bits = self.draw.byte();
                self.kernel.refuse(bits);
            }
            28 => self.disk_answers(),
            29 => self.redis_catches_up(),
            30 if self.draw.byte() % 8 == 7 => self.tell(Input::Operator(Operator::Stop)),
            30 => self.promises.looks(&self.node.status(self.now)),
            _ if self.honest => self.live(),
            _ => self.lie(),
        }
    }

    fn span(&mut self) -> Duration {
        Duration::from_micros(self.draw.pick(&SPANS_US))
    }

    /// Up to 32 rounds of everyday life: every deadline on time, everything answered, and the peer
    /// heard or not.
    fn live(&mut self) {
        let kind = self.draw.byte();
        let rounds = 1 + self.draw.below(32);
        for _ in 0..rounds {
            if self.is_over() {
                return;
            }
            self.wake(Duration::ZERO);
            self.work_off();
            for _ in 0..4 {
                self.redis_answers();
                self.work_off();
            }
            if kind & 1 == 0 {
                if kind & 2 == 2 {
                    self.peer.complies();
                }
                self.peer_says();
            }
            if kind & 4 == 0 && self.peer.report.state == State::Active {
                self.peer_advertises();
            }
            self.disk_answers();
            self.work_off();
        }
    }

    fn peer_says(&mut self) {
        let input = self.peer.says();
        self.tell(input);
    }

    fn peer_advertises(&mut self) {
        self.tell(self.peer.advertises(self.peer.report.priority));
    }

    /// The next question is refused, or INFO says anything at all.
    fn redis_errs(&mut self) {
        if !self.redis.connected {
            return;
        }
        let Some(query) = self.asked.pop_front() else { return };
        let mut reply = self.any_reply();
        let fits = match reply {
            Reply::Error(_) => true,
            Reply::Info(_) => matches!(query, Query::Info | Query::Follow),
            _ => !matches!(query, Query::Info | Query::Settings),
        };
        if self.honest && !fits {
            reply = Reply::Error("ERR".to_owned());
        }
        self.tell(Input::Redis(RedisInput::Reply(query, reply)));
    }

    fn any_reply(&mut self) -> Reply {
        match self.draw.below(6) {
            0 => Reply::Error("LOADING Redis is loading the dataset in memory".to_owned()),
            1 => Reply::Error("ERR unknown command".to_owned()),
            2 => Reply::Ok,
            3 => Reply::Info(Box::default()),
            4 => {
                let len = self.draw.below(256);
                Reply::Info(Box::new(Info::parse(self.draw.take(len))))
            }
            _ => Reply::Info(Box::new(self.redis.info(&self.config))),
        }
    }

    /// The local Redis applies what the peer's has written.
    fn redis_catches_up(&mut self) {
        let written = i64::from(self.draw.byte());
        let report = &mut self.peer.report.redis;
        report.offset = report.offset.saturating_add(written);
        self.redis.reaches(report.offset);
    }

    fn vips_are_taken(&mut self) {
        self.kernel.take_vips();
        let address = self.config.vips[0].address;
        self.tell(Input::VipGone(address));
    }

    /// What was to be kept is kept, or is not.
    fn disk_answers(&mut self) {
        let Some(left) = self.persists.checked_sub(1) else { return };
        self.persists = left;
        let full = self.persists % 4 == 3;
        let result = if full { Err(Refused::Failed("no space".to_owned())) } else { Ok(()) };
        self.tell(Input::ActionDone(Done::Persist, result));
    }

    /// Something is answered that nobody asked.
    fn lie(&mut self) {
        let dones = [
            Done::AddVips,
            Done::RemoveVips,
            Done::OpenFence,
            Done::RenewFence,
            Done::CloseFence,
            Done::Persist,
        ];
        let queries = [
            Query::Promote,
            Query::Follow,
            Query::Info,
            Query::PauseWrites(Duration::from_secs(1)),
            Query::ResumeWrites,
            Query::DropReplicas,
            Query::Ping,
            Query::Settings,
        ];
        let input = match self.draw.below(4) {
            0 => {
                let failed = Refused::Failed("a lie".to_owned());
                let result = self.draw.pick(&[Ok(()), Err(Refused::Lapsed), Err(failed)]);
                Input::ActionDone(self.draw.pick(&dones), result)
            }
            1 => {
                let query = self.draw.pick(&queries);
                Input::Redis(RedisInput::Reply(query, self.any_reply()))
            }
            2 => {
                self.redis.connected = true;
                Input::Redis(RedisInput::Connected)
            }
            _ => {
                self.inputs.clear();
                self.asked.clear();
                Input::Redis(RedisInput::Process(self.redis.look()))
            }
        };
        self.tell(input);
    }
}

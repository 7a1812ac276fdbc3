//! `global_defs`.

use core::net::IpAddr;
use core::time::Duration;

use super::{Entry, Reader};
use crate::keepalived::OnDropped;
use crate::keepalived::file::{Garp, GarpExtra, Globals};
use crate::keepalived::keywords::{GARP_EXTRA_IF_MOST, Scope};
use crate::keepalived::place::Placed;
use crate::keepalived::tree::{Node, Word};
use crate::value::{Fault, quote};

impl Reader<'_> {
    pub(super) fn globals(&mut self, node: &Node, it: &mut Globals) {
        for entry in self.entries(node.lines(), Scope::Global) {
            if self.garp(entry, &mut it.garp, "vrrp_") {
                continue;
            }
            match entry.name() {
                "on_dropped" => {
                    it.on_dropped = self.choice(entry).map(|choice| {
                        choice.map(|choice| match choice {
                            "warn" => OnDropped::Warn,
                            _ => OnDropped::Refuse,
                        })
                    });
                }
                "router_id" => it.router_id = self.text(entry),
                "script_user" => it.script_user = self.user(entry),
                "enable_script_security" => it.script_security = self.set(entry),
                "set_supplementary_groups" => it.supplementary_groups = self.set(entry),
                "startup_script" => it.startup_script = self.script(entry),
                "startup_script_timeout" => it.startup_script_timeout = self.whole_seconds(entry),
                "shutdown_script" => it.shutdown_script = self.script(entry),
                "shutdown_script_timeout" => it.shutdown_script_timeout = self.whole_seconds(entry),
                "vrrp_startup_delay" => it.startup_delay = self.seconds(entry),
                "vrrp_delay_after_boot" => it.delay_after_boot = self.seconds(entry),
                "vrrp_version" => it.version = self.number(entry),
                "vrrp_strict" => it.strict = self.set(entry),
                "vrrp_mcast_group4" => {
                    it.multicast_group4 = self.group(entry).and_then(|group| match group.value {
                        IpAddr::V4(v4) => Some(Placed::new(v4, group.place)),
                        IpAddr::V6(_) => None,
                    });
                }
                "vrrp_mcast_group6" => {
                    it.multicast_group6 = self.group(entry).and_then(|group| match group.value {
                        IpAddr::V6(v6) => Some(Placed::new(v6, group.place)),
                        IpAddr::V4(_) => None,
                    });
                }
                "vrrp_garp_interval" => it.garp_interval = self.pause(entry),
                "vrrp_gna_interval" => it.gna_interval = self.pause(entry),
                "vrrp_min_garp" => it.min_garp = self.switch(entry),
                "vrrp_lower_prio_no_advert" => it.lower_prio_no_advert = self.switch(entry),
                "vrrp_higher_prio_send_advert" => it.higher_prio_send_advert = self.switch(entry),
                "vrrp_down_timer_adverts" => it.down_timer_adverts = self.number(entry),
                "vrrp_check_unicast_src" => it.check_unicast_src = self.set(entry),
                "vrrp_skip_check_adv_addr" => it.skip_check_adv_addr = self.set(entry),
                "v3_checksum_as_v2" => it.v3_checksum_as_v2 = self.switch(entry),
                "vrrp_owner_ignore_adverts" => it.owner_ignore_adverts = self.switch(entry),
                "default_interface" => it.default_interface = self.interface(entry),
                "dynamic_interfaces" => it.dynamic_interfaces = self.dynamic_interfaces(entry),
                "umask" => it.umask = self.umask(entry),
                "state_dump_file" => it.state_dump = self.text(entry),
                "stats_dump_file" => it.stats_dump = self.text(entry),
                "json_dump_file" => it.json_dump = self.text(entry),
                "json_version" => it.json_version = self.number(entry),
                "vmac_prefix" => it.vmac_prefix = self.text(entry),
                "vmac_addr_prefix" => it.vmac_addr_prefix = self.text(entry),
                "vrrp_rt_priority" => it.rt_priority = self.rt_priority(entry),
                "notify_fifo" => it.fifo = self.fifo(entry),
                "notify_fifo_script" => it.fifo_script = self.script(entry),
                "vrrp_notify_fifo" => it.vrrp_fifo = self.fifo(entry),
                "vrrp_notify_fifo_script" => it.vrrp_fifo_script = self.script(entry),
                "fifo_write_vrrp_states_on_reload" => it.fifo_states_on_reload = self.set(entry),
                "vrrp_notify_priority_changes" => it.notify_priority_changes = self.switch(entry),
                "notification_email" => self.mail_to(entry, it),
                "notification_email_from" => it.mail_from = self.text(entry),
                "smtp_server" => it.smtp_server = self.smtp_server(entry),
                "smtp_helo_name" => it.smtp_helo_name = self.text(entry),
                "smtp_connect_timeout" => it.smtp_timeout = self.smtp_timeout(entry),
                "smtp_alert" => it.smtp_alert = self.switch(entry),
                "smtp_alert_vrrp" => it.smtp_alert_vrrp = self.switch(entry),
                "no_email_faults" => it.no_mail_about_faults = self.set(entry),
                _ => {}
            }
        }
    }

    /// Reads how addresses are announced, globally with a prefix; false if the line is about
    /// something else.
    pub(super) fn garp(&mut self, entry: Entry<'_>, it: &mut Garp, prefix: &str) -> bool {
        match entry.name().strip_prefix(prefix) {
            Some("garp_master_delay") => it.delay = self.whole_seconds(entry),
            Some("garp_master_repeat") => it.repeat = self.not_zero(entry),
            Some("garp_master_refresh") => it.refresh = self.whole_seconds(entry),
            Some("garp_master_refresh_repeat") => it.refresh_repeat = self.not_zero(entry),
            Some("garp_lower_prio_delay") => it.lower_prio_delay = self.whole_seconds(entry),
            Some("garp_lower_prio_repeat") => it.lower_prio_repeat = self.number(entry),
            Some("garp_extra_if" | "vmac_garp_intvl") => {
                it.extra_if = self.garp_extra_if(entry);
            }
            _ => return false,
        }
        true
    }

    /// A number of which 0 is taken for 1.
    fn not_zero(&mut self, entry: Entry<'_>) -> Option<Placed<u32>> {
        let number = self.number::<u32>(entry)?;
        if number.value == 0 {
            let fault = Fault::new(format!("`{}` is 0", entry.name()), "it is taken for 1");
            self.found.warning(number.place, fault);
        }
        Some(number.map(|number| number.max(1)))
    }

    /// A number of seconds without decimals.
    pub(super) fn whole_seconds(&mut self, entry: Entry<'_>) -> Option<Placed<Duration>> {
        let seconds = self.number::<u32>(entry)?;
        Some(seconds.map(|seconds| Duration::from_secs(seconds.into())))
    }

    /// A pause of which 0 is no pause, which keepalived calls wrong.
    fn pause(&mut self, entry: Entry<'_>) -> Option<Placed<Duration>> {
        let is_zero = |word: &Word| {
            let digits = word.text.trim_matches(['0', '.', '+']);
            digits.is_empty() && word.text.contains('0')
        };
        if let [word, ..] = entry.node.arguments()
            && is_zero(word)
        {
            // The configuration that keepalived ships has it.
            let fault = Fault::new(
                format!("`{}` is 0", entry.name()),
                "there is no pause without the line",
            );
            self.found.warning(word.place, fault);
            return None;
        }
        self.seconds(entry)
    }

    fn garp_extra_if(&mut self, entry: Entry<'_>) -> Option<Placed<GarpExtra>> {
        let mut words = entry.node.arguments().iter();
        let mut first = words.next();
        let all = first.is_some_and(|word| word.text == "all");
        if all {
            first = words.next();
        }
        let Some(word) = first else {
            let fault =
                Fault::new(format!("`{}` without a time", entry.name()), "write seconds behind it");
            self.found.dropped(entry.place(), fault);
            return None;
        };
        if let Some(extra) = words.next() {
            let fault = Fault::new(
                format!("unknown option {} of `{}`", quote(&extra.text), entry.name()),
                format!("write {}", entry.synopsis()),
            );
            self.found.dropped(extra.place, fault);
            return None;
        }
        let every = self.integer(word, entry.name(), 0, GARP_EXTRA_IF_MOST)?;
        let every = Duration::from_secs(u64::try_from(every).ok()?);
        Some(Placed::new(GarpExtra { all, every }, word.place))
    }

    /// A multicast group.
    pub(super) fn group(&mut self, entry: Entry<'_>) -> Option<Placed<IpAddr>> {
        let group = self.ip(entry)?;
        if !group.is_multicast() {
            let fault = Fault::new(
                format!("`{}`: {} is not a multicast address", entry.name(), group.value),
                "write the address of a group, like 224.0.0.18 or ff02::12",
            );
            self.found.dropped(group.place, fault);
            return None;
        }
        Some(group)
    }

    fn dynamic_interfaces(&mut self, entry: Entry<'_>) -> Option<Placed<bool>> {
        let Some(word) = self.optional_word(entry) else {
            return Some(Placed::new(false, entry.place()));
        };
        let choice = self.one_of(word, entry.name(), &["allow_if_changes"])?;
        Some(choice.map(|_| true))
    }

    /// A number as C writes them, or the names of the bits with `|` between them.
    fn umask(&mut self, entry: Entry<'_>) -> Option<Placed<u32>> {
        const BITS: [(&str, u32); 9] = [
            ("IRUSR", 0o400),
            ("IWUSR", 0o200),
            ("IXUSR", 0o100),
            ("IRGRP", 0o040),
            ("IWGRP", 0o020),
            ("IXGRP", 0o010),
            ("IROTH", 0o004),
            ("IWOTH", 0o002),
            ("IXOTH", 0o001),
        ];
        let word = self.word(entry)?;
        let text = &*word.text;
        let number = match (text.strip_prefix("0x"), text.strip_prefix('0')) {
            (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
            (None, Some(digits)) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
            _ => text.parse().ok(),
        };
        let bit = |name: &str| BITS.iter().find(|(known, _)| *known == name).map(|(_, bit)| *bit);
        let named = || {
            text.split('|').map(|name| bit(name.trim())).try_fold(0, |all, bit| Some(all | bit?))
        };
        let umask = number.or_else(named).filter(|umask| *umask <= 0o777);
        if umask.is_none() {
            let fault = Fault::new(
                format!("`umask`: {} is no set of permissions", quote(text)),
                "write a number like 022, or bits like IWGRP|IWOTH",
            );
            self.found.dropped(word.place, fault);
        }
        Some(Placed::new(umask?, word.place))
    }

    /// Out of range, the nearest one is taken.
    fn rt_priority(&mut self, entry: Entry<'_>) -> Option<Placed<u8>> {
        let word = self.word(entry)?;
        let number = self.integer(word, entry.name(), 0, i64::MAX)?;
        let taken = number.clamp(1, 99);
        if taken != number {
            let fault = Fault::new(
                format!("`{}`: {number} is taken for {taken}", entry.name()),
                "write a number from 1 to 99",
            );
            self.found.warning(word.place, fault);
        }
        Some(Placed::new(u8::try_from(taken).ok()?, word.place))
    }

    fn mail_to(&mut self, entry: Entry<'_>, it: &mut Globals) {
        let names = self.names_in(entry.node);
        if names.is_empty() {
            let fault = Fault::new("nobody gets mails", "write addresses, or take the block out");
            self.found.warning(entry.place(), fault);
        }
        it.mail_to.extend(names);
    }

    fn smtp_server(&mut self, entry: Entry<'_>) -> Option<Placed<(String, u16)>> {
        const PORT: u16 = 25;
        let [host, rest @ ..] = entry.node.arguments() else {
            let _ = self.word(entry);
            return None;
        };
        if host.text.is_empty() {
            let fault = Fault::new("an empty mail server", "write its name or address");
            self.found.dropped(host.place, fault);
            return None;
        }
        let port = match rest {
            [] => PORT,
            [port, extra @ ..] => {
                if let Some(extra) = extra.first() {
                    self.extra(entry, extra);
                }
                u16::try_from(self.integer(port, entry.name(), 1, 65_535)?).ok()?
            }
        };
        Some(Placed::new((host.text.clone(), port), host.place))
    }

    fn smtp_timeout(&mut self, entry: Entry<'_>) -> Option<Placed<Duration>> {
        let time = self.whole_seconds(entry)?;
        if time.is_zero() {
            let message = format!("`{}`: {} is taken for 1", entry.name(), quote("0"));
            self.found.warning(time.place, Fault::new(message, "write a time to wait"));
        }
        Some(time.map(|time| time.max(Duration::from_secs(1))))
    }
}

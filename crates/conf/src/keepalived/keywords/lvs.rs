//! The words of the load balancer and of BFD. Their blocks are skipped whole, so these are names for
//! the document and for hints; nothing is read.

use super::Support::NoEffect;
use super::Takes::{Nothing, Number, OptionalWord, Weight, Word};
use super::{Keyword, Scope, keywords};

const SKIPPED: &str = "Keepair has no BFD: the block is skipped";

pub(super) const BFD: &[Keyword] = keywords! { Bfd:
    "neighbor_ip" Word("ADDRESS"), NoEffect(SKIPPED), "192.0.2.9", "The other machine.";
    "neighbour_ip" Word("ADDRESS"), NoEffect(SKIPPED), "192.0.2.9", "The same in British.";
    "source_ip" Word("ADDRESS"), NoEffect(SKIPPED), "192.0.2.1", "The address to send from.";
    "min_rx" Word("MILLISECONDS"), NoEffect(SKIPPED), "10", "Shortest time between packets received.";
    "min_tx" Word("MILLISECONDS"), NoEffect(SKIPPED), "10", "Shortest time between packets sent.";
    "idle_tx" Word("MILLISECONDS"), NoEffect(SKIPPED), "1000", "Time between packets while there is no session.";
    "multiplier" Number(1, 255), NoEffect(SKIPPED), "5", "Packets that may be missing.";
    "passive" Nothing, NoEffect(SKIPPED), "", "Waits for the other to begin.";
    "ttl" Number(1, 255), NoEffect(SKIPPED), "255", "The TTL to send with.";
    "hoplimit" Number(1, 255), NoEffect(SKIPPED), "64", "The hop limit to send with.";
    "max_hops" Number(-1, 255), NoEffect(SKIPPED), "0", "How much less may arrive.";
    "multihop" OptionalWord("BOOL"), NoEffect(SKIPPED), "", "The other machine is more than one hop away.";
    "weight" Weight(253), NoEffect(SKIPPED), "-20", "What the session adds to the priority.";
    "vrrp" Nothing, NoEffect(SKIPPED), "", "Tells VRRP only.";
    "checker" Nothing, NoEffect(SKIPPED), "", "Tells health checks only.";
};

/// Rows of blocks and their words, which are the same in several.
pub(super) const WORDS: &[(&str, &str)] = &[
    ("ip_family", "virtual_server"),
    ("delay_loop", "virtual_server, real_server, checkers"),
    ("retry", "virtual_server, real_server, checkers"),
    ("delay_before_retry", "virtual_server, real_server, checkers"),
    ("warmup", "virtual_server, real_server, checkers"),
    ("connect_timeout", "virtual_server, real_server, checkers"),
    ("inhibit_on_failure", "virtual_server, real_server"),
    ("lb_algo", "virtual_server"),
    ("lvs_sched", "virtual_server"),
    ("hashed", "virtual_server"),
    ("ops", "virtual_server"),
    ("flag-1", "virtual_server"),
    ("flag-2", "virtual_server"),
    ("flag-3", "virtual_server"),
    ("sh-port", "virtual_server"),
    ("sh-fallback", "virtual_server"),
    ("mh-port", "virtual_server"),
    ("mh-fallback", "virtual_server"),
    ("lb_kind", "virtual_server"),
    ("lvs_method", "virtual_server, real_server"),
    ("persistence_engine", "virtual_server"),
    ("persistence_timeout", "virtual_server"),
    ("persistence_granularity", "virtual_server"),
    ("protocol", "virtual_server"),
    ("ha_suspend", "virtual_server"),
    ("smtp_alert", "virtual_server, real_server"),
    ("virtualhost", "virtual_server, real_server, HTTP_GET, url"),
    ("snmp_name", "virtual_server, real_server"),
    ("alpha", "virtual_server, real_server, checkers"),
    ("omega", "virtual_server"),
    ("quorum", "virtual_server"),
    ("quorum_up", "virtual_server"),
    ("quorum_down", "virtual_server"),
    ("hysteresis", "virtual_server"),
    ("weight", "virtual_server, real_server, FILE_CHECK"),
    ("sorry_server", "virtual_server"),
    ("sorry_server_inhibit", "virtual_server"),
    ("sorry_server_lvs_method", "virtual_server"),
    ("real_server", "virtual_server"),
    ("uthreshold", "real_server"),
    ("lthreshold", "real_server"),
    ("notify_up", "real_server"),
    ("notify_down", "real_server"),
    ("HTTP_GET", "real_server"),
    ("SSL_GET", "real_server"),
    ("TCP_CHECK", "real_server"),
    ("SMTP_CHECK", "real_server"),
    ("DNS_CHECK", "real_server"),
    ("MISC_CHECK", "real_server"),
    ("BFD_CHECK", "real_server"),
    ("UDP_CHECK", "real_server"),
    ("PING_CHECK", "real_server"),
    ("FILE_CHECK", "real_server"),
    ("connect_ip", "checkers"),
    ("connect_port", "checkers"),
    ("bindto", "checkers"),
    ("bind_port", "checkers"),
    ("bind_if", "checkers"),
    ("fwmark", "checkers"),
    ("log_all_failures", "checkers"),
    ("nb_get_retry", "HTTP_GET"),
    ("http_protocol", "HTTP_GET"),
    ("enable_sni", "SSL_GET"),
    ("sni_name", "SSL_GET"),
    ("fast_recovery", "HTTP_GET"),
    ("tls_compliant", "SSL_GET"),
    ("url", "HTTP_GET"),
    ("path", "url"),
    ("digest", "url"),
    ("status_code", "url"),
    ("regex", "url"),
    ("regex_no_match", "url"),
    ("regex_options", "url"),
    ("regex_min_offset", "url"),
    ("regex_max_offset", "url"),
    ("regex_stack", "url"),
    ("misc_path", "MISC_CHECK"),
    ("misc_timeout", "MISC_CHECK"),
    ("misc_dynamic", "MISC_CHECK"),
    ("user", "MISC_CHECK"),
    ("type", "DNS_CHECK"),
    ("name", "DNS_CHECK, BFD_CHECK"),
    ("helo_name", "SMTP_CHECK"),
    ("host", "SMTP_CHECK"),
    ("payload", "UDP_CHECK"),
    ("require_reply", "UDP_CHECK"),
    ("min_reply_length", "UDP_CHECK"),
    ("max_reply_length", "UDP_CHECK"),
    ("track_file", "FILE_CHECK"),
    ("dynamic", "FILE_CHECK"),
    ("password", "SSL"),
    ("ca", "SSL"),
    ("certificate", "SSL"),
    ("key", "SSL"),
];

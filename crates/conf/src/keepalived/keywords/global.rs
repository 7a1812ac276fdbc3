//! The words outside of all blocks and those of `global_defs`.

use super::Body::{Keywords, Lines, Skipped, Words as Entries};
use super::Header::{Bare, Name};
use super::Support::{Full, NoEffect, Old, Own, Reading, Refused};
use super::Takes::{
    Address4, Address6, Block, Fifo, Interface, Nothing, Number, OneOf, OptionalWord, Script,
    Seconds, Switch, User, Word, Words,
};
use super::{Keyword, Scope, keywords};

/// Why words about other daemons do nothing.
const LVS: &str = "Keepair has no load balancer";
const BFD: &str = "Keepair has no BFD";
const SNMP: &str = "Keepair has no SNMP agent";
const DBUS: &str = "Keepair has no D-Bus service";
const FIREWALL: &str = "Keepair writes nftables rules of its own";
const BUFFERS: &str = "Keepair sizes its buffers itself";
const NAMES: &str = "Keepair is one process and keeps its name";
const RELOAD: &str = "a reload reads the whole configuration before it changes anything";

/// The largest number of seconds that keepalived can count in microseconds.
pub(super) const MOST_SECONDS: i64 = 4_294;
pub(super) const MOST_US: u64 = 4_294_967_295;
pub(super) const U32: i64 = 4_294_967_295;
pub(super) const I32: i64 = 2_147_483_647;
pub(super) const DAY: i64 = 86_400;

pub(super) const GARP_EXTRA_IF: &str = "[all] SECONDS";
pub(super) const ADDRESS_LINES: &str = "ADDRESS[/LENGTH] [brd ADDRESS|+|-] [dev INTERFACE] [use_vmac] \
     [scope SCOPE] [label LABEL] [peer ADDRESS] [home] [-nodad] [mngtmpaddr] [noprefixroute] \
     [autojoin] [no_track] [preferred_lft SECONDS|forever]";
const STATIC_LINES: &str = "ADDRESS[/LENGTH] [brd ADDRESS|+|-] [dev INTERFACE] [scope SCOPE] \
     [label LABEL] [peer ADDRESS] [home] [-nodad] [mngtmpaddr] [noprefixroute] [autojoin] \
     [no_track] [preferred_lft SECONDS|forever] [track_group NAME]";
pub(super) const ROUTE_LINES: &str = "[KIND] [to] DESTINATION [OPTION ...]";
pub(super) const RULE_LINES: &str = "OPTION ...";

pub(super) const TOP: &[Keyword] = keywords! { Top:
    "global_defs" Block(Bare, Keywords(Scope::Global)), Full, "vrrp_version 3",
        "Settings of the whole daemon, and what instances inherit.";
    "vrrp_instance" Block(Name, Keywords(Scope::Instance)), Full,
        "interface eth0\nvirtual_router_id 51\nvirtual_ipaddress {\n172.18.0.10\n}",
        "A virtual router: the addresses that move together, and the rules by which they do.";
    "vrrp_sync_group" Block(Name, Keywords(Scope::SyncGroup)), Full,
        "group {\nVI_1\nVI_2\n}",
        "Instances that are Active on the same machine, always.";
    "vrrp_script" Block(Name, Keywords(Scope::Script)), Full, "script /bin/true",
        "A program that is run again and again, to judge by its exit status.";
    "track_file" Block(Name, Keywords(Scope::TrackFile)), Full, "file /run/standby",
        "A file whose number changes priorities.";
    "vrrp_track_file" Block(Name, Keywords(Scope::TrackFile)), Old("track_file"), "file /run/standby",
        "The old name of `track_file`.";
    "vrrp_track_process" Block(Name, Keywords(Scope::TrackProcess)), Full,
        "process redis-server",
        "A program that is to be running.";
    "track_group" Block(Name, Keywords(Scope::TrackGroup)), Full, "group {\nVI_1\n}",
        "Instances that fail when a static address, route or rule is lost.";
    "static_ipaddress" Block(Bare, Lines(STATIC_LINES)), Full, "192.0.2.7/24 dev eth0",
        "Addresses that stay on this machine.";
    "static_routes" Block(Bare, Lines(ROUTE_LINES)), Full, "198.51.100.0/24 dev eth0",
        "Routes that stay on this machine.";
    "static_rules" Block(Bare, Lines(RULE_LINES)), Full,
        "from 198.51.100.0/24 table 100 priority 50",
        "Routing rules that stay on this machine.";
    "garp_group" Block(Bare, Keywords(Scope::GarpGroup)), Full,
        "garp_interval 0.01\ninterface eth0",
        "Interfaces that announce no faster than their switch can follow.";
    "interface_up_down_delays" Block(Bare, Lines("INTERFACE DOWN_SECONDS [UP_SECONDS]")), Full,
        "eth0 0.2 0.5",
        "How long an interface must have changed before it counts.";
    "linkbeat_interfaces" Block(Bare, Lines("INTERFACE [MII|ETHTOOL|IOCTL]")),
        NoEffect("the kernel reports link changes by itself"), "eth0",
        "Interfaces whose link is asked for in intervals.";
    "bfd_instance" Block(Name, Skipped), NoEffect(BFD),
        "neighbor_ip 192.0.2.9\nsource_ip 192.0.2.1",
        "A BFD session with another machine; skipped.";
    "virtual_server" Block(Bare, Skipped), NoEffect(LVS), "",
        "A service of the load balancer; skipped.";
    "virtual_server_group" Block(Bare, Skipped), NoEffect(LVS), "",
        "Addresses of a service of the load balancer; skipped.";
    "SSL" Block(Bare, Skipped), NoEffect(LVS), "",
        "Certificates for the checks of the load balancer; skipped.";
    "linkbeat_use_polling" Nothing, NoEffect("the kernel reports link changes by itself"), "",
        "Asks for the link of every interface in intervals.";
    "net_namespace" Word("NAME"),
        Refused("a namespace is entered before the daemon starts: use `ip netns exec` or systemd"),
        "blue",
        "Runs in another network namespace.";
    "net_namespace_ipvs" OptionalWord("NAME"), NoEffect(LVS), "blue",
        "The network namespace of the load balancer.";
    "namespace_with_ipsets" Nothing, NoEffect(FIREWALL), "",
        "Uses ipsets inside of a namespace on old kernels.";
    "use_pid_dir" Nothing, NoEffect("Keepair writes no pid files"), "",
        "Writes pid files below /run/keepalived.";
    "instance" Word("NAME"), NoEffect("Keepair writes no pid files"), "blue",
        "A name for the pid files of one of several daemons.";
    "child_wait_time" Number(0, U32), Full, "5",
        "Seconds that scripts have to end when the daemon does.";
};

pub(super) const GLOBAL: &[Keyword] = keywords! { Global:
    "on_dropped" OneOf(&["refuse", "warn"]), Own, "warn",
        "Whether settings that keepalived would leave out with a line in its log are errors or warnings.";
    "router_id" Word("NAME"), Full, "redis-1",
        "Names this machine in mails.";

    "script_user" User, Full, "root root",
        "The user and group that scripts run as unless they have their own.";
    "enable_script_security" Nothing, Full, "",
        "Refuses scripts that run as root and that others than root could change.";
    "use_symlink_paths" Switch, NoEffect("scripts are started by the path that is written"), "on",
        "Keeps symbolic links in the paths of scripts.";
    "set_supplementary_groups" Nothing, Full, "",
        "Scripts also get the other groups of their user.";
    "max_auto_priority" OptionalWord("-1..99"),
        NoEffect("the thread of the adverts is always a real-time thread"), "50",
        "How far the scheduling priority may be raised when the daemon runs late.";
    "min_auto_priority_delay" Number(1, 10_000_000),
        NoEffect("the thread of the adverts is always a real-time thread"), "1000000",
        "Microseconds of lateness after which the scheduling priority is raised.";

    "startup_script" Script, Full, "/bin/true root",
        "A script that runs before anything else is done.";
    "startup_script_timeout" Number(1, 1_000), Full, "10",
        "Seconds after which the startup script is killed.";
    "shutdown_script" Script, Full, "/bin/true root",
        "A script that runs after everything else is done.";
    "shutdown_script_timeout" Number(1, 1_000), Full, "10",
        "Seconds after which the shutdown script is killed.";
    "vrrp_startup_delay" Seconds(1_000, MOST_US), Full, "5.5",
        "Pause between the daemon's start and its first part in an election.";
    "vrrp_delay_after_boot" Seconds(1_000, MOST_US), Full, "15",
        "The same, counted from the machine's start.";

    "vrrp_version" Number(2, 3), Full, "3",
        "The version of VRRP for instances of IPv4 that do not set one.";
    "vrrp_strict" Nothing, Full, "",
        "Keeps to the letter of the RFC: no passwords, no unicast, no delayed preemption.";
    "vrrp_mcast_group4" Address4, Full, "224.0.0.18",
        "The group that IPv4 adverts are sent to.";
    "vrrp_mcast_group6" Address6, Full, "ff02::12",
        "The group that IPv6 adverts are sent to.";
    "vrrp_garp_master_delay" Number(0, MOST_SECONDS), Full, "5",
        "Seconds between the first and the second round of announcements; 0 for no second.";
    "vrrp_garp_master_repeat" Number(0, U32), Full, "5",
        "How often each address is announced in a round after a takeover.";
    "vrrp_garp_master_refresh" Number(0, U32), Full, "60",
        "Seconds between later announcements while Active; 0 for none.";
    "vrrp_garp_master_refresh_repeat" Number(0, U32), Full, "1",
        "How often each address is announced in one of these.";
    "vrrp_garp_lower_prio_delay" Number(0, MOST_SECONDS), Full, "5",
        "Seconds until the second round after an advert of a lower priority was heard.";
    "vrrp_garp_lower_prio_repeat" Number(0, I32), Full, "5",
        "How often each address is announced in a round after such an advert.";
    "vrrp_garp_interval" Seconds(1, MOST_US), Full, "0.001",
        "Pause between two ARP announcements on an interface.";
    "vrrp_gna_interval" Seconds(1, MOST_US), Full, "0.001",
        "Pause between two neighbour advertisements on an interface.";
    "vrrp_min_garp" Switch, Full, "on",
        "Announces each address once, with no second round.";
    "vrrp_garp_extra_if" Words(GARP_EXTRA_IF), Full, "all 100",
        "Announces in intervals on other interfaces that addresses are on: macvlans, or all.";
    "vrrp_vmac_garp_intvl" Words(GARP_EXTRA_IF), Old("vrrp_garp_extra_if"), "all 100",
        "The old name of `vrrp_garp_extra_if`.";
    "vrrp_lower_prio_no_advert" Switch, Full, "on",
        "Does not answer an advert of a lower priority with one of its own.";
    "vrrp_higher_prio_send_advert" Switch, Full, "on",
        "Sends a last advert when one of a higher priority is heard.";
    "vrrp_down_timer_adverts" Number(1, 100), Full, "3",
        "How many adverts may be missing before the Active machine counts as gone.";
    "vrrp_check_unicast_src" Nothing, Full, "",
        "Takes unicast adverts only from the peers that are listed.";
    "vrrp_skip_check_adv_addr" Nothing, Full, "",
        "Compares the addresses in an advert only if the sender is another than before.";
    "v3_checksum_as_v2" Switch, Full, "on",
        "Leaves the pseudo-header out of the checksum of IPv4 adverts of version 3, as RFC 9568 has it.";
    "vrrp_owner_ignore_adverts" Switch, Full, "on",
        "An owner of the addresses (priority 255) does not listen to adverts.";
    "log_unknown_vrids" Nothing, NoEffect("they are counted in any case: see `keepair status`"), "",
        "Notes adverts of virtual routers that are not configured.";
    "default_interface" Interface, Full, "eth0",
        "The interface of static addresses and routes that name none.";
    "dynamic_interfaces" OptionalWord("allow_if_changes"), Full, "",
        "Interfaces may appear and disappear while the daemon runs; they may without it, too.";
    "disable_local_igmp" Nothing,
        NoEffect("set net.ipv4.igmp_link_local_mcast_reports where the other kernel settings are"), "",
        "Keeps the kernel from reporting membership in link-local groups.";

    "vrrp_iptables" Words("[INPUT_CHAIN [OUTPUT_CHAIN]]"), NoEffect(FIREWALL), "keepalived",
        "The iptables chains that rules are written to.";
    "vrrp_ipsets" Words("[NAME ...]"), NoEffect(FIREWALL), "keepalived",
        "The ipsets that go with the iptables rules.";
    "nftables" OptionalWord("TABLE"), NoEffect(FIREWALL), "keepalived",
        "The nftables table that rules are written to.";
    "nftables_priority" Number(-2_147_483_648, 2_147_483_647), NoEffect(FIREWALL), "-1",
        "The priority of the nftables chains.";
    "nftables_ifindex" Nothing, NoEffect(FIREWALL), "",
        "Names interfaces in nftables sets by number.";
    "nftables_counters" Nothing, NoEffect(FIREWALL), "",
        "Counts packets in nftables rules.";
    "vmac_prefix" Word("TEXT"), Full, "vrrp",
        "How the names of macvlan interfaces begin.";
    "vmac_addr_prefix" Word("TEXT"), Full, "vrrp",
        "How they begin if they are for single addresses.";

    "vrrp_priority" Number(-20, 19),
        NoEffect("the thread of the adverts is always a real-time thread"), "-20",
        "The nice value of the VRRP process.";
    "checker_priority" Number(-20, 19), NoEffect(LVS), "-20",
        "The nice value of the health checking process.";
    "bfd_priority" Number(-20, 19), NoEffect(BFD), "-20",
        "The nice value of the BFD process.";
    "vrrp_no_swap" Nothing, NoEffect("its memory is always locked"), "",
        "Keeps the VRRP process out of the swap space.";
    "checker_no_swap" Nothing, NoEffect(LVS), "",
        "Keeps the health checking process out of the swap space.";
    "bfd_no_swap" Nothing, NoEffect(BFD), "",
        "Keeps the BFD process out of the swap space.";
    "vrrp_rt_priority" Number(1, 99), Full, "50",
        "The real-time priority of the thread that sends the adverts.";
    "checker_rt_priority" Number(1, 99), NoEffect(LVS), "50",
        "The real-time priority of the health checking process.";
    "bfd_rt_priority" Number(1, 99), NoEffect(BFD), "50",
        "The real-time priority of the BFD process.";
    "vrrp_cpu_affinity" Words("CPU ..."), NoEffect("set CPUAffinity in the unit file"), "0",
        "The CPUs that the VRRP process may run on.";
    "checker_cpu_affinity" Words("CPU ..."), NoEffect(LVS), "0",
        "The CPUs that the health checking process may run on.";
    "bfd_cpu_affinity" Words("CPU ..."), NoEffect(BFD), "0",
        "The CPUs that the BFD process may run on.";
    "vrrp_rlimit_rttime" Number(1, U32), NoEffect("set LimitRTTIME in the unit file"), "10000",
        "Microseconds that the VRRP process may run in real time without waiting.";
    "vrrp_rlimit_rtime" Number(1, U32), NoEffect("set LimitRTTIME in the unit file"), "10000",
        "The misspelt name of `vrrp_rlimit_rttime`.";
    "checker_rlimit_rttime" Number(1, U32), NoEffect(LVS), "10000",
        "The same for the health checking process.";
    "checker_rlimit_rtime" Number(1, U32), NoEffect(LVS), "10000",
        "The misspelt name of `checker_rlimit_rttime`.";
    "bfd_rlimit_rttime" Number(1, U32), NoEffect(BFD), "10000",
        "The same for the BFD process.";
    "bfd_rlimit_rtime" Number(1, U32), NoEffect(BFD), "10000",
        "The misspelt name of `bfd_rlimit_rttime`.";

    "vrrp_rx_bufs_policy" Words("MTU|ADVERT|BYTES"), NoEffect(BUFFERS), "MTU",
        "How the receive buffers of adverts are sized.";
    "vrrp_rx_bufs_multiplier" Number(1, U32), NoEffect(BUFFERS), "3",
        "How many packets they hold.";
    "vrrp_netlink_cmd_rcv_bufs" Number(0, U32), NoEffect(BUFFERS), "1000000",
        "Bytes of the buffer for the kernel's answers.";
    "vrrp_netlink_cmd_rcv_bufs_force" Switch, NoEffect(BUFFERS), "on",
        "Takes them even beyond the system's limit.";
    "vrrp_netlink_monitor_rcv_bufs" Number(0, U32), NoEffect(BUFFERS), "1000000",
        "Bytes of the buffer for the kernel's notices.";
    "vrrp_netlink_monitor_rcv_bufs_force" Switch, NoEffect(BUFFERS), "on",
        "Takes them even beyond the system's limit.";
    "lvs_netlink_cmd_rcv_bufs" Number(0, U32), NoEffect(LVS), "1000000",
        "The same for the health checking process.";
    "lvs_netlink_cmd_rcv_bufs_force" Switch, NoEffect(LVS), "on",
        "The same for the health checking process.";
    "lvs_netlink_monitor_rcv_bufs" Number(0, U32), NoEffect(LVS), "1000000",
        "The same for the health checking process.";
    "lvs_netlink_monitor_rcv_bufs_force" Switch, NoEffect(LVS), "on",
        "The same for the health checking process.";
    "process_monitor_rcv_bufs" Number(0, U32), NoEffect(BUFFERS), "1000000",
        "Bytes of the buffer for notices of processes.";
    "process_monitor_rcv_bufs_force" Switch, NoEffect(BUFFERS), "on",
        "Takes them even beyond the system's limit.";

    "process_names" Nothing, NoEffect(NAMES), "",
        "Names each process after what it does.";
    "process_name" Word("NAME"), NoEffect(NAMES), "keepalived",
        "Names the parent process.";
    "vrrp_process_name" Word("NAME"), NoEffect(NAMES), "keepalived_vrrp",
        "Names the VRRP process.";
    "checker_process_name" Word("NAME"), NoEffect(NAMES), "keepalived_ipvs",
        "Names the health checking process.";
    "lvs_process_name" Word("NAME"), NoEffect(NAMES), "keepalived_ipvs",
        "The old name of `checker_process_name`.";
    "bfd_process_name" Word("NAME"), NoEffect(NAMES), "keepalived_bfd",
        "Names the BFD process.";
    "umask" Word("NUMBER|BITS"), Full, "022",
        "Permissions that files made by scripts do not get; left out: 0177, as in the program.";
    "random_seed" Number(0, U32), Reading, "1",
        "Where the numbers of `${_RANDOM}` begin, so that they are the same every time.";
    "config_save_dir" Word("DIRECTORY"), NoEffect("for debugging keepalived"), "/tmp",
        "Where the configuration is saved around every reload.";
    "tmp_config_directory" Word("DIRECTORY"), NoEffect("Keepair reads a file once"), "/tmp",
        "Where a copy of the configuration is kept while it is read.";
    "data_use_instance" Switch, NoEffect("`state_dump_file` and the others name the dumps"), "on",
        "Puts the name of the daemon into the names of dumps.";
    "state_dump_file" Word("PATH"), Full, "/tmp/keepalived.data",
        "Where SIGUSR1 dumps the state.";
    "stats_dump_file" Word("PATH"), Full, "/tmp/keepalived.stats",
        "Where SIGUSR2 dumps the counters.";
    "json_dump_file" Word("PATH"), Full, "/tmp/keepalived.json",
        "Where SIGRTMIN+2 dumps the state as JSON.";
    "json_version" Number(1, 2), Full, "2",
        "The shape of that JSON.";
    "iproute_usr_dir" Word("DIRECTORY"), NoEffect("names of tables are looked up where `ip` does"),
        "/usr/share/iproute2",
        "Where the distribution keeps the names of routing tables.";
    "iproute_etc_dir" Word("DIRECTORY"), NoEffect("names of tables are looked up where `ip` does"),
        "/etc/iproute2",
        "Where the operator keeps them.";
    "reload_check_config" OptionalWord("LOG_FILE"), NoEffect(RELOAD), "",
        "Checks the configuration before a reload.";
    "reload_time_file" Word("PATH"), NoEffect("reload both machines by hand, or with a timer"),
        "/etc/keepalived/reload",
        "A file that tells when to reload.";
    "reload_repeat" Nothing, NoEffect("reload both machines by hand, or with a timer"), "",
        "Reloads at that time every day.";
    "reload_file" OptionalWord("PATH"), NoEffect(RELOAD), "/run/keepalived.reload",
        "A file that is there while the configuration is read.";
    "include_check" Words("[[+|-]CHECK ...]"), Reading, "+match",
        "Which missing files of an `include` are errors in any case.";

    "notify_fifo" Fifo, Full, "/run/keepair.fifo root root",
        "A named pipe that gets a line for every change.";
    "notify_fifo_script" Script, Full, "/bin/true root",
        "A script that is started to read that pipe.";
    "vrrp_notify_fifo" Fifo, Full, "/run/keepair-vrrp.fifo",
        "A named pipe that gets a line for every change of an instance or group.";
    "vrrp_notify_fifo_script" Script, Full, "/bin/true root",
        "A script that is started to read that pipe.";
    "lvs_notify_fifo" Fifo, NoEffect(LVS), "/run/lvs.fifo",
        "A named pipe that gets a line for every change of a service.";
    "lvs_notify_fifo_script" Script, NoEffect(LVS), "/bin/true root",
        "A script that is started to read that pipe.";
    "fifo_write_vrrp_states_on_reload" Nothing, Full, "",
        "Writes all states to the pipes again after a reload.";
    "vrrp_notify_priority_changes" Switch, Full, "on",
        "Writes changes of priority to the pipes, too.";

    "notification_email" Block(Bare, Entries("ADDRESS")), Full, "ops@example.org",
        "Who gets mails about changes.";
    "notification_email_from" Word("ADDRESS"), Full, "keepair@example.org",
        "Who these mails are from.";
    "smtp_server" Words("HOST [PORT]"), Full, "127.0.0.1 25",
        "The mail server.";
    "smtp_helo_name" Word("NAME"), Full, "redis-1.example.org",
        "What to call this machine there.";
    "smtp_connect_timeout" Number(0, MOST_SECONDS), Full, "30",
        "Seconds to wait for it.";
    "smtp_alert" Switch, Full, "on",
        "Whether changes are mailed, unless an instance or group says otherwise.";
    "smtp_alert_vrrp" Switch, Full, "on",
        "The same, for instances and groups only.";
    "smtp_alert_checker" Switch, NoEffect(LVS), "on",
        "The same, for health checks only.";
    "no_email_faults" Nothing, Full, "",
        "Sends no mails about faults.";
    "no_checker_emails" Switch, NoEffect(LVS), "on",
        "Sends no mails about health checks.";
    "checker_log_all_failures" Switch, NoEffect(LVS), "on",
        "Logs every health check that fails.";
    "rs_init_notifies" Switch, NoEffect(LVS), "on",
        "Tells about servers that start up.";

    "lvs_timeouts" Words("[tcp SECONDS] [tcpfin SECONDS] [udp SECONDS]"), NoEffect(LVS), "tcp 900",
        "Timeouts of connections through the load balancer.";
    "lvs_flush" Nothing, NoEffect(LVS), "",
        "Empties the load balancer's table at the start.";
    "lvs_flush_on_stop" OptionalWord("VS"), NoEffect(LVS), "",
        "Empties it at the end.";
    "lvs_flush_onstop" OptionalWord("VS"), NoEffect(LVS), "",
        "The old name of `lvs_flush_on_stop`.";
    "lvs_sync_daemon" Words("INTERFACE [[inst] INSTANCE] [id N] [maxlen N] [port N] [ttl N] [group ADDRESS]"),
        NoEffect(LVS), "eth0",
        "Copies the connections of the load balancer to the other machine.";
    "nftables_ipvs" OptionalWord("TABLE"), NoEffect(LVS), "keepalived_ipvs",
        "The nftables table of the load balancer.";
    "nftables_ipvs_priority" Number(-2_147_483_648, 2_147_483_647), NoEffect(LVS), "-1",
        "The priority of its chains.";
    "nftables_ipvs_start_fwmark" Number(0, U32), NoEffect(LVS), "1000",
        "The first mark it gives to packets.";
    "snmp_vs_stats_update_interval" Seconds(1_000, 30_000_000), NoEffect(SNMP), "5",
        "How old the counters of services may be.";
    "snmp_rs_stats_update_interval" Seconds(1_000, 30_000_000), NoEffect(SNMP), "5",
        "How old the counters of servers may be.";

    "snmp_socket" Word("SOCKET"), NoEffect(SNMP), "udp:192.0.2.1:705",
        "Where the SNMP agent is.";
    "enable_traps" Nothing, NoEffect(SNMP), "",
        "Sends SNMP traps.";
    "enable_snmp_vrrp" Nothing, NoEffect(SNMP), "",
        "Answers SNMP about VRRP.";
    "enable_snmp_keepalived" Nothing, NoEffect(SNMP), "",
        "The old name of `enable_snmp_vrrp`.";
    "enable_snmp_checker" Nothing, NoEffect(SNMP), "",
        "Answers SNMP about health checks.";
    "enable_snmp_rfc" Nothing, NoEffect(SNMP), "",
        "Answers SNMP by both RFCs about VRRP.";
    "enable_snmp_rfcv2" Nothing, NoEffect(SNMP), "",
        "Answers SNMP by RFC 2787.";
    "enable_snmp_rfcv3" Nothing, NoEffect(SNMP), "",
        "Answers SNMP by RFC 6527.";
    "enable_dbus" Nothing, NoEffect(DBUS), "",
        "Offers a D-Bus service.";
    "dbus_service_name" Word("NAME"), NoEffect(DBUS), "org.keepalived.Vrrp1",
        "Its name.";
    "dbus_no_interface_name" Word("NAME"), NoEffect(DBUS), "none",
        "What it calls the interface of an instance that has none.";
};

/// The longest time of `garp_extra_if`, in seconds.
pub(crate) const GARP_EXTRA_IF_MOST: i64 = DAY;

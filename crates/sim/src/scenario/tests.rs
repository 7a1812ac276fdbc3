use super::{ALL, tell};

fn passes(name: &str) {
    let (_, script) = ALL.iter().find(|(known, _)| *known == name).unwrap();
    let story = tell(*script);
    if let Some(failure) = story.failure {
        let lines = &story.world.trace.lines;
        let tail = &lines[lines.len().saturating_sub(60)..];
        panic!("{name}: {failure}\n{}", tail.join("\n"));
    }
}

macro_rules! stories {
    ($($test:ident $name:literal)*) => {
        $(#[test] fn $test() { passes($name); })*

        #[test]
        fn every_story_is_tested() {
            let tested = [$($name),*];
            for (name, _) in ALL {
                assert!(tested.contains(name), "{name} is not tested");
            }
        }
    };
}

stories! {
    restart_older_file "restart-older-file"
    restart_older_file_third "restart-older-file-third"
    restart_older_file_hung "restart-older-file-hung"
    restart_empty_pair_filled "restart-empty-pair-filled"
    restart_aof_followed "restart-aof-followed"
    restart_source_of_a_resync "restart-source-of-a-resync"
    restart_source_of_a_resync_replicaof "restart-source-of-a-resync-replicaof"
    restart_source_of_a_resync_older_file "restart-source-of-a-resync-older-file"
    restart_last_machine_aof "restart-last-machine-aof"
    restart_last_machine_rdb "restart-last-machine-rdb"
    restart_last_machine_older_file "restart-last-machine-older-file"
    restart_last_machine_replicaof "restart-last-machine-replicaof"
    restart_alone_by_a_third "restart-alone-by-a-third"
    restart_crash_after_resync "restart-crash-after-resync"
    power_both_aof "power-both-aof"
    power_both_aof_replicaof "power-both-aof-replicaof"
    power_both_one_aof "power-both-one-aof"
    gate_start_fails "gate-start-fails"
    new_machine_reports_silent "new-machine-reports-silent"
    new_machine_third_power "new-machine-third-power"
    first_start_one_has_keys "first-start-one-has-keys"
    first_start_other_unreachable "first-start-other-unreachable"
    state_lost_standby "state-lost-standby"
    seed_1024047 "seed-1024047"
    seed_1015522 "seed-1015522"
    seed_1009704 "seed-1009704"
    seed_1019248 "seed-1019248"
    seed_1029036 "seed-1029036"
    cold_start "cold-start"
    adoption "adoption"
    unrelated_data "unrelated-data"
    redis_crash "redis-crash"
    redis_crash_large "redis-crash-large"
    redis_crash_behind "redis-crash-behind"
    redis_hang "redis-hang"
    redis_restart_empty "redis-restart-empty"
    redis_busy "redis-busy"
    redis_standby_down "redis-standby-down"
    failover_and_back "failover-and-back"
    daemon_restarted "daemon-restarted"
    daemon_not_restarted "daemon-not-restarted"
    daemon_stopped "daemon-stopped"
    daemon_frozen_after_advert "daemon-frozen-after-advert"
    daemon_frozen_after_renewal "daemon-frozen-after-renewal"
    standby_frozen_before_claim "standby-frozen-before-claim"
    standby_frozen_in_claim "standby-frozen-in-claim"
    standby_frozen_after_claim "standby-frozen-after-claim"
    standby_killed_after_claim "standby-killed-after-claim"
    standby_killed_before_claim "standby-killed-before-claim"
    switchover "switchover"
    switchover_from_standby "switchover-from-standby"
    terminate "terminate"
    power "power"
    power_reset "power-reset"
    power_both "power-both"
    unplug "unplug"
    reports_silent "reports-silent"
    adverts_silent "adverts-silent"
    partition "partition"
    third_partition "third-partition"
    third_cut_off "third-cut-off"
    third_away_and_power "third-away-and-power"
    third_restarts "third-restarts"
    third_power "third-power"
    third_crash "third-crash"
    third_left_behind "third-left-behind"
    solo "solo"
    accept "accept"
    unplug_short "unplug-short"
    replug "replug"
    announcements_lost "announcements-lost"
    power_in_resync "power-in-resync"
    machine_frozen "machine-frozen"
    machine_frozen_with_its_clock "machine-frozen-with-its-clock"
    standby_frozen "standby-frozen"
    clock_drift "clock-drift"
    redis_misconf "redis-misconf"
    redis_disk_stalls "redis-disk-stalls"
    redis_burst "redis-burst"
    redis_loading_is_not_empty "redis-loading-is-not-empty"
    redis_unrelated_replicaof "redis-unrelated-replicaof"
    redis_unrelated_flushall "redis-unrelated-flushall"
    redis_6_switchover "redis-6-switchover"
    redis_6_switchover_frozen "redis-6-switchover-frozen"
    redis_6_switchover_refused "redis-6-switchover-refused"
    adverts_silent_daemon_stopped "adverts-silent-daemon-stopped"
    standby_stopped_in_takeover "standby-stopped-in-takeover"
    reload "reload"
    netlink_slow "netlink-slow"
    netlink_refuses_the_address "netlink-refuses-the-address"
    netlink_refuses_removal "netlink-refuses-removal"
    netlink_refuses_the_fence "netlink-refuses-the-fence"
    rules_flushed "rules-flushed"
    state_disk_full "state-disk-full"
}

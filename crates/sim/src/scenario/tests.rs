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
    cold_start "cold-start"
    adoption "adoption"
    unrelated_data "unrelated-data"
    redis_crash "redis-crash"
    redis_crash_large "redis-crash-large"
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
}

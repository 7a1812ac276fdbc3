use super::*;

#[test]
fn timers_table() {
    let ms = Duration::from_millis;
    for (priority, interval, skew_us, down_us) in [
        (100, ms(1000), 609_375, 3_609_375),
        (254, ms(1000), 7_812, 3_007_812),
        (100, ms(100), 60_937, 360_937),
        (100, ms(10), 6_093, 36_093),
        (255, ms(100), 390, 300_390),
        (1, ms(40_950), 40_790_039, 163_640_039),
    ] {
        assert_eq!(skew(priority, interval).as_micros(), skew_us, "skew {priority} {interval:?}");
        assert_eq!(active_down(priority, interval).as_micros(), down_us, "{priority} {interval:?}");
    }
}

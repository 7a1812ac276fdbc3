//! A machine's monotonic clock: it may run fast or slow, and it may stand still while the machine
//! does.

use keepair_core::time::Time;
use std::time::Duration;

/// Parts of a million.
const MILLION: u64 = 1_000_000;

/// One clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clock {
    /// It gains so many microseconds a second; loses them where negative.
    ppm: i64,
    /// It showed `reading` at this moment of the world.
    moment: Time,
    reading: Time,
}

impl Clock {
    /// A clock that shows `reading` at that moment.
    pub fn new(moment: Time, reading: Time, ppm: i64) -> Self {
        Clock { ppm, moment, reading }
    }

    /// Of a million microseconds of the world, it shows so many.
    fn rate(&self) -> u64 {
        MILLION.saturating_add_signed(self.ppm)
    }

    /// What it shows.
    pub fn read(&self, now: Time) -> Time {
        let passed = now.0.saturating_sub(self.moment.0);
        if self.ppm == 0 {
            return Time(self.reading.0 + passed);
        }
        Time(self.reading.0 + passed * self.rate() / MILLION)
    }

    /// The first moment of the world at which it shows that.
    pub fn moment(&self, reading: Time) -> Time {
        if reading == Time(u64::MAX) {
            return reading;
        }
        let wanted = reading.0.saturating_sub(self.reading.0);
        if self.ppm == 0 {
            return Time(self.moment.0 + wanted);
        }
        Time(self.moment.0 + (wanted * MILLION).div_ceil(self.rate()))
    }

    /// It stood still for so long, and goes on now.
    pub fn stood_still(&mut self, now: Time, length: Duration) {
        self.reading = self.read(now - length);
        self.moment = now;
    }

    /// From now on it runs at another rate.
    pub fn change_rate(&mut self, now: Time, ppm: i64) {
        *self = Clock::new(now, self.read(now), ppm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_gains_a_hundredth_is_read_and_foreseen() {
        let clock = Clock::new(Time(1_000), Time(50), 10_000);
        assert_eq!(clock.read(Time(101_000)), Time(101_050));
        for reading in [50, 51, 99, 150, 151, 10_050, 123_456] {
            let moment = clock.moment(Time(reading));
            assert!(clock.read(moment) >= Time(reading));
            assert!(moment == Time(1_000) || clock.read(Time(moment.0 - 1)) < Time(reading));
        }
    }

    #[test]
    fn a_clock_that_stood_still_missed_that_time() {
        let mut clock = Clock::new(Time(0), Time(0), 0);
        clock.stood_still(Time(5_000_000), Duration::from_secs(2));
        assert_eq!(clock.read(Time(5_000_000)), Time(3_000_000));
        assert_eq!(clock.moment(Time(3_000_010)), Time(5_000_010));
    }
}

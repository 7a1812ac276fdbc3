//! How long a Backup waits: Skew_Time and Active_Down_Interval, as keepalived computes them.

use super::config::{InstanceConfig, Version};
use core::time::Duration;

/// The priority of an owner of the addresses.
pub(super) const OWNER: u8 = 255;

/// Skew_Time: the less, the higher the priority. Version 2 counts in seconds whatever the interval.
//= https://www.rfc-editor.org/rfc/rfc3768#section-6.1
//# Skew_Time: Time to skew Master_Down_Interval in seconds. Calculated as:
//# ( (256 - Priority) / 256 )
//= https://www.rfc-editor.org/rfc/rfc9568#section-6.1
//# Skew_Time = (((256 - Priority) * Active_Adver_Interval) / 256)
pub(super) fn skew(version: Version, priority: u8, interval: Duration) -> Duration {
    let unit = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => interval,
    };
    unit * (256 - u32::from(priority)) / 256
}

/// Active_Down_Interval: how long no advert may come before the Active machine counts as gone.
/// `down_timer_adverts` is 3 in both RFCs.
pub(super) fn down(config: &InstanceConfig, priority: u8, interval: Duration) -> Duration {
    let adverts = u32::from(config.down_timer_adverts.max(1));
    interval.saturating_mul(adverts) + skew(config.version, priority, interval)
}

//! Numbers as people like to read them.

use std::time::Duration;

/// `6.3 MiB`; exact below a KiB.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut scaled = count as f64 / 1024.0;
    let mut unit = 0;
    // What would round to 1024.0 goes on to the next unit.
    while scaled >= 1023.95 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{scaled:.1} {}", UNITS[unit])
}

/// `0.214`: seconds with their milliseconds.
pub(super) fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// `8 s`, `3 m 20 s`, `2 h 5 m`: a time to wait, roughly.
pub(super) fn wait(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} m {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// How many in a hundred; all of nothing is a hundred.
pub(super) fn percent(done: u64, total: u64) -> u64 {
    if total == 0 {
        100
    } else {
        u64::try_from(u128::from(done.min(total)) * 100 / u128::from(total)).unwrap_or(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_to_one_decimal_of_the_right_unit() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (6_578_234, "6.3 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn times_are_told_in_two_units_at_most() {
        assert_eq!(seconds(61_007), "61.007");
        assert_eq!(wait(Duration::from_secs(59)), "59 s");
        assert_eq!(wait(Duration::from_secs(200)), "3 m 20 s");
        assert_eq!(wait(Duration::from_secs(7500)), "2 h 5 m");
    }

    #[test]
    fn percent_never_passes_a_hundred() {
        assert_eq!((percent(0, 0), percent(1, 3), percent(5, 3)), (100, 33, 100));
        assert_eq!(percent(u64::MAX - 1, u64::MAX), 99);
    }
}

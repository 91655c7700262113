//! Numbers, sizes and durations as people write them: `3`, `64MiB`, `512k`, `10s`, `1.5m`.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A whole number in a range.
pub(crate) fn whole<T: TryFrom<i128>>(
    range: RangeInclusive<i128>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| match range.end() {
            &NO_END if text.parse().is_ok_and(|number: i128| number > NO_END) => {
                format!("write a whole number, {NO_END} or less")
            }
            &NO_END => format!("write a whole number, {} or more", range.start()),
            end => format!("write a whole number from {} to {end}", range.start()),
        })
    }
}

/// The same without an end that would matter to anybody.
pub(crate) fn at_least<T: TryFrom<i128>>(
    least: i128,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    whole(least..=NO_END)
}

const NO_END: i128 = u64::MAX as i128;

/// Bytes from `64MiB`, `1GiB`, `512k`, `10MB` or plain bytes. `k`, `m`, `g`, `t` and `KiB` … `TiB` are powers of 1024;
/// `kB`, `MB`, `GB`, `TB` are powers of 1000.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(format!("`{unit}` is not a unit of size; write 64MiB, 1GiB, 512k or plain bytes")),
    };
    match scaled(number, factor) {
        Some(0) => Err("a size of at least one byte is needed".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("not a size; write 64MiB, 1GiB, 512k or plain bytes".to_owned()),
    }
}

/// A time from `10s`, `500ms`, `2m`, `1h`; a plain number counts seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let factor_ms: u64 = match unit.to_ascii_lowercase().as_str() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("`{unit}` is not a unit of time; write 500ms, 10s, 2m or 1h")),
    };
    match scaled(number, factor_ms) {
        Some(0) => Err("a time of at least one millisecond is needed".to_owned()),
        Some(ms) => Ok(Duration::from_millis(ms)),
        None => Err("not a time; write 500ms, 10s, 2m or 1h".to_owned()),
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}

/// `number` times `factor`, rounded down; `None` when it is no decimal number or too large. Exact: no float is involved, so that
/// `0.1k` and huge byte counts mean what they say.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 9 || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let thousandths: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let ten_to = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = thousandths * u128::from(factor) / ten_to;
    whole.checked_mul(factor)?.checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_none_or_out_of_range_is_told_what_is_wanted() {
        let version = at_least::<u64>(0);
        assert_eq!((version("0"), version("18446744073709551615")), (Ok(0), Ok(u64::MAX)));
        for text in ["x", "", "-1", "1.5", "0x1", "٣"] {
            assert_eq!(version(text), Err("write a whole number, 0 or more".to_owned()), "{text}");
        }
        let beyond = version("18446744073709551616").unwrap_err();
        assert_eq!(beyond, "write a whole number, 18446744073709551615 or less");
        assert_eq!(at_least::<u64>(1)("0").unwrap_err(), "write a whole number, 1 or more");
        let priority = whole::<i8>(-128..=127);
        assert_eq!((priority("-128"), priority("127")), (Ok(-128), Ok(127)));
        for text in ["128", "high", "-129", ""] {
            assert_eq!(priority(text).unwrap_err(), "write a whole number from -128 to 127", "{text}");
        }
    }

    #[test]
    fn sizes_mean_what_people_write() {
        for (text, bytes) in [
            ("1", 1),
            ("4096", 4096),
            ("7b", 7),
            ("512k", 512 << 10),
            ("64MiB", 64 << 20),
            ("64 MiB", 64 << 20),
            ("1GiB", 1 << 30),
            ("1g", 1 << 30),
            ("2T", 2 << 40),
            ("1.5m", 3 << 19),
            ("10MB", 10_000_000),
            ("0.5kB", 500),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in
            ["", "k", "-1", "+1", "1.", ".5", "1..5", "1x", "0", "0.1b", "1e9", "99999999999g", "١", "1 k b"]
        {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_mean_what_people_write() {
        for (text, ms) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("3", 3_000),
            ("1.5s", 1_500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "s", "0", "0s", "0.1ms", "-1s", "10 days", "10S0", "1e3s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}

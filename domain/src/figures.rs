//! How numbers and times are written for people, wherever they are shown. Not for what is shown.

/// With as many places as are read: `2.25`, `12.3`, `1234`.
pub fn short(value: f64) -> String {
    match value {
        _ if value.fract() == 0.0 || 100.0 <= value => format!("{value:.0}"),
        _ if 10.0 <= value => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Octets, in the unit in which a person counts them: `900 MiB`, `33.2 GiB`.
pub fn size(bytes: u64) -> String {
    let mib = bytes / 1024 / 1024;
    match mib {
        0..1024 => format!("{mib} MiB"),
        _ => format!("{} GiB", short(mib as f64 / 1024.0)),
    }
}

/// With the two largest units: `2 h 5 min`.
pub fn lasting(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_as_is_read() {
        for (value, text) in [
            (0.0, "0"),
            (2.255, "2.25"),
            (12.34, "12.3"),
            (1234.5, "1234"),
        ] {
            assert_eq!(short(value), text);
        }
        for (bytes, text) in [(0, "0 MiB"), (1_073_741_823, "1023 MiB")] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(2_u64.pow(31)), "2 GiB");
        assert_eq!(size(35_600_000_000), "33.2 GiB");
        for (seconds, text) in [
            (0, "0 s"),
            (61, "1 min 1 s"),
            (3_725, "1 h 2 min"),
            (7_260, "2 h 1 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(lasting(seconds), text);
        }
    }
}

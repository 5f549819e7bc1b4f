//! Whether the wall clock is kept right: stamps of messages and certificates are judged by it. The
//! kernel is asked through systemd's `timedatectl`, since its own call is not for safe code.

use std::path::Path;
use std::process::{Command, Stdio};

use super::report::Finding;

const CHECK: &str = "clock";
/// systemd's own client of NTP makes it when it has the time.
const KEPT_BY_TIMESYNCD: &str = "/run/systemd/timesync/synchronized";

pub fn look() -> Finding {
    // `timeout`, since the bus may not answer.
    let asked = Command::new("timeout")
        .args([
            "3",
            "timedatectl",
            "show",
            "--property=NTPSynchronized",
            "--value",
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let said = asked
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    judge(said.as_deref(), Path::new(KEPT_BY_TIMESYNCD).exists())
}

fn judge(said: Option<&str>, has_synchronized: bool) -> Finding {
    let advice = "apt install chrony, or timedatectl set-ntp true: stamps of messages are of this \
                  clock, and clients judge certificates by theirs";
    match said {
        Some("yes") => Finding::passed(CHECK, "synchronised by NTP, says the kernel"),
        Some("no") => Finding::warned(CHECK, "not synchronised, says the kernel", advice),
        _ if has_synchronized => Finding::passed(CHECK, "synchronised by systemd-timesyncd"),
        _ => Finding::warned(CHECK, "nobody says whether it is synchronised", advice),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn the_kernel_has_the_first_word() {
        assert_eq!(judge(Some("yes"), false).result, Verdict::Passed);
        assert_eq!(judge(Some("no"), true).result, Verdict::Warned);
        assert_eq!(judge(None, true).result, Verdict::Passed);
        assert_eq!(judge(None, false).result, Verdict::Warned);
        assert_eq!(judge(Some(""), false).result, Verdict::Warned);
    }
}

//! Waits for a moment with the kernel's precision: tokio's own timer wakes on whole milliseconds,
//! which would be most of the latency that is to be measured.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::Context;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;
use tokio::time::Instant;

use super::clock::now;

/// A timer of the kernel. To tokio it is a pipe: both are read for bytes when they are ready, and
/// this is its door for foreign descriptors that needs no unsafe code.
pub struct Pacer {
    timer: Receiver,
}

impl Pacer {
    pub fn new() -> anyhow::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).context("make a timer")?;
        let timer = Receiver::from_owned_fd_unchecked(timer).context("register a timer")?;
        Ok(Pacer { timer })
    }

    /// Returns at `moment`, or at the next turn if it has passed.
    pub async fn until(&self, moment: Instant) -> anyhow::Result<()> {
        let rest = moment.saturating_duration_since(now());
        if rest.is_zero() {
            tokio::task::yield_now().await;
            return Ok(());
        }
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once(rest))
            .context("set a timer")?;
        loop {
            self.timer.readable().await.context("wait for a timer")?;
            match self.timer.try_read(&mut [0; 8]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                fired => return fired.map(drop).context("read a timer"),
            }
        }
    }
}

fn once(rest: Duration) -> Itimerspec {
    let never = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let tv_sec = i64::try_from(rest.as_secs()).unwrap_or(i64::MAX);
    Itimerspec {
        it_interval: never,
        it_value: Timespec {
            tv_sec,
            tv_nsec: i64::from(rest.subsec_nanos()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Pacer, now};

    #[tokio::test]
    async fn keeps_moments_that_lie_between_milliseconds() {
        let pacer = Pacer::new().unwrap();
        let start = now();
        for k in 1..=200 {
            let moment = start + k * Duration::from_micros(300);
            pacer.until(moment).await.unwrap();
            assert!(now() >= moment);
        }
    }
}

//! How many accounts were asked for from one address within an hour, so that one more may be
//! refused. Not for what an account may be called, nor for whether strangers may make any.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::limits;
use crate::lockout::network;

const WINDOW: Duration = Duration::from_secs(limits::REGISTRATION_WINDOW_SECONDS);

/// By the network of one customer of a provider, with when the first came.
#[derive(Debug, Clone, Default)]
pub struct Registrations(BTreeMap<IpAddr, (u64, Duration)>);

impl Registrations {
    /// Counts one more. Err: for how long there is none. A full table takes nobody who is not in
    /// it.
    pub fn take(
        &mut self,
        most: Option<u64>,
        address: IpAddr,
        now: Duration,
    ) -> Result<(), Duration> {
        let Some(most) = most else {
            return Ok(());
        };
        let network = network(address);
        let is_full = limits::REGISTRATION_ADDRESSES_MAX <= self.0.len();
        if is_full && !self.0.contains_key(&network) {
            self.0.retain(|_, (_, since)| now < *since + WINDOW);
            if limits::REGISTRATION_ADDRESSES_MAX <= self.0.len() {
                return Err(WINDOW);
            }
        }
        let (count, since) = self.0.entry(network).or_insert((0, now));
        if *since + WINDOW <= now {
            (*count, *since) = (0, now);
        }
        if most <= *count {
            return Err((*since + WINDOW).saturating_sub(now));
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn take(registrations: &mut Registrations, address: &str, now: u64) -> Result<(), Duration> {
        registrations.take(Some(2), address.parse().unwrap(), seconds(now))
    }

    #[test]
    fn an_address_has_so_many_an_hour_and_another_has_its_own() {
        let mut registrations = Registrations::default();
        let hour = WINDOW.as_secs();
        for (address, now, expected) in [
            ("192.0.2.1", 0, Ok(())),
            ("192.0.2.1", 10, Ok(())),
            ("192.0.2.1", 20, Err(seconds(hour - 20))),
            ("::ffff:192.0.2.1", 20, Err(seconds(hour - 20))),
            ("192.0.2.2", 20, Ok(())),
            ("2001:db8:0:1::1", 20, Ok(())),
            ("2001:db8:0:1::2", 20, Ok(())),
            ("2001:db8:0:1::3", 20, Err(seconds(hour))),
            ("192.0.2.1", hour, Ok(())),
            ("192.0.2.1", hour, Ok(())),
            ("192.0.2.1", hour, Err(seconds(hour))),
        ] {
            assert_eq!(
                take(&mut registrations, address, now),
                expected,
                "{address} at {now}"
            );
        }
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        for _ in 0..100 {
            assert_eq!(registrations.take(None, address, seconds(0)), Ok(()));
        }
    }

    #[test]
    fn a_full_table_takes_nobody_until_the_hour_is_over() {
        let mut registrations = Registrations::default();
        let address = |number: usize| IpAddr::V4(Ipv4Addr::from_bits(number as u32));
        for number in 0..limits::REGISTRATION_ADDRESSES_MAX {
            let taken = registrations.take(Some(2), address(number), seconds(1));
            assert_eq!(taken, Ok(()));
        }
        let most = limits::REGISTRATION_ADDRESSES_MAX;
        let refused = registrations.take(Some(2), address(most), seconds(1));
        assert_eq!(refused, Err(WINDOW));
        let known = registrations.take(Some(2), address(0), seconds(1));
        assert_eq!(known, Ok(()));
        let later = registrations.take(Some(2), address(most), seconds(1) + WINDOW);
        assert_eq!(later, Ok(()));
        assert_eq!(registrations.0.len(), 1);
    }
}

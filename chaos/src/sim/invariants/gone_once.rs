//! "Detached sessions stay available to their contacts for the resumption time, then are told
//! unavailable exactly once" (design, section 5), whoever serves by then.

use std::time::Duration;

use pollux_domain::limits;

use crate::sim::history::{Fact, History};

/// How long a session waits for its client.
pub const WAITS: Duration = Duration::from_millis(limits::RESUMPTION_MS);
/// The time in which nobody served does not count; and it must come to the watchers.
pub const WITHIN: Duration = Duration::from_millis(limits::RESUMPTION_MS + 10_000);

pub fn check(history: &History) -> Result<(), String> {
    for (index, entry) in history.entries.iter().enumerate() {
        let Fact::Gone { who } = entry.fact else {
            continue;
        };
        let (partner, prefix) = (who ^ 1, format!("person{who}@"));
        let told = history.entries[index..].iter().filter_map(|later| {
            let Fact::Presence { who, from, kind } = &later.fact else {
                return None;
            };
            let is_it = *who == partner && from.starts_with(&prefix) && kind == "unavailable";
            is_it.then(|| later.at - entry.at)
        });
        let told: Vec<Duration> = told.collect();
        let in_time = |after: &Duration| WAITS <= *after && *after <= WITHIN;
        if told.len() != 1 || !told.iter().all(in_time) {
            return Err(format!(
                "person{who} vanished at {:?}; person{partner} was told so after {told:?}",
                entry.at
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_histories_are_judged() {
        let history = |told: &[u64]| {
            let mut history = History::default();
            let begun = Duration::from_secs(7);
            history.add_at(begun, Fact::Gone { who: 2 });
            for after_ms in told {
                let fact = Fact::Presence {
                    who: 3,
                    from: "person2@sim.example/r".to_owned(),
                    kind: "unavailable".to_owned(),
                };
                history.add_at(begun + Duration::from_millis(*after_ms), fact);
            }
            history
        };
        let wait = limits::RESUMPTION_MS;
        for (told, good) in [
            (&[wait][..], true),
            (&[wait + 4_000], true),
            (&[], false),
            (&[wait + 1_000, wait + 1_001], false),
            (&[wait - 1], false),
            (&[wait + 11_000], false),
        ] {
            assert_eq!(check(&history(told)).is_ok(), good, "{told:?}");
        }
    }
}

//! A failover and a fallback end when all users are moved (`docs/pair.md`): what an operator asks
//! for while all is well is done, whoever leads and whoever is asked.

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    let refused = history.entries.iter().find_map(|entry| match &entry.fact {
        Fact::Told {
            at,
            asked,
            refused: Some(why),
        } => Some((entry.at, at, asked, why)),
        _ => None,
    });
    match refused {
        Some((when, at, asked, why)) => Err(format!(
            "all was well, and node {at} answered to {asked}: {why}, at {when:?}"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pollux_domain::ids::NodeId;

    use super::*;

    #[test]
    fn planted_histories_are_judged() {
        for (refused, good) in [(None, true), (Some("not yet".to_owned()), false)] {
            let mut history = History::default();
            let answered = Fact::Told {
                at: NodeId(3),
                asked: "a move".to_owned(),
                refused,
            };
            history.add_at(Duration::ZERO, answered);
            assert_eq!(check(&history).is_ok(), good);
        }
    }
}

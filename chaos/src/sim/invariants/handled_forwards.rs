//! "Neither `<a/>` nor `<resumed/>` ever runs backwards." (design, section 5, rule 1)

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    for entry in &history.entries {
        if let Fact::HandledBackwards { who, last, h } = &entry.fact {
            return Err(format!(
                "person{who} was told {h} after {last}, at {:?}",
                entry.at
            ));
        }
    }
    Ok(())
}

//! "Or refused with an error that arrives." (design, section 5) A request to nobody comes back
//! once, also from another group, whose refusal is a line the other way.

use std::collections::BTreeMap;

use crate::sim::history::{Fact, History, is_question};

#[derive(Default)]
struct Question {
    who: usize,
    acknowledged: bool,
    refused: bool,
}

pub fn check(history: &History) -> Result<(), String> {
    let mut open: BTreeMap<&str, Question> = BTreeMap::new();
    for entry in &history.entries {
        match &entry.fact {
            Fact::Sent { who, id } if is_question(id) => {
                let question = Question {
                    who: *who,
                    ..Question::default()
                };
                open.insert(id, question);
            }
            Fact::Acknowledged { id, .. } => {
                if let Some(question) = open.get_mut(id.as_str()) {
                    question.acknowledged = true;
                }
            }
            Fact::Refused { id, .. } => {
                if let Some(question) = open.get_mut(id.as_str())
                    && std::mem::replace(&mut question.refused, true)
                {
                    return Err(format!("{id} was refused twice, at {:?}", entry.at));
                }
            }
            // Nobody is left to be told.
            Fact::Left { who } | Fact::Bound { who } => {
                open.retain(|_, question| question.who != *who);
            }
            _ => {}
        }
    }
    let lost = |question: &Question| question.acknowledged && !question.refused;
    match open.iter().find(|(_, question)| lost(question)) {
        None => Ok(()),
        Some((id, _)) => Err(format!("{id} was acknowledged and never refused")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_silence_and_a_planted_repetition_are_found() {
        let id = || "q0-1".to_owned();
        let sent = || Fact::Sent { who: 0, id: id() };
        let acknowledged = || Fact::Acknowledged { who: 0, id: id() };
        let refused = || Fact::Refused { who: 0, id: id() };
        let cases = [
            (vec![sent(), acknowledged(), refused()], true),
            (vec![sent(), refused()], true),
            (vec![sent(), acknowledged()], false),
            (vec![sent(), refused(), acknowledged(), refused()], false),
            (vec![sent(), acknowledged(), Fact::Left { who: 0 }], true),
        ];
        for (facts, good) in cases {
            let mut history = History::default();
            for fact in facts {
                history.add_at(std::time::Duration::ZERO, fact);
            }
            assert_eq!(check(&history).is_ok(), good, "{:?}", history.entries);
        }
    }
}

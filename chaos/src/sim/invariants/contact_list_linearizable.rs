//! "Linearizable are writes, and reads that the owner answers under its lease" (design, section 5):
//! contact lists, also when another node answers than the one that was asked.

use std::collections::BTreeMap;

use crate::sim::history::{Fact, History};
use crate::sim::linear::{self, Deed, Operation};

pub fn check(history: &History) -> Result<(), String> {
    let mut registers: BTreeMap<usize, BTreeMap<&str, Operation>> = BTreeMap::new();
    for entry in &history.entries {
        match &entry.fact {
            Fact::Asked { who, id, deed } => {
                let operation = Operation {
                    begun: entry.at,
                    ended: None,
                    deed: *deed,
                    line: None,
                };
                registers.entry(*who).or_default().insert(id, operation);
            }
            Fact::Answered { who, id, value } => {
                let register = registers.entry(*who).or_default();
                if let Some(operation) = register.get_mut(id.as_str()) {
                    operation.ended = Some(entry.at);
                    if let Deed::Read(read) = &mut operation.deed {
                        *read = *value;
                    }
                }
            }
            _ => {}
        }
    }
    for (who, register) in registers {
        let operations: Vec<Operation> = register.into_values().collect();
        linear::check(0, &operations)
            .map_err(|what| format!("the contact list of person{who}: {what}"))?;
    }
    Ok(())
}

//! The serving table is read linearizably (design, section 5): whoever begins to read after another
//! has ended sees no older epoch, at whichever node.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::NodeId;

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    let mut ended: BTreeMap<NodeId, Vec<(Duration, u64)>> = BTreeMap::new();
    for entry in &history.entries {
        let Fact::ServingRead {
            node,
            begun,
            home,
            epoch,
        } = &entry.fact
        else {
            continue;
        };
        let reads = ended.entry(*home).or_default();
        let before = reads.iter().filter(|(end, _)| end < begun);
        let newest = before.map(|(_, epoch)| *epoch).max().unwrap_or(0);
        if *epoch < newest {
            return Err(format!(
                "node {node} read epoch {epoch} of home {home} after {newest}, at {:?}",
                entry.at
            ));
        }
        reads.push((entry.at, *epoch));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_stale_read_is_found() {
        let mut history = History::default();
        let ms = Duration::from_millis;
        for (begun, end, epoch, good) in [
            (1, 2, 1, true),
            (3, 6, 2, true),
            (5, 7, 1, true),
            (8, 9, 1, false),
        ] {
            let fact = Fact::ServingRead {
                node: NodeId(1),
                begun: ms(begun),
                home: NodeId(1),
                epoch,
            };
            history.add_at(ms(end), fact);
            assert_eq!(check(&history).is_ok(), good, "{epoch} at {end}");
        }
    }
}

//! What a node measures, by the names of the counters of Cisco Unified Presence that mean the same,
//! for who has dashboards and thresholds by them. Not for measuring; the rest has names of its own.
//! Names and meanings: Monitoring Guide and RTMT Administration, Release 9.0(1).

use std::collections::VecDeque;

use crate::history::STEP;
use crate::metrics::Sample;
use crate::node_state::NodeState;

/// Of how many steps a slice is: Cisco's are of 60 s.
const SLICE_STEPS: usize = (60 / STEP.as_secs()) as usize;

/// What the counters are made of.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Connections of clients to this node, signed in or not, served here or by another.
    pub sockets: u64,
    /// Sessions of the users whom this node serves.
    pub sessions: u64,
    /// Users whom this node serves, present or not.
    pub users: u64,
    /// Messages taken from clients of this node since its start.
    pub messages: u64,
    /// The same, in the last minute; none before there was one.
    pub messages_in_last_slice: Option<u64>,
    /// None where the node serves nobody, as a witness.
    pub state: Option<NodeState>,
}

/// One sample for each counter that there is something for.
pub fn samples(facts: &Facts) -> Vec<Sample> {
    let rows = [
        ("Cisco XCP CM", "CmConnectedSockets", Some(facts.sockets)),
        ("Cisco XCP JSM", "JsmIMSessions", Some(facts.sessions)),
        (
            "Cisco XCP JSM",
            "JsmTotalMessagePackets",
            Some(facts.messages),
        ),
        (
            "Cisco XCP JSM",
            "JsmMsgsInLastSlice",
            facts.messages_in_last_slice,
        ),
        (
            "Cisco Presence Engine",
            "ActiveJsmSessions",
            Some(facts.users),
        ),
        (
            "Cisco Server Recovery Manager",
            "SRMState",
            facts.state.map(|state| state.number().into()),
        ),
    ];
    let rows = rows.into_iter().filter_map(|(object, counter, value)| {
        let help = "Counters that Cisco Unified Presence has, by its names.";
        let sample = Sample::gauge("pollux_perfmon", help, value? as f64);
        Some(sample.with("object", object).with("counter", counter))
    });
    rows.collect()
}

/// How much a counter has grown in the last whole slice, from what it showed at each [`STEP`].
#[derive(Debug, Clone, Default)]
pub struct Slice(VecDeque<u64>);

impl Slice {
    /// What the counter shows at the next step.
    pub fn note(&mut self, count: u64) {
        self.0.push_back(count);
        while SLICE_STEPS + 1 < self.0.len() {
            self.0.pop_front();
        }
    }

    /// None until it was noted over a whole slice.
    pub fn grown(&self) -> Option<u64> {
        let (first, last) = self.0.front().zip(self.0.back())?;
        (self.0.len() == SLICE_STEPS + 1).then(|| last.saturating_sub(*first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_a_minute() {
        let mut slice = Slice::default();
        for step in 0..6 {
            slice.note(100 + step * step);
            assert_eq!(slice.grown(), None);
        }
        slice.note(136);
        assert_eq!(slice.grown(), Some(36));
        slice.note(136);
        assert_eq!(slice.grown(), Some(35), "the oldest step is left out");
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        let facts = Facts {
            sockets: 3,
            sessions: 2,
            users: 5,
            messages: 9,
            messages_in_last_slice: None,
            state: None,
        };
        let names = |facts: &Facts| {
            let samples = samples(facts).into_iter();
            let shown = samples.map(|sample| (sample.labels[1].1.clone(), sample.value));
            shown.collect::<Vec<_>>()
        };
        let count = |value: f64| crate::metrics::Value::Gauge(value);
        let always = [
            ("CmConnectedSockets".to_owned(), count(3.0)),
            ("JsmIMSessions".to_owned(), count(2.0)),
            ("JsmTotalMessagePackets".to_owned(), count(9.0)),
            ("ActiveJsmSessions".to_owned(), count(5.0)),
        ];
        assert_eq!(names(&facts), always);
        let facts = Facts {
            messages_in_last_slice: Some(4),
            state: Some(NodeState::RunningInBackupMode),
            ..facts
        };
        let names = names(&facts);
        assert!(names.contains(&("JsmMsgsInLastSlice".to_owned(), count(4.0))));
        assert!(names.contains(&("SRMState".to_owned(), count(4.0))));
    }
}

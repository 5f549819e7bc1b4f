//! What the node counts. Names and meanings stand in one table; not for how they are published.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pollux_domain::metrics::Sample;
use pollux_xmpp::stream_error::StreamCondition;

use crate::stream::strangers::Strangers;

/// Counters and gauges of one node.
#[derive(Debug, Default)]
pub struct Metrics {
    pub connections: AtomicU64,
    pub connections_refused: AtomicU64,
    pub strangers: Arc<Strangers>,
    pub sign_ins: AtomicU64,
    pub sign_in_failures: AtomicU64,
    pub sign_ins_locked_out: AtomicU64,
    pub registrations: AtomicU64,
    pub registrations_refused: AtomicU64,
    pub keys_added: AtomicU64,
    pub resumptions: AtomicU64,
    pub resumption_failures: AtomicU64,
    pub stanzas: AtomicU64,
    pub messages: AtomicU64,
    pub pauses: AtomicU64,
    pub forgeries: AtomicU64,
    pub stream_errors: StreamErrors,
    pub strangers_late: AtomicU64,
    pub silent_asked: AtomicU64,
    pub given_up_silent: AtomicU64,
    pub given_up_slow: AtomicU64,
    pub session_streams: AtomicU64,
    pub session_panics: AtomicU64,
    pub relayed_streams: AtomicU64,
    pub wall_clock_jumps: AtomicU64,
}

/// Streams that this node closed with an error, by its condition.
#[derive(Debug, Default)]
pub struct StreamErrors([AtomicU64; StreamCondition::ALL.len()]);

impl StreamErrors {
    pub fn count(&self, condition: StreamCondition) {
        for (one, count) in StreamCondition::ALL.iter().zip(&self.0) {
            if *one == condition {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Of what has happened, so that the rest does not fill pages.
    fn samples(&self) -> impl Iterator<Item = Sample> {
        let help = "Streams closed with an error.";
        let all = StreamCondition::ALL.iter().zip(&self.0);
        let all = all.map(|(condition, count)| (condition, count.load(Ordering::Relaxed)));
        all.filter(|(_, count)| *count > 0)
            .map(move |(condition, count)| {
                let sample = Sample::counter("pollux_stream_errors_total", help, count);
                sample.with("condition", condition.as_str())
            })
    }
}

impl Metrics {
    /// Counts one stanza of a client, and gives it the number by which it can be followed in the
    /// log.
    pub fn count_stanza(&self) -> u64 {
        self.stanzas.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts one that is a message.
    pub fn count_message(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// All of them.
    pub fn samples(&self) -> Vec<Sample> {
        let counter = |name, help, value: &AtomicU64| {
            Sample::counter(name, help, value.load(Ordering::Relaxed))
        };
        let gauge = |name, help, value: &AtomicU64| {
            Sample::gauge(name, help, value.load(Ordering::Relaxed) as f64)
        };
        let given_up = |why: &'static str, value| {
            let help = "Streams ended because the client did not answer, or did not read.";
            counter("pollux_streams_given_up_total", help, value).with("why", why)
        };
        let mut samples = vec![
            gauge(
                "pollux_relayed_streams",
                "Clients that came to this node and are served by another.",
                &self.relayed_streams,
            ),
            counter(
                "pollux_connections_total",
                "Connections accepted.",
                &self.connections,
            ),
            counter(
                "pollux_connections_refused_total",
                "Connections closed at once because a limit was reached.",
                &self.connections_refused,
            ),
            Sample::gauge(
                "pollux_preauth_connections",
                "Connections whose client has not signed in yet.",
                self.strangers.count() as f64,
            ),
            counter(
                "pollux_sign_ins_total",
                "Clients that proved who they are.",
                &self.sign_ins,
            ),
            counter(
                "pollux_sign_in_failures_total",
                "Authentications that failed.",
                &self.sign_in_failures,
            ),
            counter(
                "pollux_sign_ins_locked_out_total",
                "Attempts to sign in that were not tried, because too many had failed.",
                &self.sign_ins_locked_out,
            ),
            counter(
                "pollux_registrations_total",
                "Accounts that strangers have made.",
                &self.registrations,
            ),
            counter(
                "pollux_registrations_refused_total",
                "Accounts that strangers were refused, because their address had asked for many.",
                &self.registrations_refused,
            ),
            counter(
                "pollux_keys_added_total",
                "Keys of stronger hashes that clients have added to their accounts.",
                &self.keys_added,
            ),
            counter(
                "pollux_resumptions_total",
                "Sessions resumed.",
                &self.resumptions,
            ),
            counter(
                "pollux_resumption_failures_total",
                "Resumptions that were refused.",
                &self.resumption_failures,
            ),
            counter(
                "pollux_stanzas_total",
                "Stanzas of clients taken.",
                &self.stanzas,
            ),
            counter(
                "pollux_messages_total",
                "Messages of clients taken.",
                &self.messages,
            ),
            counter(
                "pollux_client_pauses_total",
                "Times a client was not read for a moment because it had said more than it may.",
                &self.pauses,
            ),
            counter(
                "pollux_forgeries_removed_total",
                "Elements taken out of what clients say, that only a server may say.",
                &self.forgeries,
            ),
            counter(
                "pollux_strangers_late_total",
                "Connections closed because no session was bound in time.",
                &self.strangers_late,
            ),
            counter(
                "pollux_silent_clients_asked_total",
                "Times a client of whom nothing was heard was asked whether it is there.",
                &self.silent_asked,
            ),
            given_up("silent", &self.given_up_silent),
            given_up("slow", &self.given_up_slow),
            gauge(
                "pollux_session_streams",
                "Sessions with a stream.",
                &self.session_streams,
            ),
            counter(
                "pollux_wall_clock_jumps_total",
                "Steps of the machine's wall clock by a second or more.",
                &self.wall_clock_jumps,
            ),
            counter(
                "pollux_session_panics_total",
                "Session actors that died.",
                &self.session_panics,
            ),
        ];
        samples.extend(self.stream_errors.samples());
        samples
    }
}

//! The plays: what clients say and hear, one behaviour to a file. A play is a test of its own name.

#[path = "../common/mod.rs"]
mod common;
mod pattern;
mod script;
mod stage;

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire")
}

fn file(play: &str) -> PathBuf {
    folder().join(format!("{play}.play"))
}

/// One test for each play.
macro_rules! plays {
    ($($play:ident)*) => {
        const PLAYS: &[&str] = &[$(stringify!($play)),*];

        $(
            #[test]
            fn $play() {
                stage::perform(&file(stringify!($play)), "");
            }
        )*
    };
}

plays! {
    bind_chosen
    bind_conflict
    bind_refused
    bind_made_up
    blocking
    blocking_list
    broadcast
    broadcast_presence
    capabilities
    carbons
    client_state
    contact_list
    contact_list_limits
    contact_list_refused
    contact_list_versions
    contact_removed_ends_subscriptions
    disco
    domain_resource
    iq_between_clients
    iq_malformed
    iq_unknown
    kill_contact_list
    kill_contact_list_version
    kill_iq_asked_before
    kill_messages
    kill_stored_data
    kill_subscription
    last_activity
    message_between_two
    message_forged_claims
    message_forged_from
    message_forked
    message_forwarded
    message_not_kept
    message_of_each_type
    message_to_bare
    message_to_full
    message_to_nobody
    message_without_address
    no_proxy
    offline_store
    offline_survives_kill
    ping
    presence_directed
    presence_probe
    presence_refused
    presence_stream_closed
    presence_stream_lost
    presence_to_contacts
    privacy
    private_data
    receipts
    registration_cancelled
    registration_refused
    routing_most_available
    routing_negative
    routing_no_account
    routing_no_device
    routing_one_device
    routing_several
    server_answers
    session_ended
    session_request
    sign_in
    sm_closed_is_over
    sm_count_too_high
    sm_counts
    sm_enable
    sm_resume_after_cut
    sm_resume_beside_old_stream
    sm_resume_by_an_older_stream
    sm_resume_refused
    sm_resume_sends_again
    sm_session_ends_unacknowledged
    stop_and_resume
    subscription_authorised
    switched_off
    subscription_both_ways
    subscription_cancelled_by_watched
    subscription_kept_until_answered
    subscription_pre_approved
    subscription_refused
    subscription_states
    subscription_unsubscribed_by_watcher
    user_disabled
    user_removed
    vcard
    vcard_photo_in_presence
}

/// The plays in which a node dies or stops, with a log that does not wait for the disk.
mod in_memory {
    use super::{file, stage};

    macro_rules! plays {
        ($($play:ident)*) => {
            $(
                #[test]
                fn $play() {
                    let settings = "[delivery]\ndurability = \"memory\"\n";
                    stage::perform(&file(stringify!($play)), settings);
                }
            )*
        };
    }

    plays! {
        kill_contact_list
        kill_contact_list_version
        kill_iq_asked_before
        kill_messages
        kill_stored_data
        kill_subscription
        offline_survives_kill
        stop_and_resume
    }
}

#[test]
fn every_play_is_performed() {
    let files = std::fs::read_dir(folder()).expect("the folder of the plays");
    let mut written: Vec<String> = files
        .map(|file| file.expect("a file").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "play")
        })
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    written.sort_unstable();
    let mut performed = PLAYS.to_vec();
    performed.sort_unstable();
    assert_eq!(
        written, performed,
        "each .play file stands in the list of plays, and no other"
    );
}

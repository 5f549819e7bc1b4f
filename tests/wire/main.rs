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

/// One test for each play.
macro_rules! plays {
    ($($play:ident)*) => {
        const PLAYS: &[&str] = &[$(stringify!($play)),*];

        $(
            #[test]
            fn $play() {
                stage::perform(&folder().join(concat!(stringify!($play), ".play")));
            }
        )*
    };
}

plays! {
    sign_in
    bind_chosen
    bind_made_up
    bind_conflict
    message_between_two
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

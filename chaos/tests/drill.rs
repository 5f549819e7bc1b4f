//! The promise on a real process: fifty pairs of clients talk with stream management while the node
//! is killed twenty times and started again; nothing acknowledged is lost, nothing is said twice.

use std::path::Path;
use std::process::Command;

const KILLS: u32 = 20;

#[test]
fn twenty_kills_lose_nothing_and_repeat_nothing() {
    let load = Path::new(env!("CARGO_BIN_EXE_pollux-load"));
    let pollux = load.with_file_name("pollux");
    assert!(
        pollux.exists(),
        "{} is missing: cargo build --bin pollux",
        pollux.display()
    );
    let kills = KILLS.to_string();
    let arguments = [
        "drill", "--start", "pollux", "--pairs", "50", "--rate", "500", "--quiet", "--kills",
        &kills,
    ];
    let drill = Command::new(load)
        .args(arguments)
        .arg("--pollux")
        .arg(&pollux)
        .output();
    let drill = drill.expect("pollux-load starts");
    let table = String::from_utf8_lossy(&drill.stdout);
    let trouble = String::from_utf8_lossy(&drill.stderr);
    assert!(drill.status.success(), "{table}\n{trouble}");
    // A drill in which nobody came back proves nothing.
    let mut columns = table.lines().take(2).map(|line| {
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect::<Vec<_>>()
    });
    let (names, values) = (
        columns.next().unwrap_or_default(),
        columns.next().unwrap_or_default(),
    );
    let value = |name: &str| -> u64 {
        let column = names.iter().position(|column| *column == name);
        column
            .and_then(|column| values.get(column)?.parse().ok())
            .unwrap_or_default()
    };
    assert_eq!(
        (value("lost"), value("twice"), value("out of order")),
        (0, 0, 0),
        "{table}"
    );
    assert!(value("acknowledged") > 10_000, "{table}");
    assert!(value("resumed") >= 100 * u64::from(KILLS) / 2, "{table}");
}

//! What each command of xtask teaches when it is asked with `--help`. Not for running anything.

pub const OVERVIEW: &str = "\
cargo xtask <command>

  test      install the Debian packages that the tests need, then verify (what CI runs)
  verify    formatting, clippy, house rules, arrows, generated files, every test, planted defects;
            writes nothing
  fix       apply clippy's own fixes, wrap wide comments, format, regenerate what is generated
  tidy      the house rules alone, and the longest files and functions
  arrows    which crate may know which crate and which outside library
  docs      write the generated files; with --check only compare them
  planted   whether the tests find each defect that is planted on purpose
  bench     measure the release beside its peers, or where its CPU goes; make that page anew
  upgrade   upgrade a real pair to the next version while people chat, and back
  drill     break a real pair while people chat, and tell what they noticed
  package   a Debian package of the release; with --try install it and do what the book says
  fuzz      give a parser what nobody would write, for as long as you like
  screenshots  pictures of every page of the administrators, wide, narrow and dark

`cargo xtask <command> --help` says more about one of them.";

const TEST: &str = "\
cargo xtask test

What a fresh Debian machine with rustup, git and gcc needs to run every test. Asks dpkg which of the
packages in xtask/src/packages.rs are missing; when none is, apt is not touched. Otherwise runs
`apt-get update` and `apt-get install`, with sudo if you are not root. Services that a package would
start at its installation stay off, because the tests start their own. Adds rustfmt and clippy to
the toolchain where a minimal rustup has left them out. Then runs `cargo xtask verify`.";

const VERIFY: &str = "\
cargo xtask verify

Runs each step to its end, also after another has failed, and names the failed ones last:
  format   cargo fmt --all --check
  tidy     the house rules (cargo xtask tidy)
  arrows   the order of the crates (cargo xtask arrows)
  clippy   cargo clippy --workspace --all-targets -- -D warnings
  docs     the generated files are what the source says (cargo xtask docs --check)
  tests    cargo test --workspace --no-fail-fast
  package  it installs, and the book's commands do what it says (cargo xtask package --try)
  planted  the defects that are planted on purpose are found (cargo xtask planted)
Writes nothing outside cargo's target folder. What `fix` can repair, it names.";

const FIX: &str = "\
cargo xtask fix

Writes into your tree: cargo clippy --fix (also where there are uncommitted changes), comments
wrapped at 100 columns, cargo fmt, and the generated files. Look at the difference before you
commit it.";

const TIDY: &str = "\
cargo xtask tidy [--fix]

House rules that a machine can read:
  - each .rs file begins with `//!` and a sentence that ends with a full stop
  - no notes to finish something later, no ignored tests
  - no line of a .rs file over 100 columns, no white space at an end, a newline at the last
  - each link inside the documentation leads to a file, and to a heading of it
  - each clause of a specification that is called done is named by a test
Afterwards, as a mirror and not a gate: files over 600 lines and functions over 70, longest first.
With --fix wraps comments that are too wide instead, and judges nothing.";

const ARROWS: &str = "\
cargo xtask arrows

Reads `cargo metadata` and fails on a dependency that runs against the order of the house
(docs/architecture.md), on an outside library in a crate that does not own it, and on anything
with sockets, clocks or tasks in a crate that is pure. The tables are in xtask/src/arrows.rs; a new
line in them comes with a record in docs/decisions.";

const DOCS: &str = "\
cargo xtask docs [--check]

Writes pollux.example.toml and docs/reference/config.md from the table of settings in
src/config/settings.rs, and the other pages of docs/reference that are made of tables;
docs/reference/coverage.md from xtask/src/coverage/table.txt and the clauses that code and tests
name. With --check compares and says which file is stale.";

const PLANTED: &str = "\
cargo xtask planted

Builds for development have defects that are planted on purpose (raft/src/plants.rs) and of which
none is chosen; a release has none. Looks that each is found by the simulation or by a walk of the
state machine: `pollux-sim --plant NAME` must end with 1 and name the invariant that the table says,
a walk with POLLUX_PLANT=NAME must fail. The table is in xtask/src/planted.rs. A defect that is not
found any more means that a test went blind.";

const PACKAGE: &str = "\
cargo xtask package [--program PATH] [--to FOLDER] [--try]

Makes pollux_VERSION_ARCHITECTURE.deb and a container file, in target/package or in FOLDER: of the
release, which is built first, or of the program at PATH. With --try (as root) makes three clean
Debian systems, starts each as a machine in a network namespace of its own, and runs there every
command of docs/install.md as it is written, to the end of its upgrade, while clients chat: it fails
when a command does, or when a message was lost or came twice.";

const UPGRADE: &str = "\
cargo xtask upgrade

Builds the program once more as the release after this one, by the feature `next-format`, whose
cluster format has something that this one does not read (raft/src/version.rs): it lies beside
`pollux` as `pollux-next`. Then a pair of real processes is upgraded node by node while people chat,
is broken while it is mixed, goes back, or is upgraded for good: the drills `rolling-upgrade` and
`rolling-downgrade` of docs/drills.md. Fails when a message was lost or came twice.";

const DRILL: &str = "\
cargo xtask drill NAME... [--runs N] [more of pollux-drill]

Builds the release once and runs `pollux-drill` with what stands behind `drill`: the names of drills
(docs/drills.md), or `all`, or `--list`. Prints one row a drill. Ends with an error when a promise
was broken or a bound of time missed. Drills that cut wires or freeze disks need root, and the
packages that `cargo xtask test` installs.";

const BENCH: &str = "\
cargo xtask bench peers [--figures WORK,…] [--runs N] [--quick] [--growth] [--json FILE] [more]
cargo xtask bench profile [--figures WORK,…] [--flame DIR] [--quick] [--json FILE] [more]
cargo xtask bench page [--from FILE …]

peers: installs Prosody and ejabberd from Debian where they are missing (their services stay off),
builds the release, and runs `pollux-load compare` with what stands behind `peers`: every work by
every server in turn, on loopback, with a fresh process for each run. Prints a table for each
figure, with the better peer, the ceilings, and whether Pollux is where it should be. Nothing else
should run on the machine meanwhile. What fails is named and left out. `--quick` shows within
minutes that all of it works, and measures nothing. `pollux-load compare --help` has the rest.

profile: says where the CPU goes. Installs linux-perf where it is missing, builds the release with
frame pointers in a folder of its own (some minutes at the first time), runs each work that is
measured in CPU once against Pollux and once against each ceiling, and records the server's
processes with perf during the measured part only. Prints for each figure what one unit costs by
kind of work, and how much of that the ceiling does not have. A sample counts for the function
nearest to its leaf that says something (xtask/src/bench/profile/kinds.rs). `--flame DIR` also draws
a flame graph of each: open it in a browser, click to come nearer. The C library has no frame
pointers: what it calls may stand there without its callers. All of it takes some minutes;
`--seconds 3` makes it shorter. Where perf may not record, it says so: it wants root, or
`sysctl kernel.perf_event_paranoid=1`.

page: writes the tables between the markers of docs/performance.md, and the pictures beside it, from
each FILE, which `peers --json FILE` or `profile --json FILE` wrote. Keeps them in docs/performance
under their names (a profile as profile.json), from which it makes the same again where no file is
named. Of a row that was measured several times the latest counts.";

const FUZZ: &str = "\
cargo xtask fuzz [TARGET [SECONDS]]

Without a name lists the targets. With one builds it by the nightly compiler, with libFuzzer in it,
and runs it for SECONDS (60): what it has found so far is in target/fuzz/TARGET, from which it goes
on the next time. Ends with an error when a property was broken; the input lies beside the corpus.
Needs `rustup toolchain install nightly` and a C++ compiler; `cargo fuzz` is not needed, but finds
the targets where it is there. The ordinary tests check the same properties over seeds, with numbers
in the place of chance.";

const SCREENSHOTS: &str = "\
cargo xtask screenshots [FOLDER]

Runs the test of the pages in Chromium, which takes pictures on its way, and puts these into FOLDER
(target/screenshots): each page wide, narrow and dark. They are for the eye; nothing is compared.
Needs the Debian packages chromium and chromium-driver.";

pub fn of(command: &str) -> Option<&'static str> {
    Some(match command {
        "test" => TEST,
        "verify" => VERIFY,
        "fix" => FIX,
        "tidy" => TIDY,
        "arrows" => ARROWS,
        "docs" => DOCS,
        "planted" => PLANTED,
        "upgrade" => UPGRADE,
        "drill" => DRILL,
        "package" => PACKAGE,
        "fuzz" => FUZZ,
        "bench" => BENCH,
        "screenshots" => SCREENSHOTS,
        _ => return None,
    })
}

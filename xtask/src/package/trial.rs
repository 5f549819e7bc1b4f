//! `cargo xtask package --try`: what the book says of installing a pair is run line by line, while
//! clients chat: on three clean systems with the package, then with containers, each in a network
//! namespace of its own. Needs root. Not for what the package is made of.

mod book;
mod containers;
mod host;
mod machine;
mod wires;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::packages;
use crate::step::run;
use crate::workspace::{cargo, target_folder};
use book::{Line, lines};
use containers::Engine;
use host::{Host, pause};
use machine::{Machine, base};
use wires::Bridge;

const MACHINES: &str = include_str!("../../../docs/install.md");
const CONTAINERS: &str = include_str!("../../../docs/containers.md");
/// From this heading on clients chat: nothing that follows may be noticed by them.
const CHAT_FROM: &str = "## A fault, on purpose";
/// Here the part that is run ends.
const END: &str = "## Removal";
/// The machines of the book.
const HOSTS: [&str; 3] = ["castor", "pollux", "third"];
/// How long a line may be refused by a pair that is not whole yet.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pairs of clients that chat.
const PAIRS: usize = 10;
/// What the trial itself needs.
const NEEDED: [&str; 5] = [
    "mmdebstrap",
    "systemd-container",
    "iproute2",
    "podman",
    "runc",
];

pub fn run_trial(program: &Path, package: &Path) -> anyhow::Result<()> {
    packages::install_these(&NEEDED)?;
    let folder = package.with_file_name("trial");
    std::fs::create_dir_all(&folder).context("make a folder for the trial")?;
    let load = load_tool(program)?;
    println!("making a clean system");
    let base = base(&folder)?;
    let bridge = Bridge::make()?;
    let machines = HOSTS.map(|name| Machine::start(&folder, &base, &bridge, name, package));
    let machines = machines
        .into_iter()
        .map(boxed)
        .collect::<anyhow::Result<_>>();
    Trial::of(machines?).run(MACHINES, &load, &folder)?;
    println!("the same with containers");
    let engine = Engine::start(&folder, &base)?;
    let hosts = HOSTS.map(|name| engine.host(name, &bridge));
    let hosts = hosts.into_iter().chain([engine.builder(package)]);
    let hosts = hosts.map(boxed).collect::<anyhow::Result<_>>();
    Trial::of(hosts?).run(CONTAINERS, &load, &folder)
}

fn boxed<H: Host + 'static>(host: anyhow::Result<H>) -> anyhow::Result<Box<dyn Host>> {
    Ok(Box::new(host?))
}

/// The tool whose clients chat: built with the program, or now.
fn load_tool(program: &Path) -> anyhow::Result<PathBuf> {
    let beside = program.with_file_name("pollux-load");
    if beside.exists() {
        return Ok(beside);
    }
    run(cargo().args(["build", "-p", "pollux-chaos", "--bin", "pollux-load"]))?;
    Ok(target_folder().join("debug/pollux-load"))
}

struct Trial {
    hosts: Vec<Box<dyn Host>>,
    /// What was printed last: a token, where the next line takes one.
    token: String,
}

impl Trial {
    fn of(hosts: Vec<Box<dyn Host>>) -> Self {
        Trial {
            hosts,
            token: String::new(),
        }
    }

    /// Follows a page of the book.
    fn run(&mut self, page: &str, load: &Path, folder: &Path) -> anyhow::Result<()> {
        let (quiet, chatty) = page
            .split_once(CHAT_FROM)
            .context("the page has no part with a fault")?;
        let (chatty, _) = chatty.split_once(END).context("the page has no end")?;
        self.follow(&lines(quiet))?;
        let password = self.add_users(folder)?;
        let mut chat = Chat::begin(load, &password)?;
        self.wait_for_chat()?;
        let followed = self.follow(&lines(chatty));
        let ended = chat.end();
        followed?;
        ended
    }

    fn host(&self, name: &str) -> anyhow::Result<&dyn Host> {
        let host = self.hosts.iter().find(|host| host.name() == name);
        let host = host.with_context(|| format!("the book has no machine `{name}`"))?;
        Ok(host.as_ref())
    }

    fn follow(&mut self, lines: &[Line]) -> anyhow::Result<()> {
        for line in lines {
            println!("{}# {}", line.host, line.shown());
            let text = line.text.replace("TOKEN", self.token.trim());
            let said = self.insist(&line.host, &text)?;
            if line.text.contains("cluster invite") {
                self.token = said;
            }
        }
        Ok(())
    }

    /// Runs a line until it is taken; one that asks how the subcluster is, until all is well.
    fn insist(&self, host: &str, text: &str) -> anyhow::Result<String> {
        let machine = self.host(host)?;
        let waits = text.contains("subcluster status");
        let mut left = PATIENCE.as_secs();
        loop {
            let failure = match machine.run(text) {
                Ok(said) if !waits || said.contains("protected yes") => return Ok(said),
                Ok(said) => anyhow::anyhow!("the pair is not protected:\n{said}"),
                Err(failure) => failure,
            };
            if left == 0 {
                return Err(failure.context(format!("{host}# {text}\n{}", machine.journal())));
            }
            left -= 1;
            pause();
        }
    }

    /// Until all clients have signed in: before that they know one node only.
    fn wait_for_chat(&self) -> anyhow::Result<()> {
        let all = format!("\"session_count\":{}", 2 * PAIRS);
        let ctl = self.host("castor")?.ctl();
        let line = format!("{ctl} --json status | grep --quiet '{all}'");
        self.insist("castor", &line).map(drop)
    }

    /// Users for the chat, in turns at both nodes.
    fn add_users(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let file = folder.join("password");
        std::fs::write(&file, "one for all of them\n").context("write the password")?;
        for user in 0..2 * PAIRS {
            let host = self.host(["castor", "pollux"][user / 2 % 2])?;
            host.give(&file, "password")?;
            let ctl = host.ctl();
            let line = format!("{ctl} user add load{user} --password-file - < password");
            self.insist(host.name(), &line)?;
        }
        Ok(file)
    }
}

/// Clients that talk through whatever happens, and the account of it.
struct Chat(Child);

impl Chat {
    fn begin(load: &Path, password: &Path) -> anyhow::Result<Self> {
        let mut chat = Command::new(load);
        chat.args([
            "drill",
            "--address",
            "203.0.113.1:5222",
            "--domain",
            "example.org",
        ]);
        chat.args(["--starttls", "--scram", "sha256", "--rate", "50", "--quiet"]);
        chat.arg("--pairs").arg(PAIRS.to_string());
        chat.arg("--password-file").arg(password);
        let chat = chat.stdin(Stdio::piped()).spawn();
        Ok(Chat(chat.context("begin to chat")?))
    }

    fn end(&mut self) -> anyhow::Result<()> {
        if let Some(mut input) = self.0.stdin.take() {
            input.write_all(b"\n").context("end the chat")?;
        }
        let status = self.0.wait().context("end the chat")?;
        if !status.success() {
            bail!("a promise was broken while the book was followed: {status}");
        }
        Ok(())
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        // It has ended, or the trial has failed.
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

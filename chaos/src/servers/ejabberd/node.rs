//! One node of ejabberd: its folder, its configuration, its process, and Erlang that is run on it.
//! Uses no port mapper of the machine, so that two runs never meet.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::super::DOMAIN;
use super::super::free_port::free_port;
use super::super::process::Process;

/// The script of the package, which knows where its libraries are.
const SCRIPT: &str = "/usr/sbin/ejabberdctl";

/// Looks fifty times a second for half a minute.
const STARTED: &str = "Look = fun Again(0) -> late; Again(Left) -> \
                       case rpc:call(N, application, which_applications, []) of \
                       {badrpc, Why} -> Why; All -> case lists:keymember(ejabberd, 1, All) of \
                       true -> ok; false -> timer:sleep(20), Again(Left - 1) end end end, \
                       Look(1500)";

/// What the nodes of a cluster, and whoever commands them, have in common.
pub struct Common {
    /// Each node listens for the others on this port, on an address of its own; a port mapper
    /// (epmd), of which a machine has one, is not asked.
    port: u16,
    libraries: String,
    /// The certificate with its key.
    certificate: PathBuf,
}

impl Common {
    pub fn new(port: u16, certificate: PathBuf) -> anyhow::Result<Self> {
        let script = fs::read_to_string(SCRIPT).with_context(|| format!("read {SCRIPT}"))?;
        let libraries = script
            .lines()
            .find_map(|line| line.trim().strip_prefix("ERL_LIBS='")?.strip_suffix('\''))
            .with_context(|| format!("find ERL_LIBS in {SCRIPT}"))?
            .to_owned();
        Ok(Common {
            port,
            libraries,
            certificate,
        })
    }

    /// Erlang under a name on an address of loopback; `home` is where it would keep a cookie.
    fn erl(&self, name: &str, home: &Path) -> Command {
        let mut command = Command::new("erl");
        command.env("HOME", home).current_dir(home);
        command.args(["-name", name, "-setcookie", &format!("bench{}", self.port)]);
        command.args(["-erl_epmd_port", &self.port.to_string()]);
        command.args(["-start_epmd", "false", "-noinput"]);
        command
    }
}

pub struct Node {
    index: usize,
    folder: PathBuf,
    address: SocketAddr,
    process: Option<Process>,
}

impl Node {
    pub fn make(folder: &Path, index: usize, common: &Common) -> anyhow::Result<Self> {
        let folder = folder.join(format!("node{index}"));
        fs::create_dir_all(folder.join("database")).context("make a folder for a node")?;
        let node = Node {
            index,
            folder,
            address: free_port()?,
            process: None,
        };
        fs::write(node.configuration_path(), node.configuration(common))
            .context("write ejabberd's configuration")?;
        Ok(node)
    }

    /// The first lives at 127.0.0.1, the second at 127.0.0.2.
    pub fn name(&self) -> String {
        format!("ejabberd@127.0.0.{}", self.index + 1)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    fn configuration_path(&self) -> PathBuf {
        self.folder.join("ejabberd.yml")
    }

    /// No shapers, caches that hold everybody (the default of 1,000 costs it a lot), as many
    /// connections waiting to be accepted as the others take, no pings of its own, and only the
    /// modules whose work the others do too. mod_offline keeps 100 messages a user by default.
    fn configuration(&self, common: &Common) -> String {
        format!(
            r#"loglevel: error
hosts: ["{DOMAIN}"]
certfiles: ["{certificate}"]
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    backlog: 4096
    shaper: none
    access: all
    starttls: true
s2s_access: none
auth_method: [internal]
auth_password_format: scram
auth_scram_hash: sha
disable_sasl_mechanisms: ["DIGEST-MD5", "X-OAUTH2", "PLAIN"]
cache_size: 100000
shaper_rules:
  max_user_sessions: 100
  max_user_offline_messages: 10000
modules:
  mod_carboncopy: {{}}
  mod_disco: {{}}
  mod_offline:
    access_max_user_messages: max_user_offline_messages
  mod_ping:
    send_pings: false
  mod_roster: {{}}
  mod_stream_mgmt: {{}}
"#,
            certificate = common.certificate.display(),
            port = self.address.port(),
        )
    }

    /// Returns when the whole of it stands: its port is open long before.
    pub fn start(&mut self, common: &Common) -> anyhow::Result<()> {
        if self.process.is_some() {
            bail!("{} runs already", self.name());
        }
        let mut command = common.erl(&self.name(), &self.folder);
        command
            .env("ERL_LIBS", &common.libraries)
            .env("EJABBERD_CONFIG_PATH", self.configuration_path())
            .env("EJABBERD_LOG_PATH", self.folder.join("ejabberd.log"))
            .env("ERL_CRASH_DUMP", self.folder.join("crash.dump"))
            .env("ERL_MAX_PORTS", "65536");
        let own = format!("{{127,0,0,{}}}", self.index + 1);
        command.args(["-kernel", "inet_dist_use_interface", &own]);
        command.args(["+K", "true", "+P", "250000", "-mnesia", "dir"]);
        command.arg(format!("\"{}\"", self.folder.join("database").display()));
        command.args(["-s", "ejabberd"]);
        let mut process = Process::start(&mut command, &self.folder.join("output"))?;
        process.wait_for(self.address)?;
        self.process = Some(process);
        self.eval(common, &self.folder, STARTED)
    }

    /// Runs Erlang in a process of its own, with `N` as the name of this node, which it reaches
    /// with `rpc:call`. It must come to `ok`.
    pub fn eval(&self, common: &Common, home: &Path, expression: &str) -> anyhow::Result<()> {
        let name = format!("ctl{}@127.0.0.1", std::process::id());
        let mut command = common.erl(&name, home);
        command.args(["-hidden", "-dist_listen", "false", "-eval"]);
        command.arg(format!(
            "N = '{}', case catch begin {expression} end of ok -> halt(0); Other -> \
             io:format(\"~p~n\", [Other]), halt(1) end.",
            self.name()
        ));
        let output = command.output().context("run erl")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            bail!("ejabberd refuses: {}", said.trim());
        }
        Ok(())
    }

    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.process.take().map_or(Ok(()), Process::stop)
    }

    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().map_or(Ok(()), Process::kill)
    }
}

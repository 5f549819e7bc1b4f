//! Debian's ejabberd, alone or as a cluster of two, with the settings that make a comparison fair.
//! What one of its nodes is stands in node; services of the system are not touched.

mod node;

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::certificate::Certificate;
use super::free_port::free_port;
use super::{DOMAIN, ITERATIONS, SALT, Server, Users};
use crate::client::{Keys, Mechanism};
use node::{Common, Node};

pub struct Ejabberd {
    // Processes end before their folder goes: fields drop in this order.
    nodes: Vec<Node>,
    common: Common,
    certificate: Certificate,
    /// Whether the nodes are a cluster already, which each keeps in its database.
    joined: bool,
    name: &'static str,
    folder: TempDir,
}

impl Ejabberd {
    /// The version that is installed, or a word on how to install one.
    pub fn version() -> anyhow::Result<String> {
        let missing = "ejabberd is not installed: apt-get install -y --no-install-recommends \
                       ejabberd";
        let mut command = Command::new("dpkg-query");
        command.args(["--show", "--showformat=${db:Status-Status} ${Version}"]);
        let output = command.arg("ejabberd").output().context(missing)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.strip_prefix("installed ").context(missing)?;
        Ok(format!("ejabberd {version}"))
    }

    /// One node.
    pub fn new() -> anyhow::Result<Self> {
        Self::of(1, "ejabberd")
    }

    /// Two nodes with one database and one table of sessions. Nothing else of a client is on both:
    /// whoever was on a node that dies has lost what was under way.
    pub fn cluster() -> anyhow::Result<Self> {
        Self::of(2, "ejabberd cluster")
    }

    fn of(count: usize, name: &'static str) -> anyhow::Result<Self> {
        Self::version()?;
        let folder = tempfile::Builder::new().prefix("ejabberd-").tempdir();
        let folder = folder.context("make a folder for ejabberd")?;
        let certificate = Certificate::make(folder.path(), DOMAIN)?;
        let mut both = fs::read(&certificate.certificate_path).context("read the certificate")?;
        both.extend(fs::read(&certificate.key_path).context("read the key")?);
        let both_path = folder.path().join("both.pem");
        fs::write(&both_path, both).context("write the certificate with its key")?;
        let common = Common::new(free_port()?.port(), both_path)?;
        let nodes = (0..count).map(|index| Node::make(folder.path(), index, &common));
        Ok(Ejabberd {
            nodes: nodes.collect::<anyhow::Result<_>>()?,
            common,
            certificate,
            joined: count == 1,
            name,
            folder,
        })
    }

    /// What mod_auth_mnesia keeps of one account: the keys, and never the password.
    fn record(password: &str) -> anyhow::Result<String> {
        let keys = Keys::derive(Mechanism::ScramSha1, password, SALT.as_bytes(), ITERATIONS);
        let keys = keys.context("derive the keys of the accounts")?;
        let [stored, server, salt] = [&keys.stored_key[..], &keys.server_key, SALT.as_bytes()]
            .map(|bytes| STANDARD.encode(bytes));
        Ok(format!(
            "{{scram, <<\"{stored}\">>, <<\"{server}\">>, <<\"{salt}\">>, sha, {ITERATIONS}}}"
        ))
    }

    /// Erlang that must come to `ok`, with `N` as the name of the first node.
    fn eval(&self, expression: &str) -> anyhow::Result<()> {
        let first = self.nodes.first().context("there is no node")?;
        first.eval(&self.common, self.folder.path(), expression)
    }
}

impl Server for Ejabberd {
    fn name(&self) -> &'static str {
        self.name
    }

    /// The first node first: it was stopped last and so has the latest tables.
    fn start(&mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            node.start(&self.common).context("start ejabberd")?;
        }
        if !self.joined {
            let join = format!(
                "rpc:call('{}', ejabberd_cluster, join, [N])",
                self.nodes[1].name()
            );
            self.eval(&join).context("join the nodes to a cluster")?;
            self.joined = true;
        }
        Ok(())
    }

    fn pid(&self) -> Option<u32> {
        self.nodes.first().and_then(Node::pid)
    }

    fn other_pids(&self) -> Vec<u32> {
        self.nodes.iter().skip(1).filter_map(Node::pid).collect()
    }

    fn address(&self) -> SocketAddr {
        self.nodes[0].address()
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(Node::address).collect()
    }

    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Writes the records of the accounts, as `ejabberdctl register` would one process at a time.
    fn add_users(&mut self, users: &Users) -> anyhow::Result<()> {
        if !users.prefix.bytes().all(|byte| byte.is_ascii_lowercase()) {
            bail!("{}: account names here are of a to z", users.prefix);
        }
        let record = Self::record(&users.password)?;
        let (prefix, last) = (&users.prefix, users.count as i64 - 1);
        self.eval(&format!(
            "ok = rpc:call(N, lists, foreach, [fun mnesia:dirty_write/1, [{{passwd, \
             {{<<\"{prefix}\", (integer_to_binary(I))/binary>>, <<\"{DOMAIN}\">>}}, {record}}} \
             || I <- lists:seq(0, {last})]]), dumped = rpc:call(N, mnesia, dump_log, []), ok"
        ))
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        let mut nodes = self.nodes.iter_mut().rev();
        nodes.try_for_each(Node::stop).context("stop ejabberd")
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        let mut nodes = self.nodes.iter_mut().rev();
        nodes.try_for_each(Node::kill).context("kill ejabberd")
    }
}

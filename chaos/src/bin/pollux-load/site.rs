//! The server that a run is about: one that runs already, or one that is started for it.

use std::fs;
use std::rc::Rc;

use anyhow::{Context, bail};
use pollux_chaos::client::{KeyCache, Mechanism, Tls, Trust};
use pollux_chaos::load::Target;
use pollux_chaos::servers::{Ejabberd, PasswordHash, Pollux, Prosody, Server, Users};

use crate::arguments::{Make, Scram, SiteArguments};

pub struct Site {
    target: Rc<Target>,
    server: Option<Box<dyn Server>>,
}

impl Site {
    /// `users` is how many the run needs; a server that is started here gets them.
    pub fn open(wanted: &SiteArguments, users: usize) -> anyhow::Result<Self> {
        let mut users = Users::new(users);
        let (mut target, server) = match wanted.start {
            None => (existing(wanted, users)?, None),
            Some(make) => {
                wanted.user_prefix.clone_into(&mut users.prefix);
                let mut server = build(make, wanted)?;
                server.start()?;
                server.add_users(&users).context("add users")?;
                (Target::of(&*server, &users, wanted.starttls)?, Some(server))
            }
        };
        target.mechanism = Some(mechanism(wanted));
        target.progress = !wanted.quiet;
        Ok(Site {
            target: Rc::new(target),
            server,
        })
    }

    pub fn target(&self) -> Rc<Target> {
        self.target.clone()
    }

    pub fn server(&mut self) -> Option<&mut dyn Server> {
        self.server
            .as_deref_mut()
            .map(|server| server as &mut dyn Server)
    }

    /// The server, for somebody else to stop.
    pub fn take_server(&mut self) -> Option<Box<dyn Server>> {
        self.server.take()
    }

    pub fn close(mut self) -> anyhow::Result<()> {
        self.server.as_mut().map_or(Ok(()), |server| server.stop())
    }
}

fn mechanism(wanted: &SiteArguments) -> Mechanism {
    match wanted.scram {
        Scram::Sha1 => Mechanism::ScramSha1,
        Scram::Sha256 => Mechanism::ScramSha256,
    }
}

fn build(make: Make, wanted: &SiteArguments) -> anyhow::Result<Box<dyn Server>> {
    Ok(match (make, wanted.scram) {
        (Make::Prosody, Scram::Sha1) => Box::new(Prosody::new(PasswordHash::Sha1)?),
        (Make::Prosody, Scram::Sha256) => Box::new(Prosody::new(PasswordHash::Sha256)?),
        (Make::Ejabberd, Scram::Sha1) => Box::new(Ejabberd::new()?),
        (Make::Ejabberd, Scram::Sha256) => bail!("ejabberd is started with --scram sha1 only"),
        (Make::Pollux, _) => Box::new(Pollux::in_mode(&wanted.pollux, 0, wanted.mode)?),
    })
}

fn existing(wanted: &SiteArguments, mut users: Users) -> anyhow::Result<Target> {
    let file = wanted
        .password_file
        .as_ref()
        .context("a password is needed: --password-file")?;
    let password = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    users.password = password.lines().next().unwrap_or_default().to_owned();
    users.prefix.clone_from(&wanted.user_prefix);
    users.domain.clone_from(&wanted.domain);
    let tls = if wanted.starttls {
        Tls::start_tls(Trust::Anyone)?
    } else {
        Tls::Never
    };
    Ok(Target {
        addresses: vec![
            wanted
                .address
                .context("a server is needed: --address or --start")?,
        ],
        patience: None,
        pid: wanted.pid,
        other_pids: Vec::new(),
        users,
        tls,
        mechanism: None,
        keys: KeyCache::default(),
        recordings: None,
        progress: true,
    })
}

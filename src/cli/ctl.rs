//! `pollux ctl`: turns arguments into operations, asks the node, gathers pages. How results look is
//! in `show.rs`.

use std::path::{Path, PathBuf};

use pollux_domain::operations::{
    Errand, Operation, OperationError, Outcome, SessionRef, SessionRow, UserName, UserRow,
};

use super::administrators;
use super::arguments::{
    ClusterCommand, Ctl, CtlCommand, NodeCommand, SessionCommand, SubclusterCommand, UserCommand,
    WitnessCommand,
};
use super::external;
use super::password::{self, Password};
use super::service;
use super::settings;
use super::show::{self, Shown};
use super::{Failure, Output};
use crate::config::Config;
use crate::control::{ClientError, ask};
use crate::exit::Exit;

/// The settings of a node that was installed from a package.
const INSTALLED: &str = "/etc/pollux/pollux.toml";

pub fn run(ctl: Ctl, output: &mut Output<'_>) -> Result<(), Failure> {
    let json = ctl.json;
    let node = Node {
        socket: socket(&ctl)?,
        at: ctl.at,
    };
    let shown = match ctl.command {
        CtlCommand::User(command) => user(&node, command)?,
        CtlCommand::Session(command) => session(&node, command)?,
        CtlCommand::Cluster(command) => cluster(&node, command)?,
        CtlCommand::Subcluster(command) => subcluster(&node, command)?,
        CtlCommand::Service(command) => service::run(&node, command, output)?,
        CtlCommand::Node(command) => emptying(&node, command)?,
        CtlCommand::Settings(command) => settings::run(&node, command)?,
        CtlCommand::External(command) => external::run(&node, command)?,
        CtlCommand::Administrator(command) => administrators::administrator(&node, command)?,
        CtlCommand::Token(command) => administrators::token(&node, command)?,
        CtlCommand::Audit { before } => administrators::audit(&node, before)?,
        CtlCommand::SelfTest => match node.ask(Operation::NodeSelfTest {})? {
            Outcome::SelfTest(findings) => Shown::SelfTest(findings),
            other => return Err(unexpected(&other)),
        },
        CtlCommand::Statistics => match node.ask(Operation::Statistics {})? {
            Outcome::Statistics(figures) => Shown::Statistics(figures),
            other => return Err(unexpected(&other)),
        },
        CtlCommand::History => match node.ask(Operation::NodeHistory {})? {
            Outcome::History(rows) => Shown::History(rows),
            other => return Err(unexpected(&other)),
        },
        CtlCommand::Status => match node.ask(Operation::NodeStatus {})? {
            Outcome::Status(status) => Shown::Status(status),
            other => return Err(unexpected(&other)),
        },
    };
    let text = if json {
        show::json(&shown)
    } else {
        show::text(&shown)
    };
    output.out.write_all(text.as_bytes())?;
    Ok(())
}

fn socket(ctl: &Ctl) -> Result<PathBuf, Failure> {
    if let Some(socket) = &ctl.socket {
        return Ok(socket.clone());
    }
    let socket = Config::load(ctl.config.as_deref())?.control.socket;
    // Nobody said which node, and none runs in this folder: it is the one of the machine.
    let installed = Path::new(INSTALLED);
    match ctl.config.is_none() && !socket.exists() && installed.exists() {
        true => Ok(Config::load(Some(installed))?.control.socket),
        false => Ok(socket),
    }
}

fn user(node: &Node, command: UserCommand) -> Result<Shown, Failure> {
    match command {
        UserCommand::Privacy { name, settings } => settings::privacy(node, name, &settings),
        UserCommand::Add { name, password } => {
            let user = UserName::new(name)?;
            let password = password::take(password.password_file.as_deref())?;
            let operation = Operation::UserAdd {
                user: user.clone(),
                password: password.secret().clone(),
            };
            node.done(operation)?;
            Ok(with_password("added", user, password))
        }
        UserCommand::Import { name, keys_file } => {
            let user = UserName::new(name)?;
            let keys = password::keys(&keys_file)?;
            let operation = Operation::UserImport {
                user: user.clone(),
                keys,
            };
            node.done(operation)?;
            Ok(Shown::Done {
                what: "imported",
                subject: user.to_string(),
            })
        }
        UserCommand::SetPassword { name, password } => {
            let user = UserName::new(name)?;
            let password = password::take(password.password_file.as_deref())?;
            let operation = Operation::UserSetPassword {
                user: user.clone(),
                password: password.secret().clone(),
            };
            node.done(operation)?;
            Ok(with_password("password set", user, password))
        }
        UserCommand::Remove { name } => {
            let user = UserName::new(name)?;
            node.done(Operation::UserRemove { user: user.clone() })?;
            Ok(Shown::Done {
                what: "removed",
                subject: user.to_string(),
            })
        }
        UserCommand::Disable { name } => {
            let user = UserName::new(name)?;
            node.done(Operation::UserDisable { user: user.clone() })?;
            Ok(Shown::Done {
                what: "disabled",
                subject: user.to_string(),
            })
        }
        UserCommand::Enable { name } => {
            let user = UserName::new(name)?;
            node.done(Operation::UserEnable { user: user.clone() })?;
            Ok(Shown::Done {
                what: "enabled",
                subject: user.to_string(),
            })
        }
        UserCommand::List => node.users().map(Shown::Users),
    }
}

fn session(node: &Node, command: SessionCommand) -> Result<Shown, Failure> {
    match command {
        SessionCommand::List { user } => {
            let user = user.map(UserName::new).transpose()?;
            node.sessions(user.as_ref()).map(Shown::Sessions)
        }
        SessionCommand::End { session } => {
            let session = SessionRef::new(session)?;
            node.done(Operation::SessionEnd {
                session: session.clone(),
            })?;
            Ok(Shown::Done {
                what: "ended",
                subject: session.to_string(),
            })
        }
    }
}

fn cluster(node: &Node, command: ClusterCommand) -> Result<Shown, Failure> {
    match command {
        ClusterCommand::Invite {
            witness,
            subcluster,
            replaces,
        } => {
            let invite = Operation::ClusterInvite {
                witness,
                subcluster,
                replaces,
            };
            match node.ask(invite)? {
                Outcome::Token(token) => Ok(Shown::Token(token)),
                other => Err(unexpected(&other)),
            }
        }
        ClusterCommand::Backup => match node.ask(Operation::ClusterBackup {})? {
            Outcome::BackupMade(made) => Ok(Shown::Made(made)),
            other => Err(unexpected(&other)),
        },
        ClusterCommand::Backups => match node.ask(Operation::ClusterBackups {})? {
            Outcome::Backups(rows) => Ok(Shown::Backups(rows)),
            other => Err(unexpected(&other)),
        },
        ClusterCommand::Nodes => match node.ask(Operation::ClusterNodes {})? {
            Outcome::Nodes(rows) => Ok(Shown::Nodes(rows)),
            other => Err(unexpected(&other)),
        },
        ClusterCommand::Certificates => match node.ask(Operation::ClusterCertificates {})? {
            Outcome::Certificates(status) => Ok(Shown::Certificates(status)),
            other => Err(unexpected(&other)),
        },
        ClusterCommand::RotateCertificates => {
            node.done(Operation::ClusterRotateCertificates {})?;
            Ok(Shown::Done {
                what: "begun; `cluster certificates` shows how far it is",
                subject: "rotation".to_owned(),
            })
        }
        ClusterCommand::FinishUpgrade => {
            node.done(Operation::ClusterFinishUpgrade {})?;
            Ok(Shown::Done {
                what: "finished",
                subject: "upgrade".to_owned(),
            })
        }
        ClusterCommand::Remove { node: number } => {
            node.done(Operation::ClusterRemove { node: number })?;
            Ok(Shown::Done {
                what: "removed",
                subject: format!("node {number}"),
            })
        }
    }
}

fn emptying(node: &Node, command: NodeCommand) -> Result<Shown, Failure> {
    let (operation, what, number) = match command {
        NodeCommand::Drain { node } => {
            let what = "drained; its twin serves its users";
            (Operation::NodeDrain { node }, what, node)
        }
        NodeCommand::Undrain { node } => {
            let what = "takes users again; `subcluster fallback` brings its own home";
            (Operation::NodeUndrain { node }, what, node)
        }
    };
    node.done(operation)?;
    let subject = format!("node {number}");
    Ok(Shown::Done { what, subject })
}

fn subcluster(node: &Node, command: SubclusterCommand) -> Result<Shown, Failure> {
    let (operation, what, subject) = match command {
        SubclusterCommand::Status => {
            return match node.ask(Operation::SubclusterStatus {})? {
                Outcome::Subcluster(status) => Ok(Shown::Subcluster(status)),
                other => Err(unexpected(&other)),
            };
        }
        SubclusterCommand::Takeovers => {
            return match node.ask(Operation::SubclusterTakeovers {})? {
                Outcome::Takeovers(rows) => Ok(Shown::Takeovers(rows)),
                other => Err(unexpected(&other)),
            };
        }
        SubclusterCommand::Verify => {
            return match node.ask(Operation::SubclusterVerify {})? {
                Outcome::Digests(rows) => Ok(Shown::Digests(rows)),
                other => Err(unexpected(&other)),
            };
        }
        SubclusterCommand::Ha { state } => {
            let on = state == "on";
            let what = if on { "on" } else { "off" };
            let operation = Operation::SubclusterSetHighAvailability { on };
            (operation, what, "high availability".to_owned())
        }
        SubclusterCommand::Failover { node: number } => (
            Operation::SubclusterFailover { node: number },
            "relieved; its twin serves its users",
            format!("node {number}"),
        ),
        SubclusterCommand::Witness(WitnessCommand::Move { to, subcluster, .. }) => (
            Operation::SubclusterMoveWitness { subcluster, to },
            match to {
                Some(_) => "moved",
                None => "chosen by the cluster",
            },
            "witness".to_owned(),
        ),
        SubclusterCommand::Fallback => (
            Operation::SubclusterFallback {},
            "served by their home nodes",
            "all users".to_owned(),
        ),
    };
    node.done(operation)?;
    Ok(Shown::Done { what, subject })
}

/// A password that the caller brought is known already; one that was made is shown this once.
fn with_password(what: &'static str, user: UserName, password: Password) -> Shown {
    match password {
        Password::Given(_) => Shown::Done {
            what,
            subject: user.to_string(),
        },
        Password::Generated(password) => Shown::Generated {
            what,
            subject: user.to_string(),
            password,
        },
    }
}

// === impl Node ===

/// The node behind the socket.
pub(super) struct Node {
    socket: PathBuf,
    /// The node that does it, where it is another one.
    at: Option<u16>,
}

impl Node {
    pub(super) fn ask(&self, operation: Operation) -> Result<Outcome, Failure> {
        let at = self.at;
        Ok(ask(&self.socket, Errand { operation, at })?)
    }

    pub(super) fn done(&self, operation: Operation) -> Result<(), Failure> {
        match self.ask(operation)? {
            Outcome::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn users(&self) -> Result<Vec<UserRow>, Failure> {
        let mut all: Vec<UserRow> = Vec::new();
        loop {
            let after = all.last().map(|row| row.user.clone());
            let page = match self.ask(Operation::UserList { after })? {
                Outcome::Users(page) => page,
                other => return Err(unexpected(&other)),
            };
            // A page that promises more and brings nothing would be asked for without end.
            let more = page.more && !page.rows.is_empty();
            all.extend(page.rows);
            if !more {
                return Ok(all);
            }
        }
    }

    fn sessions(&self, user: Option<&UserName>) -> Result<Vec<SessionRow>, Failure> {
        let mut all: Vec<SessionRow> = Vec::new();
        loop {
            let after = all.last().map(|row| row.session.clone());
            let operation = Operation::SessionList {
                user: user.cloned(),
                after,
            };
            let page = match self.ask(operation)? {
                Outcome::Sessions(page) => page,
                other => return Err(unexpected(&other)),
            };
            let more = page.more && !page.rows.is_empty();
            all.extend(page.rows);
            if !more {
                return Ok(all);
            }
        }
    }
}

pub(super) fn unexpected(outcome: &Outcome) -> Failure {
    Failure::new(
        Exit::Software,
        format!("the node answers something else: {outcome:?}"),
    )
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match &error {
            ClientError::NoNode { error, .. } => match error.kind() {
                std::io::ErrorKind::PermissionDenied => Exit::NoPerm,
                _ => Exit::Unavailable,
            },
            ClientError::Unknown(_) => Exit::IoErr,
            ClientError::Refused(refused) => Exit::of(refused.kind),
        };
        Self::new(exit, error.to_string())
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        Self::new(Exit::of(error.kind), error.to_string())
    }
}

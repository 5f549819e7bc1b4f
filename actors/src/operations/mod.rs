//! Executes the operations of the registry on this node. What they are stands in
//! `domain::operations`.

mod administrators;
mod audit;
pub mod backup;
mod certificates;
mod cluster;
mod digests;
pub(crate) mod elsewhere;
mod emptying;
mod external;
mod privacy;
mod redundancy;
pub(crate) mod relogin;
pub(crate) mod replicas;
mod self_test;
mod services;
mod settings;
pub(crate) mod subcluster;
mod upgrade;
mod witnesses;

use std::sync::{Arc, PoisonError};

use pollux_domain::availability::Show;
use pollux_domain::contract::{Command, EndReason};
use pollux_domain::ids::NodeId;
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::metrics::{Sample, Value};
use pollux_domain::operations::{
    Caller, Errand, ErrorKind, Figure, GroupRow, ListenerRow, NodeStatus, Operation,
    OperationError, OperationExecutor, Outcome, Rows, SessionRef, SessionRow, UserName, UserRow,
};
use pollux_raft::group::Group;
use pollux_raft::machine::Kind;
use pollux_raft::state;
use pollux_raft::version;

use crate::history;
use crate::node::Node;
use crate::users::{self, UserError};

/// See the module.
#[derive(Clone)]
pub struct Executor {
    node: Arc<Node>,
}

impl Executor {
    pub fn new(node: Arc<Node>) -> Executor {
        Executor { node }
    }
}

impl OperationExecutor for Executor {
    async fn execute(&self, caller: &Caller, errand: Errand) -> Result<Outcome, OperationError> {
        let Errand { operation, at } = errand;
        let permission = operation.permission();
        if !caller.may(permission) {
            let message = match caller {
                Caller::LocalSocket { .. } => "the caller may not do this".to_owned(),
                Caller::Administrator { role, .. } => {
                    format!("the role {role} may not do this")
                }
            };
            return Err(OperationError::new(ErrorKind::Forbidden, message));
        }
        let me = self.node.settings.node;
        let there = at.map(NodeId).or_else(|| self.who_knows(&operation));
        if let Some(there) = there.filter(|there| *there != me) {
            // It is written down where it is done.
            return self.pass(there, caller, operation).await;
        }
        let line = operation.audit_line(caller);
        let result = self.run(operation).await;
        if permission.is_change() {
            match &result {
                Ok(_) => tracing::info!(audit = %line, "operation done"),
                Err(error) => tracing::info!(audit = %line, %error, "operation refused"),
            }
            self.write_down(&line, result.as_ref().map(|_| ())).await;
        }
        result
    }
}

impl Executor {
    async fn run(&self, operation: Operation) -> Result<Outcome, OperationError> {
        match operation {
            Operation::UserAdd { user, password } => {
                let user = self.address(&user)?;
                users::add(
                    &self.node,
                    &user,
                    password.expose_secret().to_owned(),
                    false,
                )
                .await?;
                Ok(Outcome::Done)
            }
            Operation::UserSetPassword { user, password } => {
                let user = self.address(&user)?;
                users::set_password(&self.node, &user, password.expose_secret().to_owned()).await?;
                Ok(Outcome::Done)
            }
            Operation::UserRemove { user } => {
                let user = self.address(&user)?;
                users::remove(&self.node, &user).await?;
                Ok(Outcome::Done)
            }
            Operation::UserDisable { user } => {
                let user = self.address(&user)?;
                users::set_disabled(&self.node, &user, true).await?;
                Ok(Outcome::Done)
            }
            Operation::UserEnable { user } => {
                let user = self.address(&user)?;
                users::set_disabled(&self.node, &user, false).await?;
                Ok(Outcome::Done)
            }
            Operation::UserImport { user, keys } => {
                let user = self.address(&user)?;
                users::import(&self.node, &user, keys.expose_secret()).await?;
                Ok(Outcome::Done)
            }
            Operation::UserList { after } => self.user_list(after),
            Operation::PrivacyShow { user } => self.privacy_show(&user),
            Operation::PrivacySet { user, settings } => self.privacy_set(&user, &settings).await,
            Operation::SessionList { user, after } => self.session_list(user, after),
            Operation::SessionEnd { session } => self.session_end(&session).await,
            Operation::Statistics {} => Ok(Outcome::Statistics(self.figures())),
            Operation::NodeHistory {} => Ok(Outcome::History(history::rows(&self.node))),
            Operation::NodeStatus {} => Ok(Outcome::Status(self.status())),
            Operation::NodeSelfTest {} => self.self_test().await,
            Operation::ServiceList {} => Ok(self.service_list()),
            Operation::ServiceStart { service } => self.service_start(service).await,
            Operation::ServiceStop { service } => self.service_stop(service).await,
            Operation::ServiceRestart { service } => self.service_restart(service).await,
            Operation::NodeDrain { node } => self.node_drain(node).await,
            Operation::NodeUndrain { node } => self.node_undrain(node).await,
            Operation::SettingsList {} => Ok(self.settings_list()),
            Operation::SettingsSet { settings } => self.settings_set(&settings).await,
            Operation::ExternalShow {} => Ok(self.external_show()),
            Operation::ExternalSetSecret { secret } => self.external_secret(Some(secret)).await,
            Operation::ExternalForgetSecret {} => self.external_secret(None).await,
            Operation::ClusterInvite {
                witness,
                subcluster,
                replaces,
            } => self.cluster_invite(witness, subcluster, replaces).await,
            Operation::ClusterBackup {} => self.cluster_backup().await,
            Operation::ClusterBackups {} => self.cluster_backups(),
            Operation::ClusterNodes {} => Ok(Outcome::Nodes(self.cluster_nodes())),
            Operation::ClusterFinishUpgrade {} => self.finish_upgrade().await,
            Operation::ClusterCertificates {} => self.cluster_certificates(),
            Operation::ClusterRotateCertificates {} => self.rotate_certificates().await,
            Operation::ClusterRemove { node } => self.cluster_remove(node).await,
            Operation::SubclusterStatus {} => {
                Ok(Outcome::Subcluster(subcluster::status(&self.node)))
            }
            Operation::SubclusterTakeovers {} => Ok(Outcome::Takeovers(self.takeovers())),
            Operation::SubclusterSetHighAvailability { on } => self.set_high_availability(on).await,
            Operation::SubclusterFailover { node } => self.failover(node).await,
            Operation::SubclusterFallback {} => self.fallback().await,
            Operation::SubclusterMoveWitness { subcluster, to } => {
                self.move_witness(subcluster, to).await
            }
            Operation::SubclusterVerify {} => self.verify().await,
            Operation::AdministratorAdd {
                administrator,
                role,
                password,
            } => self.administrator_add(administrator, role, password).await,
            Operation::AdministratorList {} => Ok(self.administrator_list()),
            Operation::AdministratorRemove { administrator } => {
                self.administrator_remove(administrator).await
            }
            Operation::AdministratorSetPassword {
                administrator,
                password,
            } => {
                self.administrator_set_password(administrator, password)
                    .await
            }
            Operation::AdministratorSetRole {
                administrator,
                role,
            } => self.administrator_set_role(administrator, role).await,
            Operation::TokenAdd { token, role, days } => self.token_add(token, role, days).await,
            Operation::TokenList {} => Ok(self.token_list()),
            Operation::TokenRemove { token } => self.token_remove(token).await,
            Operation::AuditList { before } => Ok(self.audit_list(before)),
        }
    }

    /// The user's address: a local part alone is one of this domain.
    fn address(&self, user: &UserName) -> Result<BareJid, OperationError> {
        let domain = &self.node.settings.domain;
        let address = match user.as_str().contains('@') {
            true => BareJid::parse(user.as_str()),
            false => BareJid::from_parts(Some(user.as_str()), domain),
        };
        let address = address.map_err(|error| {
            OperationError::new(
                ErrorKind::Invalid,
                format!("'{user}' is no user name: {error}"),
            )
        })?;
        if address.local().is_none() || address.domain() != domain {
            let message = format!("'{user}' is not a user of {domain}");
            return Err(OperationError::new(ErrorKind::Invalid, message));
        }
        Ok(address)
    }

    fn user_list(&self, after: Option<UserName>) -> Result<Outcome, OperationError> {
        let after = after.map(|after| self.address(&after)).transpose()?;
        let users: Vec<(BareJid, bool, bool)> = self.node.configuration.read(|state| {
            let users = state
                .users()
                .filter(|(user, _)| Some(*user) > after.as_ref());
            users
                .map(|(user, account)| (user.clone(), account.administrator, account.disabled))
                .collect()
        });
        let rows = users
            .into_iter()
            .filter_map(|(user, is_administrator, is_disabled)| {
                let (availability, sessions, offline) = self.node.subcluster.read(|state| {
                    let sessions = state.sessions_by_jid(&user).len();
                    (
                        state.availability(&user),
                        sessions,
                        state.offline_count(&user),
                    )
                });
                Some(UserRow {
                    user: UserName::new(user.as_str()).ok()?,
                    is_administrator,
                    is_disabled,
                    availability: availability.to_string(),
                    session_count: sessions as u32,
                    offline_count: offline as u32,
                })
            });
        Ok(Outcome::Users(Rows::fill(rows)))
    }

    fn session_list(
        &self,
        user: Option<UserName>,
        after: Option<SessionRef>,
    ) -> Result<Outcome, OperationError> {
        let user = user.map(|user| self.address(&user)).transpose()?;
        let mut rows = self
            .node
            .subcluster
            .read(|state| state.session_rows(user.as_ref()));
        rows.sort_by(|one, other| one.jid.cmp(&other.jid));
        let behind = |row: &state::SessionRow| {
            after
                .as_ref()
                .is_none_or(|after| after.as_str() < row.jid.as_str())
        };
        let rows = rows.into_iter().filter(behind).filter_map(|row| {
            Some(SessionRow {
                session: SessionRef::new(row.jid.as_str()).ok()?,
                user: UserName::new(row.jid.bare_str()).ok()?,
                resource: row.jid.resource().unwrap_or_default().to_owned(),
                peer: None,
                availability: shown(&row),
                has_stream_management: row.resumable,
                slot_count: row.slots as u32,
            })
        });
        Ok(Outcome::Sessions(Rows::fill(rows)))
    }

    async fn session_end(&self, session: &SessionRef) -> Result<Outcome, OperationError> {
        let not_found = || {
            OperationError::new(
                ErrorKind::NotFound,
                format!("there is no session '{session}'"),
            )
        };
        let jid = Jid::parse(session.as_str()).map_err(|_| not_found())?;
        let speaker = self.node.subcluster.read(|state| {
            let sessions = state.sessions_by_jid(&jid.to_bare());
            let (id, _) = sessions.into_iter().find(|(_, other)| *other == jid)?;
            state.speaker(id)
        });
        let session = speaker.ok_or_else(not_found)?;
        let command = Command::End {
            session,
            reason: EndReason::Administrator,
        };
        self.node
            .subcluster
            .execute(command)
            .await
            .map_err(UserError::from)?;
        Ok(Outcome::Done)
    }

    fn figures(&self) -> Vec<Figure> {
        let figure = |sample: Sample| {
            let value = match sample.value {
                Value::Counter(count) => count,
                Value::Gauge(level) | Value::Total(level) => level as u64,
                Value::Histogram(_) => return None,
            };
            let labels: Vec<String> = sample
                .labels
                .iter()
                .map(|(label, value)| format!("{label}={value}"))
                .collect();
            let name = match labels.is_empty() {
                true => sample.name.to_owned(),
                false => format!("{}{{{}}}", sample.name, labels.join(",")),
            };
            Some(Figure { name, value })
        };
        self.node.samples().into_iter().filter_map(figure).collect()
    }

    fn status(&self) -> NodeStatus {
        let node = &self.node;
        let statistics = node.subcluster.read(|state| state.statistics());
        let now = node.ambient.clock.now();
        let tenures = node.tenures.all();
        let serves = tenures.iter().any(|tenure| tenure.holds(now));
        let listeners = node
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let uptime = node.ambient.clock.now().saturating_sub(node.started);
        NodeStatus {
            node_id: node.settings.node.0,
            version: version::BUILD.to_owned(),
            formats: version::FORMATS,
            format: node.settings.in_use.get(),
            domain: node.settings.domain.clone(),
            state: match (node.is_stopping(), node.settings.is_witness, serves) {
                (true, ..) => "stopping",
                (false, true, _) => "witness",
                (false, false, true) => "serving",
                (false, false, false) => "standing by",
            }
            .to_owned(),
            uptime_seconds: uptime.as_secs(),
            flush_ms: history::flush_ms(node),
            user_count: statistics.users as u64,
            session_count: statistics.sessions as u64,
            listeners: listeners
                .iter()
                .map(|listening| ListenerRow {
                    protocol: listening.protocol.to_owned(),
                    address: listening.address.to_string(),
                })
                .collect(),
            groups: self.group_rows(),
            relogin: relogin::hint(node),
        }
    }
}

impl Executor {
    fn group_rows(&self) -> Vec<GroupRow> {
        let node = &self.node;
        let own = [
            group_row("configuration", &node.configuration),
            group_row("subcluster", &node.subcluster),
        ];
        let hosted = node.hosting.all().into_iter();
        let hosted = hosted.map(|hosted| {
            let name = format!("witness of subcluster {}", hosted.subcluster);
            group_row(&name, &hosted.group)
        });
        own.into_iter().chain(hosted).collect()
    }
}

fn group_row<G: Kind>(name: &str, group: &Group<G>) -> GroupRow {
    let (_, applied_index, _) = group.indexes();
    let voters = group.voters();
    let role = match (group.leads(), voters.contains(&group.me())) {
        (true, _) => "leader",
        (false, true) => "follower",
        (false, false) => "learner",
    };
    GroupRow {
        group: name.to_owned(),
        role: role.to_owned(),
        term: group.term(),
        applied_index,
        voter_count: voters.len() as u32,
    }
}

fn shown(row: &state::SessionRow) -> String {
    match row.availability.map(|device| device.show) {
        None => "unavailable",
        Some(Show::Available) => "available",
        Some(Show::Chat) => "chat",
        Some(Show::Away) => "away",
        Some(Show::ExtendedAway) => "extended away",
        Some(Show::DoNotDisturb) => "do not disturb",
    }
    .to_owned()
}

impl From<UserError> for OperationError {
    fn from(error: UserError) -> OperationError {
        let kind = match &error {
            UserError::Exists => ErrorKind::AlreadyExists,
            UserError::NoSuchUser => ErrorKind::NotFound,
            UserError::TooMany => ErrorKind::ResourceConstraint,
            UserError::Password(_) => ErrorKind::Invalid,
            UserError::Group(_) => ErrorKind::Unavailable,
            UserError::Codec(_) | UserError::GivenUp => ErrorKind::Internal,
            UserError::Changed => ErrorKind::ResourceConstraint,
        };
        OperationError::new(kind, error.to_string())
    }
}

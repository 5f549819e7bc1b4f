//! A node that is none: it knows some administrators, writes down what is asked of it, and shows a
//! pair.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pollux_admin_ui::{AdminParts, Administration, Administrator, Pending, Running, start_admin};
use pollux_domain::operations::{
    AdministratorName, AuditRow, Caller, ClusterNodeRow, Denial, Errand, ErrorKind, Face, HomeRow,
    MemberRow, NodeStatus, Operation, OperationError, Outcome, Role, Rows, Secret, ServiceRow,
    SubclusterStatus,
};
use pollux_domain::self_test::Finding;
use pollux_domain::services::{Observed, Service, Wish};
use pollux_domain::version::Formats;

use super::client::{self, Answer, loopback};

/// The password of everybody.
pub const PASSWORD: &str = "open sesame";
/// Wrong passwords, after which nobody is let in any more.
pub const FAILURES_MAX: u64 = 5;

/// What the node has instead of a life.
pub struct Node {
    now: Mutex<Duration>,
    accounts: Mutex<BTreeMap<AdministratorName, Administrator>>,
    /// Everything that was executed.
    pub done: Mutex<Vec<(Caller, Operation)>>,
    failures: AtomicU64,
    secrets: AtomicU64,
    /// What people call the first node.
    pub first_name: Mutex<String>,
    pub first_is_there: Mutex<bool>,
    /// Why whatever changes something is refused.
    pub refusal: Mutex<Option<OperationError>>,
}

/// One for each role, named as it.
pub fn name_of(role: Role) -> AdministratorName {
    AdministratorName::new(role.word()).unwrap()
}

impl Node {
    pub fn advance(&self, by: Duration) {
        *self.now.lock().unwrap() += by;
    }

    pub fn remove(&self, role: Role) {
        self.accounts.lock().unwrap().remove(&name_of(role));
    }

    pub fn change(&self, role: Role, change: impl FnOnce(&mut Administrator)) {
        change(
            self.accounts
                .lock()
                .unwrap()
                .get_mut(&name_of(role))
                .unwrap(),
        );
    }

    /// What was executed that changes something.
    pub fn changes(&self) -> Vec<(Caller, Operation)> {
        let done = self.done.lock().unwrap();
        let changes = done.iter().filter(|(_, one)| one.permission().is_change());
        changes.cloned().collect()
    }

    fn outcome(&self, operation: &Operation) -> Outcome {
        match operation {
            Operation::NodeStatus {} => Outcome::Status(status()),
            Operation::ClusterNodes {} => Outcome::Nodes(self.nodes()),
            Operation::SubclusterStatus {} => Outcome::Subcluster(self.subcluster()),
            Operation::SubclusterTakeovers {} => Outcome::Takeovers(Vec::new()),
            Operation::NodeHistory {} => Outcome::History(Vec::new()),
            Operation::ServiceList {} => Outcome::Services(services()),
            Operation::NodeSelfTest {} => Outcome::SelfTest(findings()),
            Operation::AuditList { before } => Outcome::Audit(audit(*before)),
            _ => Outcome::Done,
        }
    }

    fn nodes(&self) -> Vec<ClusterNodeRow> {
        let there = *self.first_is_there.lock().unwrap();
        let first = if there { "connected" } else { "not connected" };
        let names = [
            (1, self.first_name.lock().unwrap().clone(), first),
            (2, "pollux".to_owned(), "this node"),
        ];
        let rows = names.map(|(node, name, state)| ClusterNodeRow {
            node,
            name,
            role: "node".to_owned(),
            subcluster: 1,
            incarnation: 1,
            address: format!("192.0.2.{node}:7222"),
            version: "0.1.0".to_owned(),
            formats: FORMATS,
            format: 1,
            site: None,
            witness_of: Vec::new(),
            is_drained: false,
            state: state.to_owned(),
        });
        rows.to_vec()
    }

    fn subcluster(&self) -> SubclusterStatus {
        let there = *self.first_is_there.lock().unwrap();
        let homes = [(1, if there { 1 } else { 2 }), (2, 2)];
        let homes = homes.map(|(home, serving)| HomeRow {
            home,
            serving: Some(serving),
            epoch: 1,
            users: 3,
            sessions: 1,
            is_held_here: serving == 2,
        });
        let members = [1, 2, 3].map(|node| MemberRow {
            node,
            incarnation: 1,
            votes: true,
            matched_index: Some(7),
        });
        SubclusterStatus {
            subcluster: 1,
            high_availability: true,
            is_protected: there,
            exposure: None,
            leader: Some(2),
            term: 1,
            homes: homes.to_vec(),
            members: members.to_vec(),
            nodes: Vec::new(),
        }
    }
}

const FORMATS: Formats = Formats {
    oldest: 1,
    newest: 1,
};

fn status() -> NodeStatus {
    NodeStatus {
        node_id: 2,
        version: "0.1.0".to_owned(),
        formats: FORMATS,
        format: 1,
        domain: "example.org".to_owned(),
        state: "serving".to_owned(),
        uptime_seconds: 1,
        flush_ms: Some(2.5),
        user_count: 6,
        session_count: 2,
        listeners: Vec::new(),
        groups: Vec::new(),
        relogin: Default::default(),
    }
}

fn services() -> Vec<ServiceRow> {
    vec![ServiceRow {
        service: Service::Clients,
        is_critical: true,
        can_stop: true,
        wanted: Wish::Running,
        state: Observed::Failed,
        for_seconds: 7,
        reason: Some("port <i>taken</i>".to_owned()),
        meaning: "the port for clients".to_owned(),
    }]
}

fn findings() -> Vec<Finding> {
    vec![Finding::warned("disk", "nearly full", "add some")]
}

fn audit(before: Option<u64>) -> Rows<AuditRow> {
    let row = AuditRow {
        number: before.unwrap_or(9) - 1,
        at: "2026-11-29T12:00:00Z".to_owned(),
        caller: "local user 0".to_owned(),
        operation: "user.add".to_owned(),
        fields: "user=<i>ann</i>".to_owned(),
        result: "done".to_owned(),
        hash: "00".to_owned(),
    };
    Rows {
        rows: vec![row],
        more: true,
    }
}

impl Administration for Node {
    fn execute(
        &self,
        caller: Caller,
        Errand { operation, at }: Errand,
    ) -> Pending<Result<Outcome, OperationError>> {
        if at.is_some_and(|at| at != 2) {
            // What the pages have of the others they have of this node.
            let error = OperationError::new(ErrorKind::Unavailable, "the node is busy");
            return Box::pin(async move { Err(error) });
        }
        let permission = operation.permission();
        let result = match caller.may(permission) {
            true => {
                self.done.lock().unwrap().push((caller, operation.clone()));
                let refusal = self.refusal.lock().unwrap().clone();
                let refusal = refusal.filter(|_| permission.is_change());
                refusal.map_or_else(|| Ok(self.outcome(&operation)), Err)
            }
            false => {
                let message = "the role may not do this";
                Err(OperationError::new(ErrorKind::Forbidden, message))
            }
        };
        Box::pin(async move { result })
    }

    fn sign_in(
        &self,
        name: String,
        password: Secret,
        _address: IpAddr,
    ) -> Pending<Result<Administrator, Denial>> {
        let name = AdministratorName::new(name).ok();
        let accounts = self.accounts.lock().unwrap();
        let known = name.and_then(|name| accounts.get(&name).cloned());
        let known = known.filter(|_| password.expose_secret() == PASSWORD);
        let failures = match &known {
            Some(_) => self.failures.load(Ordering::Relaxed),
            None => self.failures.fetch_add(1, Ordering::Relaxed),
        };
        let result = match FAILURES_MAX <= failures {
            true => Err(Denial::LockedOut { seconds: 120 }),
            false => known.ok_or(Denial::WrongPassword),
        };
        Box::pin(async move { result })
    }

    /// A token is the name of its role.
    fn of_token(&self, token: String, _address: IpAddr) -> Pending<Result<Caller, Denial>> {
        let result = match Role::parse(&token) {
            Ok(role) => Ok(Caller::Administrator {
                name: name_of(role),
                role,
                face: Face::Rest,
            }),
            Err(_) if token == "locked" => Err(Denial::LockedOut { seconds: 120 }),
            Err(_) => Err(Denial::WrongToken),
        };
        Box::pin(async move { result })
    }

    fn administrator(&self, name: &AdministratorName) -> Option<Administrator> {
        self.accounts.lock().unwrap().get(name).cloned()
    }

    fn now(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    fn wall_ms(&self) -> u64 {
        1_764_446_400_000
    }

    fn secret(&self) -> [u8; 32] {
        let mut secret = [7; 32];
        let number = self.secrets.fetch_add(1, Ordering::Relaxed);
        secret[..8].copy_from_slice(&number.to_be_bytes());
        secret
    }
}

/// The server of such a node.
pub struct Stage {
    pub node: Arc<Node>,
    pub server: Running,
}

impl Stage {
    pub fn start() -> Stage {
        let accounts = Role::ALL.map(|role| {
            let administrator = Administrator {
                name: name_of(role),
                role,
                password_version: 1,
            };
            (name_of(role), administrator)
        });
        let node = Arc::new(Node {
            now: Mutex::new(Duration::from_secs(1_000)),
            accounts: Mutex::new(accounts.into()),
            done: Mutex::default(),
            failures: AtomicU64::new(0),
            secrets: AtomicU64::new(0),
            first_name: Mutex::new("castor".to_owned()),
            first_is_there: Mutex::new(true),
            refusal: Mutex::default(),
        });
        let parts = AdminParts {
            address: loopback(),
            tls: None,
            administration: node.clone(),
        };
        let server = start_admin(parts).unwrap();
        Stage { node, server }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// With the token of a role.
    pub fn rest(&self, token: &str, operation: &str, body: &str) -> Answer {
        let authorization = format!("Bearer {token}");
        let path = format!("/api/v1/operations/{operation}");
        let headers = [("Authorization", authorization.as_str())];
        client::post(self.address(), &path, &headers, body)
    }

    /// A browser that has signed in.
    pub fn browser(&self, role: Role) -> Browser<'_> {
        let mut browser = Browser {
            stage: self,
            cookies: BTreeMap::new(),
        };
        let answer = browser.signs_in(role.word(), PASSWORD);
        assert_eq!(answer.status, 303, "{}", answer.body);
        browser
    }

    /// One that has not.
    pub fn stranger(&self) -> Browser<'_> {
        Browser {
            stage: self,
            cookies: BTreeMap::new(),
        }
    }
}

/// Keeps cookies and sends forms.
pub struct Browser<'a> {
    stage: &'a Stage,
    pub cookies: BTreeMap<String, String>,
}

impl Browser<'_> {
    pub fn get(&mut self, path: &str) -> Answer {
        let cookies = self.cookie_header();
        let answer = client::get(self.stage.address(), path, &[("Cookie", &cookies)]);
        self.keep(&answer);
        answer
    }

    pub fn post(&mut self, path: &str, body: &str) -> Answer {
        let cookies = self.cookie_header();
        let headers = [
            ("Cookie", cookies.as_str()),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let answer = client::post(self.stage.address(), path, &headers, body);
        self.keep(&answer);
        answer
    }

    pub fn signs_in(&mut self, name: &str, password: &str) -> Answer {
        let form = form_token(&self.get("/sign-in").body);
        let body = format!(
            "form={form}&name={name}&password={}",
            password.replace(' ', "+")
        );
        self.post("/sign-in", &body)
    }

    /// What its forms say.
    pub fn form_token(&mut self) -> String {
        form_token(&self.get("/topology").body)
    }

    pub fn cookie_header(&self) -> String {
        let pairs = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, answer: &Answer) {
        for cookie in &answer.cookies {
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            match cookie.contains("Max-Age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
    }
}

fn form_token(page: &str) -> String {
    let (_, rest) = page
        .split_once("name=\"form\" value=\"")
        .unwrap_or_else(|| panic!("{page}"));
    rest.split('"').next().unwrap().to_owned()
}

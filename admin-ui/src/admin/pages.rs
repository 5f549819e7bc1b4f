//! The pages: who asks for which, and what a form does. Not for how they look: see the templates.

use actix_web::web::Data;
use askama::Template;
use pollux_domain::operations::{
    AuditRow, Denial, Description, ErrorKind, Operation, OperationError, Outcome, Permission,
    Secret,
};

use super::exchange::{Asked, Fields, Reply};
use super::live::Live;
use super::node::{self, FindingView};
use super::registry::{self, Block, FieldView, Noun, nouns};
use super::requests::AT;
use super::sessions::{self, Notice, WHOLE};
use super::topology::{Act, acts, fields};
use super::{Office, Reader, api, events, requests};

/// Of a signed-in browser. `__Host-`: of this host only, with TLS or on a loopback address, and not
/// to be set by any other (RFC 6265bis section 4.1.3.2).
const SESSION: &str = "__Host-pollux";
/// Of a browser that was shown the form for the sign-in, so that nobody else's is taken.
const STRANGER: &str = "__Host-pollux-form";
/// The field of the address of *Node* that asks for a self-test.
const SELF_TEST: &str = "self-test";
/// Behind the path of a page: its changes.
const EVENTS: &str = "/events";
/// The field in which a form says that it is one of ours.
const FORM_TOKEN: &str = "form";

/// What stands around each page of one who is signed in.
struct Frame {
    title: String,
    /// The path of the page among those of the navigation; empty for others.
    path: &'static str,
    name: String,
    role: &'static str,
    form_token: String,
    may_audit: bool,
    notice: Option<Notice>,
}

/// Path, label and title of the pages of the navigation.
const NAVIGATION: [(&str, &str, &str); 5] = [
    ("/topology", "Topology", "System topology"),
    ("/takeovers", "Takeovers", "Takeovers"),
    ("/metrics", "Metrics", "Metrics"),
    ("/operations", "Operations", "Operations"),
    ("/audit", "Audit", "Audit"),
];

impl Frame {
    /// Those that the role may see.
    fn nav(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let pages = NAVIGATION.iter();
        let may = |(path, ..): &&(&str, &str, &str)| *path != "/audit" || self.may_audit;
        pages.filter(may).map(|(path, label, _)| (*path, *label))
    }

    fn is_current(&self, path: &str) -> bool {
        self.path == path
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    form_token: String,
    name: String,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "live_page.html")]
struct LivePage {
    frame: Frame,
    /// Where the changes are told.
    events: String,
    live: String,
    /// What stands below it and does not change.
    below: String,
}

#[derive(Template)]
#[template(path = "self_test.html")]
struct SelfTestPart {
    /// Where it is asked for.
    path: String,
    is_asked: bool,
    findings: Vec<FindingView>,
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    frame: Frame,
    operation: &'static str,
    label: String,
    summary: &'static str,
    whom: String,
    danger: &'static str,
    /// Where whoever does not want it goes.
    back: String,
    /// Names and values that the form carries.
    fields: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    rows: Vec<AuditRow>,
    /// The number of the last line, where older ones follow.
    older: Option<u64>,
}

#[derive(Template)]
#[template(path = "operations.html")]
struct OperationsPage {
    frame: Frame,
    nouns: Vec<Noun>,
}

#[derive(Template)]
#[template(path = "operation.html")]
struct OperationPage {
    frame: Frame,
    description: &'static Description,
    error: Option<String>,
    fields: Vec<FieldView>,
    /// Number and name of each node, and whether it made the page.
    nodes: Vec<(u16, String, bool)>,
}

#[derive(Template)]
#[template(path = "outcome.html")]
struct OutcomePage {
    frame: Frame,
    name: &'static str,
    blocks: Vec<Block>,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    title: &'static str,
    text: String,
}

/// The reply to whatever is neither REST nor a file.
pub(crate) async fn answer(office: &Data<Office>, asked: &Asked) -> Reply {
    let cookie = asked.cookies.get(SESSION).unwrap_or_default();
    let live = Live::at(asked.path.trim_end_matches(EVENTS), &asked.query);
    match (asked.path.as_str(), asked.is_post) {
        ("/", false) => return Reply::see_other("/topology"),
        ("/sign-in", false) => return sign_in_page(office, 200, "", None),
        ("/sign-in", true) => return sign_in(office, asked, cookie).await,
        ("/confirm" | "/audit" | "/operations" | "/operation", false)
        | ("/sign-out" | "/operate" | "/operation", true) => {}
        (_, false) if live.is_some() => {}
        _ => return problem(404, "Not found", "There is no such page."),
    }
    if let Some(live) = live.filter(|_| asked.path.ends_with(EVENTS)) {
        return events::watch(office, live, asked.cookies.get(SESSION));
    }
    let Some(reader) = office.visitor(cookie) else {
        return Reply::see_other("/sign-in");
    };
    let form = asked.form();
    if asked.is_post && !sessions::is_same(form.get(FORM_TOKEN).unwrap_or(""), &reader.form_token) {
        return foreign_form();
    }
    if let Some(live) = live.filter(|_| !asked.is_post) {
        return live_page(office, cookie, &reader, live, &asked.query).await;
    }
    match asked.path.as_str() {
        "/confirm" => confirm(office, cookie, &reader, &asked.query).await,
        "/audit" => audit(office, cookie, &reader, &asked.query).await,
        "/operate" => operate(office, cookie, &reader, &form).await,
        "/operations" => {
            let frame = frame(office, cookie, &reader, "Operations");
            let nouns = nouns(reader.administrator.role);
            html(200, &OperationsPage { frame, nouns })
        }
        "/operation" if asked.is_post => outcome(office, cookie, &reader, &form).await,
        "/operation" => {
            let name = asked.query.get("name").unwrap_or_default();
            form_of(office, cookie, &reader, name, &asked.query, None).await
        }
        _ => {
            office.sessions().close(cookie);
            Reply::see_other("/sign-in").with("set-cookie", ended(SESSION))
        }
    }
}

// === signing in ===

fn sign_in_page(office: &Office, status: u16, name: &str, problem: Option<String>) -> Reply {
    let form_token = sessions::text(&office.administration.secret());
    let cookie = kept(STRANGER, &form_token);
    let page = SignInPage {
        form_token,
        name: name.to_owned(),
        problem,
    };
    html(status, &page).with("set-cookie", cookie)
}

async fn sign_in(office: &Data<Office>, asked: &Asked, cookie: &str) -> Reply {
    let form = asked.form();
    let shown = asked.cookies.get(STRANGER).unwrap_or_default();
    let said = form.get(FORM_TOKEN).unwrap_or_default();
    if shown.is_empty() || !sessions::is_same(said, shown) {
        return foreign_form();
    }
    let name = form.get("name").unwrap_or_default().trim();
    let refused = |denial: Denial| {
        let status = match denial {
            Denial::WrongPassword | Denial::WrongToken => 401,
            Denial::LockedOut { .. } => 429,
            Denial::Unavailable => 503,
        };
        sign_in_page(office, status, name, Some(denial.to_string()))
    };
    let Ok(password) = Secret::new(form.get("password").unwrap_or_default().to_owned()) else {
        return refused(Denial::WrongPassword);
    };
    let administration = &office.administration;
    let signed_in = administration.sign_in(name.to_owned(), password, asked.address);
    let administrator = match signed_in.await {
        Ok(administrator) => administrator,
        Err(denial) => return refused(denial),
    };
    let secrets = [administration.secret(), administration.secret()];
    let mut sessions = office.sessions();
    // Whatever the browser had before is worth nothing: the new one nobody could have given it.
    sessions.close(cookie);
    let cookie = sessions.open(&administrator, secrets, administration.now());
    Reply::see_other("/topology")
        .with("set-cookie", kept(SESSION, &cookie))
        .with("set-cookie", ended(STRANGER))
}

fn kept(name: &str, value: &str) -> String {
    let seconds = WHOLE.as_secs();
    format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict")
}

fn ended(name: &str) -> String {
    format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict")
}

fn foreign_form() -> Reply {
    let text = "This form was not made for your session, or is too old. Go back, load the page \
                again, and send it once more.";
    problem(403, "Not your form", text)
}

// === pages that change ===

async fn live_page(
    office: &Data<Office>,
    cookie: &str,
    reader: &Reader,
    live: Live,
    query: &Fields,
) -> Reply {
    let shown = live.render(office, reader).await;
    let below = match live {
        Live::Node(number) => self_test(office, reader, number, query).await,
        _ => String::new(),
    };
    let page = LivePage {
        frame: frame(office, cookie, reader, live.title()),
        events: live.events(),
        live: shown,
        below,
    };
    html(200, &page)
}

/// What a node finds when it looks at itself, where somebody has asked for it: it takes a moment.
async fn self_test(
    office: &Data<Office>,
    reader: &Reader,
    number: Option<u16>,
    query: &Fields,
) -> String {
    let is_asked = query.get(SELF_TEST).is_some();
    let findings = match is_asked {
        true => node::self_test(office, reader, number).await,
        false => Ok(Vec::new()),
    };
    let (findings, error) = match findings {
        Ok(findings) => (findings, None),
        Err(error) => (Vec::new(), Some(error.message)),
    };
    let number = number.map_or(String::new(), |number| format!("node={number}&"));
    let part = SelfTestPart {
        path: format!("/node?{number}{SELF_TEST}=1"),
        is_asked,
        findings,
        error,
    };
    part.render().unwrap_or_default()
}

// === operations ===

async fn confirm(office: &Data<Office>, cookie: &str, reader: &Reader, asked: &Fields) -> Reply {
    let acts = match acts_for(office, reader, asked).await {
        Ok(acts) => acts,
        Err(error) => return problem(503, "Not now", &error.message),
    };
    let name = asked.get("operation").unwrap_or_default();
    let wanted = acts.into_iter().find(|act| {
        let fields = fields(&act.errand).into_iter();
        let is_asked = |(field, value): (&str, String)| asked.get(field) == Some(value.as_str());
        act.errand.operation.name() == name && { fields }.all(is_asked)
    });
    let (Some(act), Some(description)) = (wanted, Description::of(name)) else {
        let text = "The state of the cluster, or your role, does not allow this now.";
        let notice = Notice {
            is_error: true,
            text: text.to_owned(),
        };
        return with_notice(office, cookie, notice, "/topology");
    };
    let Act {
        errand,
        label,
        whom,
        ..
    } = act;
    let page = ConfirmPage {
        frame: frame(office, cookie, reader, "Are you sure?"),
        operation: description.name,
        label,
        summary: description.summary,
        whom,
        danger: description.danger.unwrap_or_default(),
        back: back(description.name, errand.at),
        fields: fields(&errand),
    };
    html(200, &page)
}

/// The page that has the button.
fn back(operation: &str, at: Option<u16>) -> String {
    match (operation.starts_with("service."), at) {
        (true, Some(node)) => format!("/node?node={node}"),
        (true, None) => "/node".to_owned(),
        (false, _) => "/topology".to_owned(),
    }
}

/// What may be done now, of the kind that is asked for.
async fn acts_for(
    office: &Office,
    reader: &Reader,
    asked: &Fields,
) -> Result<Vec<Act>, OperationError> {
    let name = asked.get("operation").unwrap_or_default();
    if !name.starts_with("service.") {
        let overview = office.overview(reader).await?;
        return Ok(acts(&overview, reader.administrator.role));
    }
    let at = asked.get(AT).and_then(|at| at.parse().ok());
    let services = node::services(office, reader, at).await?;
    Ok(services.into_iter().flat_map(|one| one.acts).collect())
}

async fn operate(office: &Data<Office>, cookie: &str, reader: &Reader, form: &Fields) -> Reply {
    let name = form.get("operation").unwrap_or_default();
    let back = back(name, form.get(AT).and_then(|at| at.parse().ok()));
    let result = match requests::from_form(name, form) {
        Ok(errand) => {
            let done = done(&errand.operation);
            let administration = &office.administration;
            let executed = administration.execute(reader.caller(), errand).await;
            executed.map(|_| done)
        }
        Err(error) => Err(error),
    };
    office.board.forget().await;
    let notice = match result {
        Ok(text) => Notice {
            is_error: false,
            text,
        },
        Err(error) => Notice {
            is_error: true,
            text: error.message,
        },
    };
    with_notice(office, cookie, notice, &back)
}

/// The form of any operation, as it was written where it was refused.
async fn form_of(
    office: &Data<Office>,
    cookie: &str,
    reader: &Reader,
    name: &str,
    written: &Fields,
    error: Option<OperationError>,
) -> Reply {
    let Some(description) = Description::of(name) else {
        return problem(404, "Not found", "There is no such operation.");
    };
    let nodes = match office.overview(reader).await {
        Ok(overview) => {
            let asked = written.get(AT).and_then(|at| at.parse().ok());
            let chosen = asked.unwrap_or(overview.me);
            let nodes = overview.present().into_iter();
            nodes
                .map(|(number, name)| (number, name, number == chosen))
                .collect()
        }
        // It is done by the node that is asked.
        Err(_) => Vec::new(),
    };
    let status = error.as_ref().map_or(200, |error| api::status(error.kind));
    let page = OperationPage {
        frame: frame(office, cookie, reader, "Operation"),
        description,
        error: error.map(|error| error.message),
        fields: { description.fields.iter() }
            .map(|one| registry::field(one, written))
            .collect(),
        nodes,
    };
    html(status, &page)
}

/// Does what a form asks for, and shows what came back.
async fn outcome(office: &Data<Office>, cookie: &str, reader: &Reader, form: &Fields) -> Reply {
    let name = form.get("operation").unwrap_or_default();
    let result = match requests::from_form(name, form) {
        Ok(errand) => {
            let administration = &office.administration;
            let executed = administration.execute(reader.caller(), errand).await;
            office.board.forget().await;
            executed
        }
        Err(error) => Err(error),
    };
    let (outcome, description) = match (result, Description::of(name)) {
        (Ok(outcome), Some(description)) => (outcome, description),
        (Err(error), _) => {
            return form_of(office, cookie, reader, name, form, Some(error)).await;
        }
        (Ok(_), None) => return problem(404, "Not found", "There is no such operation."),
    };
    let page = OutcomePage {
        frame: frame(office, cookie, reader, "Outcome"),
        name: description.name,
        blocks: registry::blocks(&outcome),
    };
    html(200, &page)
}

/// As `pollux ctl` says it.
fn done(operation: &Operation) -> String {
    match operation {
        Operation::SubclusterFailover { node } => {
            format!("node {node}: relieved; its twin serves its users")
        }
        Operation::SubclusterFallback {} => "all users: served by their home nodes".to_owned(),
        Operation::SubclusterSetHighAvailability { on } => {
            let state = if *on { "on" } else { "off" };
            format!("high availability: {state}")
        }
        Operation::NodeDrain { node } => format!("node {node}: drained; its twin serves its users"),
        Operation::NodeUndrain { node } => format!("node {node}: takes users again"),
        Operation::ServiceStart { service } => format!("{service}: started"),
        Operation::ServiceStop { service } => format!("{service}: stopped"),
        Operation::ServiceRestart { service } => format!("{service}: restarted"),
        other => format!("{}: done", other.name()),
    }
}

/// Back to a page, which says it.
fn with_notice(office: &Office, cookie: &str, notice: Notice, path: &str) -> Reply {
    let now = office.administration.now();
    if let Some(session) = office.sessions().touch(cookie, now) {
        session.notice = Some(notice);
    }
    Reply::see_other(path)
}

// === the audit ===

async fn audit(office: &Data<Office>, cookie: &str, reader: &Reader, asked: &Fields) -> Reply {
    let before = asked.get("before").and_then(|number| number.parse().ok());
    let operation = Operation::AuditList { before };
    let listed = office
        .administration
        .execute(reader.caller(), operation.into());
    let page = match listed.await {
        Ok(Outcome::Audit(page)) => page,
        Ok(other) => return problem(500, "Not now", &format!("{other:?}")),
        Err(error) => {
            let title = match error.kind {
                ErrorKind::Forbidden => "Not for you",
                _ => "Not now",
            };
            return problem(api::status(error.kind), title, &error.message);
        }
    };
    let last = page.rows.last().map(|row| row.number);
    let page = AuditPage {
        frame: frame(office, cookie, reader, "Audit"),
        older: last.filter(|_| page.more),
        rows: page.rows,
    };
    html(200, &page)
}

// === what they share ===

/// The notice is said once.
fn frame(office: &Office, cookie: &str, reader: &Reader, title: &'static str) -> Frame {
    let now = office.administration.now();
    let mut sessions = office.sessions();
    let notice = sessions.touch(cookie, now);
    Frame {
        title: title.to_owned(),
        path: { NAVIGATION.iter() }
            .find(|(_, _, known)| *known == title)
            .map_or("", |(path, ..)| path),
        name: reader.administrator.name.to_string(),
        role: reader.administrator.role.word(),
        form_token: reader.form_token.clone(),
        may_audit: reader.administrator.role.may(Permission::ReadAudit),
        notice: notice.and_then(|session| session.notice.take()),
    }
}

fn problem(status: u16, title: &'static str, text: &str) -> Reply {
    let text = text.to_owned();
    html(status, &ProblemPage { title, text })
}

fn html(status: u16, page: &impl Template) -> Reply {
    match page.render() {
        Ok(text) => Reply::html(status, text),
        Err(error) => {
            tracing::error!(%error, "failed to make a page");
            Reply::text(500, "the page cannot be made\n")
        }
    }
}

//! The pages that change while somebody looks at them: which there are, and the part of each that
//! changes. Not for what stands around it, nor for how it is told.

use std::time::Duration;

use askama::Template;
use pollux_domain::operations::{Errand, NodeStatus, Operation, OperationError, Outcome};

use super::charts::{Chart, charts};
use super::exchange::Fields;
use super::history::{Span, SubclusterHistory, subcluster_history};
use super::node::{ServiceView, services};
use super::topology::{
    FRESH, NodeView, Overview, SubclusterView, ask, node_view, unexpected, view,
};
use super::{Office, Reader};

/// How long a node has for what only these pages ask.
const PATIENCE: Duration = Duration::from_secs(5);
/// What changes seldom is asked for seldom.
const SELDOM: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Live {
    Topology,
    /// Without a number: the node that is asked.
    Node(Option<u16>),
    Takeovers(Span),
    Metrics(Option<u16>),
}

#[derive(Template)]
#[template(path = "topology.html")]
struct TopologyPart {
    node: String,
    domain: String,
    version: String,
    subclusters: Vec<SubclusterView>,
}

#[derive(Template)]
#[template(path = "node.html")]
struct NodePart {
    node: NodeView,
    status: Option<NodeStatus>,
    services: Vec<ServiceView>,
}

#[derive(Template)]
#[template(path = "takeovers.html")]
struct TakeoversPart {
    span: Span,
    subclusters: Vec<SubclusterHistory>,
}

#[derive(Template)]
#[template(path = "metrics.html")]
struct MetricsPart {
    /// Numbers and names of all nodes, and whether it is the one that is shown.
    nodes: Vec<(u16, String, bool)>,
    charts: Vec<Chart>,
}

#[derive(Template)]
#[template(path = "unknown.html")]
struct UnknownPart<'a> {
    error: &'a str,
}

impl Live {
    /// The page at this path with these fields; none: it is not one of these.
    pub(crate) fn at(path: &str, query: &Fields) -> Option<Live> {
        let node = || match query.get("node") {
            Some(number) => number.parse().ok().map(Some),
            None => Some(None),
        };
        match path {
            "/topology" => Some(Live::Topology),
            "/node" => node().map(Live::Node),
            "/takeovers" => Some(Live::Takeovers(Span::of(query.get("span")))),
            "/metrics" => node().map(Live::Metrics),
            _ => None,
        }
    }

    /// Where its changes are told.
    pub(crate) fn events(self) -> String {
        let of = |node: Option<u16>| node.map_or(String::new(), |node| format!("?node={node}"));
        match self {
            Live::Topology => "/topology/events".to_owned(),
            Live::Node(node) => format!("/node/events{}", of(node)),
            Live::Takeovers(span) => format!("/takeovers/events?span={}", span.word()),
            Live::Metrics(node) => format!("/metrics/events{}", of(node)),
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Live::Topology => "System topology",
            Live::Node(_) => "Node",
            Live::Takeovers(_) => "Takeovers",
            Live::Metrics(_) => "Metrics",
        }
    }

    /// How long it stands as it is.
    pub(crate) fn pause(self) -> Duration {
        match self {
            Live::Topology | Live::Node(_) => FRESH,
            Live::Takeovers(_) | Live::Metrics(_) => SELDOM,
        }
    }

    /// The part that changes, as it is now.
    pub(crate) async fn render(self, office: &Office, reader: &Reader) -> String {
        let overview = office.overview(reader).await;
        let rendered = match overview {
            Err(error) => Err(error),
            Ok(overview) => match self {
                Live::Topology => Ok(topology(&overview, reader)),
                Live::Node(number) => {
                    let number = number.unwrap_or(overview.me);
                    Ok(node(office, reader, &overview, number).await)
                }
                Live::Takeovers(span) => takeovers(office, reader, &overview, span).await,
                Live::Metrics(number) => {
                    let node = number.unwrap_or(overview.me);
                    metrics(office, reader, &overview, node).await
                }
            },
        };
        rendered.unwrap_or_else(|error| unknown(&error.message))
    }
}

fn unknown(error: &str) -> String {
    rendered(&UnknownPart { error })
}

fn rendered(part: &impl Template) -> String {
    part.render().unwrap_or_else(|error| {
        tracing::error!(%error, "failed to make a part of a page");
        String::new()
    })
}

fn topology(overview: &Overview, reader: &Reader) -> String {
    let own = overview.own().map(|own| &own.status);
    rendered(&TopologyPart {
        node: overview.name(overview.me),
        domain: own.map_or(String::new(), |status| status.domain.clone()),
        version: own.map_or(String::new(), |status| status.version.clone()),
        subclusters: view(overview, reader.administrator.role),
    })
}

async fn node(office: &Office, reader: &Reader, overview: &Overview, number: u16) -> String {
    let Some(mut node) = node_view(overview, reader.administrator.role, number) else {
        return unknown(&format!("There is no node {number} in this cluster"));
    };
    let heard = overview.heard.get(&number);
    let listeners = heard.iter().flat_map(|heard| &heard.status.listeners);
    let listens = listeners.map(|one| ("Listens", format!("{} at {}", one.protocol, one.address)));
    node.facts.extend(listens);
    let at = Some(number).filter(|number| *number != overview.me);
    // Of one that does not say anything there is nothing to list.
    let services = match heard {
        Some(_) => services(office, reader, at).await.unwrap_or_default(),
        None => Vec::new(),
    };
    rendered(&NodePart {
        services,
        node,
        status: heard.map(|heard| heard.status.clone()),
    })
}

async fn takeovers(
    office: &Office,
    reader: &Reader,
    overview: &Overview,
    span: Span,
) -> Result<String, OperationError> {
    let mut subclusters = Vec::new();
    for (number, at) in overview.known_subclusters() {
        let operation = Operation::SubclusterTakeovers {};
        let rows = match one(office, reader, Errand { operation, at }).await? {
            Outcome::Takeovers(rows) => rows,
            other => return Err(unexpected(&[other])),
        };
        let now = office.administration.wall_ms();
        let name = |node| overview.name(node);
        subclusters.push(subcluster_history(number, &rows, span, now, name));
    }
    Ok(rendered(&TakeoversPart { span, subclusters }))
}

async fn metrics(
    office: &Office,
    reader: &Reader,
    overview: &Overview,
    node: u16,
) -> Result<String, OperationError> {
    let operation = Operation::NodeHistory {};
    let at = Some(node).filter(|node| *node != overview.me);
    let rows = match one(office, reader, Errand { operation, at }).await? {
        Outcome::History(rows) => rows,
        other => return Err(unexpected(&[other])),
    };
    let nodes = overview.present().into_iter();
    Ok(rendered(&MetricsPart {
        nodes: nodes
            .map(|(number, name)| (number, name, number == node))
            .collect(),
        charts: charts(&rows),
    }))
}

async fn one(office: &Office, reader: &Reader, errand: Errand) -> Result<Outcome, OperationError> {
    let administration = office.administration.as_ref();
    ask(administration, &reader.caller(), errand, PATIENCE).await
}

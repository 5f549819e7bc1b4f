//! Performs a play on a node of its own. Not for how plays are written: see `script`.

use std::collections::BTreeMap;
use std::path::Path;

use pollux_xml::Element;

use crate::common::client::{Answers, Client, elements};
use crate::common::node::{DOMAIN, Plaintext, TestNode};
use crate::common::stream::{Event, shown, xml};
use crate::pattern::{Known, filled, matches};
use crate::script::{Action, Deed, Management, Play, Role};

/// Performs the play in this file, at a node with these settings besides those of every test. What
/// fails is named by file, line and step.
#[expect(clippy::print_stderr, reason = "the test's own output")]
pub fn perform(file: &Path, settings: &str) {
    let text = std::fs::read_to_string(file).expect("the play can be read");
    let play = Play::parse(&text);
    let play = play.unwrap_or_else(|mistake| panic!("{}: {mistake}", file.display()));
    let mut stage = Stage::new(&play, settings);
    for step in &play.steps {
        // Shown where the play fails: the last line is the step that did.
        eprintln!("{}:{}: {}", file.display(), step.line, step.text);
        stage.act(&step.action);
    }
}

struct Stage<'a> {
    node: TestNode,
    roles: BTreeMap<&'a str, &'a Role>,
    clients: BTreeMap<&'a str, Client>,
    /// Clients whose connection stands.
    present: Vec<&'a str>,
    known: Known,
}

impl<'a> Stage<'a> {
    fn new(play: &'a Play, settings: &str) -> Stage<'a> {
        let mut node = TestNode::prepare(Plaintext::Allowed);
        node.add_settings(settings);
        node.begin();
        let mut users: Vec<&str> = play.cast.iter().map(|role| role.account.as_str()).collect();
        users.extend(play.users.iter().map(String::as_str));
        users.sort_unstable();
        users.dedup();
        for user in users {
            node.add_user(user);
        }
        for phrase in &play.announced {
            node.announce(phrase);
        }
        let roles = play
            .cast
            .iter()
            .map(|role| (role.name.as_str(), role))
            .collect();
        let (clients, present) = (BTreeMap::new(), Vec::new());
        Stage {
            node,
            roles,
            clients,
            present,
            known: Known::new(),
        }
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Client(name, deed) => self.perform(name, deed),
            Action::NodeKilled => {
                self.node.kill();
                self.present.clear();
            }
            Action::NodeStopped => {
                let end = self.node.stop();
                assert!(end.success(), "the node ended with {end}");
            }
            Action::NodeStarts => {
                self.present.clear();
                self.node.begin();
            }
            Action::Operator(command) => {
                let words: Vec<String> = command
                    .iter()
                    .map(|word| filled(word, &self.known))
                    .collect();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                self.node.ctl_done(&words);
            }
            Action::Settled => self.settle(),
            Action::Contacts(one, other) => self.make_contacts(one, other),
        }
    }

    fn role(&self, name: &str) -> &'a Role {
        self.roles
            .get(name)
            .copied()
            .unwrap_or_else(|| panic!("{name} is not in the cast"))
    }

    fn client(&mut self, name: &str) -> &mut Client {
        self.clients
            .get_mut(name)
            .unwrap_or_else(|| panic!("{name} has not connected"))
    }

    fn perform(&mut self, name: &str, deed: &Deed) {
        match deed {
            Deed::Connects => {
                self.perform(name, &Deed::SignsIn);
                self.perform(name, &Deed::Binds);
            }
            Deed::SignsIn => {
                let role = self.role(name);
                let client = Client::sign_in(self.node.address(), &role.account, None);
                self.clients.insert(&role.name, client);
                self.leave(name);
            }
            Deed::Binds => self.bind(name),
            Deed::Sends(text) => {
                let text = filled(text.trim_end(), &self.known);
                self.client(name).send(&text);
            }
            Deed::Receives(text) => self.receive(name, text),
            Deed::ReceivesInAnyOrder(text) => self.receive_unordered(name, text),
            Deed::ReceivesEachKindInOrder(text) => self.receive_each_kind(name, text),
            Deed::ReceivesNothing => {
                self.settle();
                let waiting: Vec<String> = self.client(name).waiting().iter().map(xml).collect();
                assert!(waiting.is_empty(), "{name} received {}", waiting.join("\n"));
            }
            Deed::Answers => self.client(name).answer(),
            Deed::IsAcknowledged => self.client(name).all_acknowledged(),
            Deed::Resumes => {
                let address = self.node.address();
                self.client(name).resume(address);
                self.enter(name);
            }
            Deed::ClosesTheStream => {
                self.client(name).close();
                self.leave(name);
            }
            Deed::IsCut => {
                self.client(name).stream.socket.cut();
                self.leave(name);
            }
            Deed::EndsWith(condition) => {
                self.client(name).ends_with(condition);
                self.leave(name);
            }
        }
        self.remember(name);
    }

    fn bind(&mut self, name: &str) {
        let role = self.role(name);
        let client = self.client(name);
        client.bind(role.resource.as_deref());
        let answers = if role.answers {
            Answers::Always
        } else {
            Answers::Never
        };
        match role.management {
            Management::None => {}
            Management::Counted => client.enable(false, answers),
            Management::Resumable => client.enable(true, answers),
        }
        self.enter(name);
    }

    fn enter(&mut self, name: &str) {
        let name = self.role(name).name.as_str();
        if !self.present.contains(&name) {
            self.present.push(name);
        }
    }

    fn leave(&mut self, name: &str) {
        self.present.retain(|present| *present != name);
    }

    /// What a play may name of a client.
    fn remember(&mut self, name: &str) {
        let Some(client) = self.clients.get(name) else {
            return;
        };
        let mut facts = vec![
            ("jid", client.jid.clone()),
            ("bare", format!("{}@{DOMAIN}", client.account)),
        ];
        if let Some(counts) = &client.counts {
            facts.push(("received", counts.received.to_string()));
            facts.extend(counts.id.clone().map(|id| ("session", id)));
        }
        for (fact, value) in facts {
            self.known.insert(format!("{name}.{fact}"), value);
        }
    }

    fn receive(&mut self, name: &str, text: &str) {
        for pattern in patterns(text) {
            let element = match self.client(name).next() {
                Event::Element(element) => element,
                other => panic!("{name} waited for {}: {}", xml(&pattern), shown(&other)),
            };
            if let Err(reason) = matches(&pattern, &element, &mut self.known) {
                panic!("{name} received\n    {}\n    {reason}", xml(&element));
            }
        }
    }

    fn receive_unordered(&mut self, name: &str, text: &str) {
        let mut left = patterns(text);
        while !left.is_empty() {
            let element = self.client(name).element();
            let known = &mut self.known;
            let place = left
                .iter()
                .position(|pattern| matches(pattern, &element, known).is_ok());
            match place {
                Some(place) => drop(left.remove(place)),
                None => panic!("{name} received what is none of these: {}", xml(&element)),
            }
        }
    }

    fn receive_each_kind(&mut self, name: &str, text: &str) {
        let mut left = patterns(text);
        while !left.is_empty() {
            let element = self.client(name).element();
            let place = left
                .iter()
                .position(|pattern| pattern.name() == element.name());
            let place = place.unwrap_or_else(|| panic!("{name} received {}", xml(&element)));
            if let Err(reason) = matches(&left.remove(place), &element, &mut self.known) {
                panic!("{name} received\n    {}\n    {reason}", xml(&element));
            }
        }
    }

    /// Twice, because what the first round set off may concern one who had its turn.
    fn settle(&mut self) {
        for _ in 0..2 {
            for name in self.present.clone() {
                self.client(name).round_trip();
            }
        }
    }

    /// Both ways, and what they are told meanwhile is forgotten.
    fn make_contacts(&mut self, one: &str, other: &str) {
        for (asker, asked) in [(one, other), (other, one)] {
            let (from, to) = (self.bare(asker), self.bare(asked));
            self.client(asker)
                .send(&format!("<presence type='subscribe' to='{to}'/>"));
            self.settle();
            self.client(asked)
                .send(&format!("<presence type='subscribed' to='{from}'/>"));
            self.settle();
        }
        for name in [one, other] {
            let client = self.client(name);
            while !client.waiting().is_empty() {
                client.element();
            }
        }
    }

    fn bare(&mut self, name: &str) -> String {
        format!("{}@{DOMAIN}", self.client(name).account)
    }
}

fn patterns(text: &str) -> Vec<Element> {
    let parsed = elements(text).unwrap_or_else(|| panic!("not well-formed: {text}"));
    parsed.into_iter().map(|(_, element)| element).collect()
}

//! XEP-0077: In-Band Registration, requests, results and errors. Not for whether anything of it is
//! allowed, nor for what a name or a password may be.

use pollux_xml::{Element, Text};

use crate::data_form::{self, Field, Submission};
use crate::ns;
use crate::sasl::Secret;
use crate::stanza::{ErrorCondition, ErrorType, IqType, Stanza, StanzaError, StanzaKind};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationRequest {
    /// What there is to fill in, or what is known (section 3.1).
    Form,
    /// An account, or another password for it (sections 3.1 and 3.3). What is empty is not there.
    Set {
        username: Option<Text>,
        password: Option<Secret>,
    },
    /// The end of the account (section 3.2).
    Remove,
}

impl RegistrationRequest {
    /// None for another request.
    pub fn from_stanza(stanza: &Stanza) -> Option<Result<RegistrationRequest, StanzaError>> {
        let query = stanza.find(ns::REGISTER, "query")?;
        match stanza.kind {
            StanzaKind::Iq(IqType::Get) => Some(Ok(RegistrationRequest::Form)),
            StanzaKind::Iq(IqType::Set) => Some(parse_set(query)),
            _ => None,
        }
    }

    /// Whether it asks what there is to fill in.
    pub fn is_form(stanza: &Stanza) -> bool {
        matches!(
            RegistrationRequest::from_stanza(stanza),
            Some(Ok(RegistrationRequest::Form))
        )
    }
}

/// The kind of the form, and the names of its fields, which are those of the elements.
const FORM: &str = ns::REGISTER;
const USERNAME: &str = "username";
const PASSWORD: &str = "password";

fn parse_set(query: &Element) -> Result<RegistrationRequest, StanzaError> {
    let bad = |text: &'static str| refusal(ErrorCondition::BadRequest, text);
    if let Some(form) = query.find(ns::DATA_FORM, "x") {
        return parse_form(query, form).map_err(bad);
    }
    let part = |name: &str| {
        let part = query.find(ns::REGISTER, name)?.text_content();
        Some(part).filter(|text| !text.is_empty())
    };
    if query.find(ns::REGISTER, "remove").is_some() {
        // Section 3.2, "Unregister Error Cases".
        return match query.elements().count() {
            1 => Ok(RegistrationRequest::Remove),
            _ => Err(bad("`remove` is the only element of a cancellation")),
        };
    }
    Ok(set(part(USERNAME), part(PASSWORD)))
}

/// Section 4: who sends the form sends nothing beside it. Those of a cancellation and of a change
/// of the password (sections 3.2 and 3.3) are taken from nobody: they are asked for by an error,
/// where more is required than the elements have.
fn parse_form(query: &Element, form: &Element) -> Result<RegistrationRequest, &'static str> {
    if 1 < query.elements().count() {
        return Err("either the form is sent or the elements are");
    }
    let form = Submission::of(form, FORM)?;
    Ok(set(form.value(USERNAME)?, form.value(PASSWORD)?))
}

fn set(username: Option<Text>, password: Option<Text>) -> RegistrationRequest {
    RegistrationRequest::Set {
        username,
        password: password.map(|text| Secret::new(text.as_bytes().to_vec())),
    }
}

/// The stream feature (section 8).
pub fn feature() -> Element {
    Element::new(ns::REGISTER_FEATURE, "register")
}

/// What a stranger fills in (section 3.1): the form where it knows forms, or else the elements
/// (sections 4 and 6).
pub fn form(instructions: &'static str) -> Element {
    let part = |name: &'static str| Element::new(ns::REGISTER, name);
    let field = |name, label, is_private| Field {
        name,
        label,
        is_private,
    };
    let fields = [
        field(USERNAME, "Name", false),
        field(PASSWORD, "Password", true),
    ];
    Element::new(ns::REGISTER, "query")
        .child(part("instructions").text(instructions))
        .child(part(USERNAME))
        .child(part(PASSWORD))
        .child(data_form::asking(
            FORM,
            "New account",
            instructions,
            &fields,
        ))
}

/// What is known of a user (section 3.1), but for the password.
pub fn registered(username: &str) -> Element {
    let part = |name: &'static str| Element::new(ns::REGISTER, name);
    Element::new(ns::REGISTER, "query")
        .child(part("registered"))
        .child(part("username").text(username.to_owned()))
        .child(part("password"))
}

/// An error of the type that the examples have.
pub fn refusal(condition: ErrorCondition, text: impl Into<Text>) -> StanzaError {
    let error = StanzaError::new(condition).with_text(text);
    match condition {
        ErrorCondition::Forbidden => error.with_kind(ErrorType::Cancel),
        ErrorCondition::NotAuthorized => error.with_kind(ErrorType::Modify),
        _ => error,
    }
}

/// The answer to a request. An error has the code of XEP-0086 too (section 9); what was sent, which
/// may be a password, is not sent back (section 3.3).
pub fn reply(request: &Stanza, done: Result<Option<Element>, StanzaError>) -> Option<Stanza> {
    let error = match done {
        Ok(payload) => return request.result(payload),
        Err(error) => error,
    };
    let code = code(error.condition);
    let mut reply = request.error_reply(error.clone())?;
    reply.payload = vec![error.to_element().attr("code", code)];
    Some(reply)
}

/// XEP-0086 section 3.
fn code(condition: ErrorCondition) -> &'static str {
    match condition {
        ErrorCondition::BadRequest | ErrorCondition::UnexpectedRequest => "400",
        ErrorCondition::NotAuthorized => "401",
        ErrorCondition::Forbidden => "403",
        ErrorCondition::ItemNotFound => "404",
        ErrorCondition::NotAllowed => "405",
        ErrorCondition::NotAcceptable => "406",
        ErrorCondition::RegistrationRequired => "407",
        ErrorCondition::Conflict => "409",
        ErrorCondition::ServiceUnavailable => "503",
        _ => "500",
    }
}

#[cfg(test)]
mod tests {
    use pollux_xml::StreamNamespaces;

    use super::*;

    fn request(kind: IqType, inner: &str) -> Stanza {
        let query = format!("<query>{inner}</query>");
        let context = StreamNamespaces::new(ns::REGISTER);
        let query = Element::parse(query.as_bytes(), &context).unwrap();
        Stanza::new(kind).id("1").payload(query)
    }

    fn read(kind: IqType, inner: &str) -> Option<Result<RegistrationRequest, ErrorCondition>> {
        let read = RegistrationRequest::from_stanza(&request(kind, inner))?;
        Some(read.map_err(|error| error.condition))
    }

    fn set(username: &str, password: &str) -> Option<Result<RegistrationRequest, ErrorCondition>> {
        let some = |text: &str| {
            Some(text)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        Some(Ok(RegistrationRequest::Set {
            username: some(username).map(Text::from),
            password: some(password).map(|text| Secret::new(text.into_bytes())),
        }))
    }

    /// Sections 3.1 to 3.3.
    #[test]
    fn requests_are_read() {
        let form = Some(Ok(RegistrationRequest::Form));
        assert_eq!(read(IqType::Get, ""), form);
        assert!(RegistrationRequest::is_form(&request(IqType::Get, "")));
        let both = "<username>bill</username><password> a b </password><email>x</email>";
        assert_eq!(read(IqType::Set, both), set("bill", " a b "));
        assert!(!RegistrationRequest::is_form(&request(IqType::Set, both)));
        let empty = "<username>bill</username><password/>";
        assert_eq!(read(IqType::Set, empty), set("bill", ""));
        assert_eq!(read(IqType::Set, ""), set("", ""));
        let remove = Some(Ok(RegistrationRequest::Remove));
        assert_eq!(read(IqType::Set, "<remove/>"), remove);
        let more = "<remove/><username>bill</username>";
        let bad = Some(Err(ErrorCondition::BadRequest));
        assert_eq!(read(IqType::Set, more), bad);
        assert_eq!(read(IqType::Result, ""), None);
        let secret = RegistrationRequest::from_stanza(&request(IqType::Set, both));
        assert!(!format!("{secret:?}").contains("a b"));
    }

    /// Section 4.
    #[test]
    fn a_form_is_read_where_it_comes_alone() {
        let form = |kind: &str, fields: &str| {
            format!(
                "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
                 <value>{kind}</value></field>{fields}</x>"
            )
        };
        let both = "<field var='username'><value>bill</value></field>\
                    <field var='password'><value> a b </value></field>\
                    <field var='email'><value>x</value></field>";
        let right = form("jabber:iq:register", both);
        assert_eq!(read(IqType::Set, &right), set("bill", " a b "));
        let nothing = form("jabber:iq:register", "");
        assert_eq!(read(IqType::Set, &nothing), set("", ""));
        for wrong in [
            form("jabber:iq:register:changepassword", both),
            form("jabber:iq:register:cancel", both),
            form("", both),
            right.replace("submit", "cancel"),
            right.replace(
                "<value>bill</value>",
                "<value>bill</value><value>ben</value>",
            ),
            format!("{right}<username>bill</username>"),
            format!("{right}<remove/>"),
            format!("{right}{right}"),
        ] {
            let bad = Some(Err(ErrorCondition::BadRequest));
            assert_eq!(read(IqType::Set, &wrong), bad, "{wrong}");
        }
    }

    #[test]
    fn answers_are_written() {
        let request = request(
            IqType::Set,
            "<username>bill</username><password>x</password>",
        );
        let text = |done| {
            let reply = reply(&request, done).unwrap().to_bytes();
            String::from_utf8(reply.to_vec()).unwrap()
        };
        assert_eq!(text(Ok(None)), "<iq id='1' type='result'/>");
        assert_eq!(
            text(Ok(Some(registered("bill")))),
            "<iq id='1' type='result'><query xmlns='jabber:iq:register'><registered/>\
             <username>bill</username><password/></query></iq>"
        );
        assert_eq!(
            text(Ok(Some(form("Choose.")))),
            "<iq id='1' type='result'><query xmlns='jabber:iq:register'>\
             <instructions>Choose.</instructions><username/><password/>\
             <x xmlns='jabber:x:data' type='form'><title>New account</title>\
             <instructions>Choose.</instructions>\
             <field type='hidden' var='FORM_TYPE'><value>jabber:iq:register</value></field>\
             <field type='text-single' label='Name' var='username'><required/></field>\
             <field type='text-private' label='Password' var='password'><required/></field></x>\
             </query></iq>"
        );
        assert_eq!(
            text(Err(refusal(ErrorCondition::Conflict, "taken"))),
            "<iq id='1' type='error'><error type='cancel' code='409'>\
             <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>taken</text>\
             </error></iq>"
        );
        for (condition, kind) in [
            (ErrorCondition::Forbidden, ErrorType::Cancel),
            (ErrorCondition::NotAuthorized, ErrorType::Modify),
            (ErrorCondition::NotAcceptable, ErrorType::Modify),
            (ErrorCondition::NotAllowed, ErrorType::Cancel),
        ] {
            assert_eq!(refusal(condition, "no").kind, kind, "{condition}");
        }
        let feature = feature().to_bytes(ns::CLIENT);
        let expected = "<register xmlns='http://jabber.org/features/iq-register'/>";
        assert_eq!(feature, expected);
    }
}

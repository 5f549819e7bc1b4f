//! From a fresh connection to an authenticated stream: header, STARTTLS, SASL (RFC 6120, 4 to 6).
//! Binding and resumption come after it: see session.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite};

use super::element::{Element, escape};
use super::error::Error;
use super::pipe::Pipe;
use super::scan::Frame;
use super::scram::{Exchange, Mechanism};
use super::seed::Seed;
use super::tls::Tls;
use super::{Account, Options};

const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

/// What the server offers at this point of the negotiation.
#[derive(Debug, Default, Clone)]
pub struct Features {
    pub start_tls: bool,
    pub mechanisms: Vec<String>,
    pub bind: bool,
    pub stream_management: bool,
}

/// Negotiates until the server has accepted the password and proved that it knows it too.
pub async fn sign_in<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    account: &Account,
    options: &Options,
    seed: &mut Seed,
) -> Result<(Pipe<S>, Features), Error> {
    let mut pipe = Pipe::new(stream);
    let mut features = open(&mut pipe, account).await?;
    if let Tls::StartTls(connector) = &options.tls {
        if !features.start_tls {
            return Err(Error::protocol("STARTTLS is not offered"));
        }
        pipe.write(&format!("<starttls xmlns='{TLS}'/>"))?;
        expect(&mut pipe, "proceed").await?;
        pipe = pipe.secure(connector, &account.domain).await?;
        features = open(&mut pipe, account).await?;
    }
    authenticate(&mut pipe, &features, account, options, seed).await?;
    pipe.scanner.restart();
    features = open(&mut pipe, account).await?;
    Ok((pipe, features))
}

/// Reads one stanza and hands it to `read`.
pub async fn stanza<S, T>(
    pipe: &mut Pipe<S>,
    read: impl FnOnce(Element<'_>) -> Result<T, Error>,
) -> Result<T, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match pipe.frame().await? {
        Frame::Stanza(range) => {
            let element = Element::new(pipe.scanner.text(range)?);
            if element.name() == "error" {
                return Err(stream_error(element));
            }
            read(element)
        }
        Frame::Close => Err(Error::Closed),
        Frame::Open(_) => Err(Error::protocol("a second stream header")),
    }
}

pub fn stream_error(element: Element<'_>) -> Error {
    let condition = element
        .children()
        .map(|child| child.name())
        .find(|&name| name != "text");
    let text = element.child("text").map(|text| text.text().into_owned());
    let condition = condition.unwrap_or("undefined-condition").to_owned();
    Error::Stream {
        condition,
        text: text.unwrap_or_default(),
    }
}

async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    pipe: &mut Pipe<S>,
    account: &Account,
) -> Result<Features, Error> {
    pipe.write(&format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='{}'>",
        escape(&account.domain)
    ))?;
    match pipe.frame().await? {
        Frame::Open(range) => check_header(Element::new(pipe.scanner.text(range)?), account)?,
        _ => return Err(Error::protocol("no stream header")),
    }
    stanza(pipe, |element| match element.name() {
        "features" => Ok(read_features(element)),
        name => Err(Error::protocol(format!(
            "<{name}/> instead of stream features"
        ))),
    })
    .await
}

fn check_header(header: Element<'_>, account: &Account) -> Result<(), Error> {
    let is = |name, value: &str| header.attribute(name).as_deref() == Some(value);
    let namespaces =
        is("xmlns", "jabber:client") && is("xmlns:stream", "http://etherx.jabber.org/streams");
    if header.name() != "stream" || !namespaces || !is("version", "1.0") {
        return Err(Error::protocol(format!(
            "stream header {}",
            header.as_str()
        )));
    }
    //= rfc6120#section-4.7.3
    //# the receiving entity MUST generate a unique stream id
    if header.attribute("id").is_none_or(|id| id.is_empty()) || !is("from", &account.domain) {
        return Err(Error::protocol(format!(
            "stream header {}",
            header.as_str()
        )));
    }
    Ok(())
}

fn read_features(features: Element<'_>) -> Features {
    let mut found = Features::default();
    for feature in features.children() {
        match feature.name() {
            "starttls" => found.start_tls = true,
            "bind" => found.bind = true,
            "sm" if feature.namespace().as_deref() == Some(super::SM) => {
                found.stream_management = true;
            }
            "mechanisms" => {
                found.mechanisms = feature
                    .children()
                    .map(|one| one.text().into_owned())
                    .collect();
            }
            _ => {}
        }
    }
    found
}

async fn expect<S>(pipe: &mut Pipe<S>, expected: &str) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stanza(pipe, |element| match element.name() {
        name if name == expected => Ok(()),
        name => Err(Error::protocol(format!(
            "<{name}/> instead of <{expected}/>"
        ))),
    })
    .await
}

async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    pipe: &mut Pipe<S>,
    features: &Features,
    account: &Account,
    options: &Options,
    seed: &mut Seed,
) -> Result<(), Error> {
    let offered = |mechanism: &Mechanism| features.mechanisms.iter().any(|o| o == mechanism.name());
    let mechanism = match options.mechanism {
        Some(mechanism) => Some(mechanism).filter(offered),
        None => Mechanism::ALL.into_iter().find(offered),
    };
    let Some(mechanism) = mechanism else {
        let offer = features.mechanisms.join(", ");
        return Err(Error::protocol(format!(
            "no SASL mechanism in common, offered: {offer}"
        )));
    };
    let nonce = format!("{}{}", seed.word(), seed.word());
    let mut exchange = Exchange::new(mechanism, &account.user, nonce)?;
    let name = mechanism.name();
    let first = STANDARD.encode(exchange.first());
    pipe.write(&format!(
        "<auth xmlns='{SASL}' mechanism='{name}'>{first}</auth>"
    ))?;
    let challenge = match sasl_answer(pipe).await? {
        SaslAnswer::Challenge(challenge) => challenge,
        SaslAnswer::Success(_) => return Err(Error::protocol("success without a challenge")),
    };
    let proof = exchange.answer(&challenge, &account.password, &options.keys)?;
    pipe.write(&format!(
        "<response xmlns='{SASL}'>{}</response>",
        STANDARD.encode(proof)
    ))?;
    match sasl_answer(pipe).await? {
        SaslAnswer::Success(last) => exchange.verify(&last),
        SaslAnswer::Challenge(last) => {
            exchange.verify(&last)?;
            pipe.write(&format!("<response xmlns='{SASL}'/>"))?;
            expect(pipe, "success").await
        }
    }
}

enum SaslAnswer {
    Challenge(String),
    Success(String),
}

async fn sasl_answer<S>(pipe: &mut Pipe<S>) -> Result<SaslAnswer, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stanza(pipe, |element| {
        let data = || {
            let bytes = STANDARD.decode(element.text().as_bytes()).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            text.ok_or_else(|| Error::protocol("SASL data that is not base64 of UTF-8"))
        };
        match element.name() {
            "challenge" => Ok(SaslAnswer::Challenge(data()?)),
            "success" => Ok(SaslAnswer::Success(data()?)),
            "failure" => {
                let condition = element
                    .children()
                    .map(|c| c.name())
                    .find(|&name| name != "text");
                Err(Error::Refused(condition.unwrap_or("unknown").to_owned()))
            }
            name => Err(Error::protocol(format!("<{name}/> during sign-in"))),
        }
    })
    .await
}

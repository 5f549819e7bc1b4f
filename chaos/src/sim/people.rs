//! A person in the simulation: signs in, talks to the partner, loses the connection, goes away and
//! comes back, all by the seed; stays until everything that was promised has arrived.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;
use turmoil::net::TcpStream;

use super::history::{History, Pen};
use super::world::Plan;
use crate::client::{Account, Client, Error, Event, Options, Seed};

type Driven = Client<TcpStream, Pen>;

/// See the module.
pub struct Person {
    pub who: usize,
    pub partner: usize,
    pub plan: Plan,
    pub seed: Seed,
    pub options: Rc<Options>,
    pub history: Rc<RefCell<History>>,
}

/// The accounts of a world.
pub fn account(who: usize) -> Account {
    Account {
        user: format!("person{who}"),
        domain: super::world::DOMAIN.to_owned(),
        password: "pencil".to_owned(),
        resource: "desk".to_owned(),
    }
}

impl Person {
    /// Lives until all is said and has arrived, or virtual time is over.
    pub async fn live(mut self) -> turmoil::Result {
        let pen = Pen {
            who: self.who,
            history: self.history.clone(),
        };
        let number = self.seed.number();
        let mut client = Driven::new(account(self.who), self.options.clone(), number, pen);
        let mut said = 0;
        while !self.is_over(said, &client) {
            match self.connection(&mut client, &mut said).await {
                Ok(()) | Err(Error::Closed) => {}
                Err(error) => {
                    tracing::debug!(who = self.who, %error, "connection ended");
                    if error.is_retryable() {
                        client.cut();
                    } else {
                        client.forget();
                    }
                }
            }
            self.pause(1, 60).await;
        }
        Ok(())
    }

    fn is_over(&self, said: u64, client: &Driven) -> bool {
        let late = turmoil::sim_elapsed().unwrap_or_default() > self.plan.patience;
        late || (said == self.plan.messages
            && client.unacknowledged() == 0
            && self.history.borrow().missing().is_empty()
            && self.all_have_spoken())
    }

    /// Whether everybody's messages are out and acknowledged.
    fn all_have_spoken(&self) -> bool {
        let wanted = self.plan.people as u64 * self.plan.messages;
        let history = self.history.borrow();
        let acknowledged = history
            .acknowledged
            .iter()
            .filter(|id| super::history::is_message(id));
        acknowledged.count() as u64 + self.plan.doubted(&history) >= wanted
    }

    /// One connection, until it breaks, is broken, or is closed.
    async fn connection(&mut self, client: &mut Driven, said: &mut u64) -> Result<(), Error> {
        let address = (turmoil::lookup("node"), super::world::PORT);
        let stream = TcpStream::connect(address).await.map_err(Error::from)?;
        let outcome = client.connect(stream).await?;
        if outcome == crate::client::Outcome::Bound {
            client.available()?;
        }
        loop {
            let time = Duration::from_millis(1 + self.seed.below(16));
            self.listen(client, time).await?;
            if self.is_over(*said, client) {
                return client.close().await;
            }
            match self.seed.below(100) {
                0..=2 => {
                    client.cut();
                    return Ok(());
                }
                3..=4 if self.plan.leaves => return client.close().await,
                5..=69 if *said < self.plan.messages => {
                    *said += 1;
                    let to = account(self.partner).bare_jid();
                    client.message(&to, &format!("m{}-{said}", self.who), "hello")?;
                }
                70..=79 => client.request_acknowledgement()?,
                80..=84 => client.available()?,
                85..=87 => {
                    client.request_ping()?;
                }
                _ => {}
            }
        }
    }

    /// Takes what comes for so long.
    async fn listen(&self, client: &mut Driven, time: Duration) -> Result<(), Error> {
        let mut over = std::pin::pin!(sleep(time));
        loop {
            tokio::select! {
                biased;
                event = client.next() => {
                    if event? == Event::Closed {
                        return Err(Error::Closed);
                    }
                }
                () = &mut over => return Ok(()),
            }
        }
    }

    async fn pause(&mut self, least: u64, most: u64) {
        tokio::time::sleep(Duration::from_millis(least + self.seed.below(most - least))).await;
    }
}

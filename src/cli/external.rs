//! `pollux ctl external`: what clients are told of servers for calls, and the secret that these
//! share with the cluster.

use pollux_domain::operations::{Operation, Outcome};

use super::Failure;
use super::arguments::ExternalCommand;
use super::ctl::{Node, unexpected};
use super::password::{self, Password};
use super::show::Shown;

pub(super) fn run(node: &Node, command: ExternalCommand) -> Result<Shown, Failure> {
    let (operation, what) = match command {
        ExternalCommand::Show => {
            return match node.ask(Operation::ExternalShow {})? {
                Outcome::Settings(rows) => Ok(Shown::Settings(rows)),
                other => Err(unexpected(&other)),
            };
        }
        ExternalCommand::SetSecret { secret_file } => {
            let secret = password::take(secret_file.as_deref())?;
            let operation = Operation::ExternalSetSecret {
                secret: secret.secret().clone(),
            };
            if let Password::Generated(secret) = secret {
                node.done(operation)?;
                return Ok(Shown::Secret(secret));
            }
            (operation, "set")
        }
        ExternalCommand::ForgetSecret => (Operation::ExternalForgetSecret {}, "forgotten"),
    };
    node.done(operation)?;
    Ok(Shown::Done {
        what,
        subject: "secret".to_owned(),
    })
}

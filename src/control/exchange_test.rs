//! The control socket from both ends: what a caller gets for right, wrong, long and late requests.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pollux_domain::operations::{
    Caller, ENVELOPE_BYTES_MAX, Errand, ErrorKind, Operation, OperationError, OperationExecutor,
    Outcome, UserName,
};

use super::{ClientError, ControlError, ControlServer, ask};

/// Notes what it is asked and answers "done", but knows no user `nobody` and never ends for `slow`.
#[derive(Default)]
struct Notes {
    asked: RefCell<Vec<String>>,
}

impl OperationExecutor for Notes {
    async fn execute(
        &self,
        caller: &Caller,
        Errand { operation, .. }: Errand,
    ) -> Result<Outcome, OperationError> {
        self.asked
            .borrow_mut()
            .push(operation.audit_line(caller).operation.to_owned());
        match operation {
            Operation::UserRemove { user } if user.as_str() == "nobody" => Err(
                OperationError::new(ErrorKind::NotFound, "there is no user nobody"),
            ),
            Operation::UserRemove { user } if user.as_str() == "slow" => {
                std::future::pending().await
            }
            _ => Ok(Outcome::Done),
        }
    }
}

/// Serves while `caller` runs on a thread of its own; returns what was asked.
fn with_server(caller: impl FnOnce(&Path) + Send + 'static) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = ControlServer::bind(&path).unwrap();
        let notes = Notes::default();
        let caller_path = path.clone();
        let thread = tokio::task::spawn_blocking(move || caller(&caller_path));
        tokio::select! {
            () = server.serve(&notes) => {}
            ended = thread => ended.unwrap(),
        }
        drop(server);
        assert!(!path.exists(), "the socket file stays behind");
        notes.asked.into_inner()
    })
}

fn remove(user: &str) -> Operation {
    Operation::UserRemove {
        user: UserName::new(user).unwrap(),
    }
}

fn say(path: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let _ = stream.write_all(bytes);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn an_operation_is_executed_and_answered() {
    let asked = with_server(|path| {
        assert_eq!(ask(path, Operation::Statistics {}).unwrap(), Outcome::Done);
        let Err(ClientError::Refused(error)) = ask(path, remove("nobody")) else {
            panic!()
        };
        assert_eq!(error.kind, ErrorKind::NotFound);
    });
    assert_eq!(asked, ["statistics", "user.remove"]);
}

#[test]
fn only_the_owner_may_open_the_socket() {
    with_server(|path| {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    });
}

#[test]
fn wrong_lines_get_an_answer_and_reach_nobody() {
    let asked = with_server(|path| {
        assert!(say(path, b"hello\n").contains(r#""kind":"invalid""#));
        assert!(say(path, b"\xff\xfe\n").contains(r#""kind":"invalid""#));
        let long = vec![b'x'; ENVELOPE_BYTES_MAX];
        assert!(say(path, &long).contains("it is longer than 65536 bytes"));
        // A closed connection without a line is not a request.
        drop(UnixStream::connect(path).unwrap());
        assert_eq!(ask(path, Operation::Statistics {}).unwrap(), Outcome::Done);
    });
    assert_eq!(asked, ["statistics"]);
}

#[test]
fn a_caller_that_says_nothing_is_answered_in_time_and_disturbs_nobody() {
    with_server(|path| {
        let silent = UnixStream::connect(path).unwrap();
        assert_eq!(ask(path, Operation::Statistics {}).unwrap(), Outcome::Done);
        drop(silent);
        assert!(say(path, b"{").contains("no whole line within 5 s"));
    });
}

#[test]
fn operations_run_beside_each_other() {
    with_server(|path| {
        let mut slow = UnixStream::connect(path).unwrap();
        let request = br#"{"version":1,"operation":{"name":"user.remove","user":"slow"}}"#;
        slow.write_all(request).unwrap();
        slow.write_all(b"\n").unwrap();
        assert_eq!(ask(path, remove("alice")).unwrap(), Outcome::Done);
    });
}

#[test]
fn a_socket_that_a_killed_node_left_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    bind(&path).unwrap();
}

#[test]
fn a_socket_in_use_and_a_file_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert!(matches!(bind(&path), Err(ControlError::InUse(_))));
    let file: PathBuf = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    assert!(matches!(bind(&file), Err(ControlError::NotASocket(_))));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn without_a_node_nothing_was_asked() {
    let error = ask(Path::new("/nonexistent/control.sock"), remove("alice")).unwrap_err();
    assert!(matches!(error, ClientError::NoNode { .. }), "{error}");
}

fn bind(path: &Path) -> Result<ControlServer, ControlError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _guard = runtime.enter();
    ControlServer::bind(path)
}

//! The graphical client: Pidgin from Debian, in windows on a screen that is nowhere but in memory.
//! It is told what to do by keys, as a person would, and what it shows is copied out of its window.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::common::deadline::{found, wait_for};
use crate::common::node::{DOMAIN, PASSWORD, TestNode};
use crate::common::program::Process;

/// The title of the window with the contacts.
const LIST: &str = "Buddy List";
/// How long what a key does may take, before the key is pressed again.
const KEY_PATIENCE: Duration = Duration::from_secs(2);
/// How many lines of the client's own log are worth a look after a failure.
const LAST_LINES: usize = 80;

/// See the module.
pub struct Window {
    display: String,
    log: PathBuf,
    // Ended in this order.
    client: Process,
    _screen: Process,
}

impl Window {
    /// Signs in with STARTTLS, trusting the node's certificate, with a resource called `window`.
    #[track_caller]
    pub fn sign_in(node: &TestNode, user: &str) -> Window {
        let folder = node.path("window");
        prepare(&folder, node, user);
        let (screen, display) = open_screen(&node.path("screen.log"));
        let mut command = Command::new("/usr/bin/pidgin");
        command
            .env_clear()
            // Its log, and no question to others whether there is a network or another Pidgin.
            .args(["--debug", "--force-online", "--multiple", "--config"])
            .arg(&folder)
            .env("DISPLAY", &display)
            .env("HOME", &folder)
            .env("LC_ALL", "C.UTF-8")
            // Without an address it would start a bus that outlives the test.
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/dev/null");
        let log = node.path("window.log");
        let client = Process::start(&mut command, &log);
        let window = Window {
            display,
            log,
            client,
            _screen: screen,
        };
        window.opens(LIST);
        window.logs(&format!("Successfully verified certificate for {DOMAIN}"));
        window
    }

    /// Adds a contact in the dialogue for that.
    #[track_caller]
    pub fn adds(&self, contact: &str) {
        self.opens_by(&["ctrl+b"], "Add Buddy");
        self.types("Add Buddy", contact);
    }

    /// Opens the conversation with the last of the list, who must be `contact`. The list has only
    /// those who are there.
    #[track_caller]
    pub fn chooses(&self, contact: &str) {
        self.logs(&format!("Updating buddy status for {contact}"));
        // Into the list, to its end, and what is there.
        self.opens_by(&["Down", "End", "Return"], contact);
    }

    /// Types a line into a window, and Enter.
    #[track_caller]
    pub fn types(&self, title: &str, line: &str) {
        self.focus(title);
        self.xdotool(&["type", "--delay", "20", line]);
        self.xdotool(&["key", "Return"]);
    }

    /// Waits until this text can be copied out of a conversation.
    #[track_caller]
    pub fn shows(&self, title: &str, text: &str) {
        wait_for(&format!("{text:?} in the window {title:?}"), || {
            // From the line that is typed to what was said, and all of that.
            self.press(title, &["F6", "ctrl+a"]);
            self.selected().contains(text).then_some(())
        });
    }

    /// Quits, and the program ends well.
    #[track_caller]
    pub fn quits(mut self) {
        self.press(LIST, &["ctrl+q"]);
        let ended = self.client.wait();
        assert!(ended.success(), "the client ended with {ended}");
    }

    /// Waits for a window with this title.
    #[track_caller]
    fn opens(&self, title: &str) -> String {
        wait_for(&format!("a window {title:?}"), || self.window(title))
    }

    /// Presses keys in the window with the contacts until they open another: it may not be ready
    /// for them.
    #[track_caller]
    fn opens_by(&self, keys: &[&str], title: &str) {
        wait_for(&format!("a window {title:?} by {keys:?}"), || {
            self.press(LIST, keys);
            found(KEY_PATIENCE, || self.window(title))
        });
    }

    /// The window with this title, if there is one.
    fn window(&self, title: &str) -> Option<String> {
        let title = format!("^{title}$");
        let windows = self.xdotool(&["search", "--onlyvisible", "--name", &title]);
        windows.lines().next().map(str::to_owned)
    }

    #[track_caller]
    fn press(&self, title: &str, keys: &[&str]) {
        self.focus(title);
        self.xdotool(&[&["key"], keys].concat());
    }

    /// From here on keys go to this window.
    #[track_caller]
    fn focus(&self, title: &str) {
        let window = self.opens(title);
        wait_for(&format!("the focus in {title:?}"), || {
            self.xdotool(&["windowfocus", &window]);
            let focused = self.xdotool(&["getwindowfocus"]);
            (focused.trim() == window).then_some(())
        });
    }

    /// The text that is selected in a window.
    fn selected(&self) -> String {
        self.said(Command::new("timeout").args(["5", "xclip", "-out", "-selection", "primary"]))
    }

    /// Waits until the client's own log has this text.
    #[track_caller]
    fn logs(&self, text: &str) {
        wait_for(&format!("{text:?} in the client's log"), || {
            self.log().contains(text).then_some(())
        });
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn xdotool(&self, arguments: &[&str]) -> String {
        self.said(Command::new("xdotool").args(arguments))
    }

    /// What a program says that looks at the screen. It may fail: windows come and go.
    fn said(&self, command: &mut Command) -> String {
        let output = command.env("DISPLAY", &self.display).output();
        let output = output.expect("Debian's packages xdotool and xclip are installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Window {
    #[expect(clippy::print_stderr, reason = "the test's own output")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
            eprintln!("--- end of the client's log ---\n{}", last.join("\n"));
        }
    }
}

/// An X server on a display that was free.
#[track_caller]
fn open_screen(log: &Path) -> (Process, String) {
    let mut command = Command::new("Xvfb");
    command
        .args(["-displayfd", "1", "-nolisten", "tcp"])
        // Without that it begins anew whenever the last program goes, and turns away who comes.
        .arg("-noreset")
        .args(["-screen", "0", "1024x768x24"]);
    let mut screen = Process::start(&mut command, log);
    let display = wait_for("the number of the display", || {
        let ended = screen.end();
        assert!(ended.is_none(), "the X server ended: {ended:?}");
        let said = fs::read_to_string(log).ok()?;
        // A line that is not complete could be half a number.
        let mut lines = said
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        lines.find_map(|line| line.trim().parse::<u32>().ok())
    });
    (screen, format!(":{display}"))
}

/// What the client finds, as if it had been here before: the account, and a certificate that its
/// user has accepted.
fn prepare(folder: &Path, node: &TestNode, user: &str) {
    let accepted = folder.join("certificates/x509/tls_peers");
    fs::create_dir_all(&accepted).expect("a folder can be made");
    // Under the name that it connects to, not the domain's: here they must be the same.
    fs::copy(node.path("data/certificate.pem"), accepted.join(DOMAIN))
        .expect("the node has a certificate");
    let port = node.address().port();
    let account = format!(
        "<account version='1.0'><account>\
           <protocol>prpl-jabber</protocol>\
           <name>{user}@{DOMAIN}/window</name>\
           <password>{PASSWORD}</password>\
           <settings>\
             <setting name='connect_server' type='string'>{DOMAIN}</setting>\
             <setting name='port' type='int'>{port}</setting>\
             <setting name='connection_security' type='string'>require_tls</setting>\
           </settings>\
           <settings ui='gtk-gaim'><setting name='auto-login' type='bool'>1</setting></settings>\
         </account></account>\n"
    );
    fs::write(folder.join("accounts.xml"), account).expect("a file can be written");
    fs::write(folder.join("prefs.xml"), PREFERENCES).expect("a file can be written");
}

/// Others' availability is said in the conversation; no sound, no icon beside a clock, and no
/// question to the DNS of the machine for a server of STUN.
const PREFERENCES: &str = "<pref version='1' name='/'>\
    <pref name='pidgin'>\
      <pref name='plugins'>\
        <pref name='loaded' type='pathlist'>\
          <item value='/usr/lib/purple-2/statenotify.so'/>\
        </pref>\
      </pref>\
      <pref name='sound'><pref name='method' type='string' value='none'/></pref>\
      <pref name='docklet'><pref name='show' type='string' value='never'/></pref>\
    </pref>\
    <pref name='purple'><pref name='network'>\
      <pref name='stun_server' type='string' value='127.0.0.1'/>\
    </pref></pref>\
  </pref>\n";

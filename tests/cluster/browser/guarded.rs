//! What a real browser is not talked into: a session that somebody else has chosen, a form of
//! another site, a button beyond one's role, markup in a name; and what becomes of who tries
//! passwords.

use serde_json::json;

use super::super::administration::{add_administrator, with_admin};
use super::super::common::node::PASSWORD;
use super::super::ports::free_address;
use super::super::site::Member;
use super::driver::Driver;
use super::signs_in;

/// Of the session of an administrator.
const COOKIE: &str = "__Host-pollux";
/// The name of a place, as somebody might have written it into the settings.
const SITE: &str = "<img src=x onerror=document.title='owned'>";

/// A node with pages, and where they are.
#[track_caller]
fn with_pages() -> (Member, String) {
    let address = free_address();
    let castor = with_admin("castor", address);
    let name = "name = \"castor\"\n";
    castor.change_setting(name, &format!("{name}site = \"{SITE}\"\n"));
    (castor.founds(), format!("http://{address}"))
}

#[track_caller]
fn is_running(castor: &Member, service: &str) {
    let list = castor.ctl(&["service", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let rows = list.as_array().expect("services");
    let row = rows.iter().find(|row| row["service"] == service);
    assert_eq!(row.expect("such a service")["wanted"], "running", "{list}");
}

#[test]
fn a_form_of_another_site_or_without_its_word_does_nothing() {
    let (castor, pages) = with_pages();
    add_administrator(&castor, "ann", "operator");
    let driver = Driver::start();
    signs_in(&driver, &pages, "ann");
    // The site's name is a text, wherever it stands.
    driver.shows(SITE);
    assert_eq!(
        driver.evaluates("return document.querySelectorAll('img').length"),
        0
    );
    assert_ne!(driver.evaluates("return document.title"), "owned");

    let stop = format!(
        "<form method=post action='{pages}/operate'><input name=operation value=service.stop>\
         <input name=service value=clients><input name=confirm value=service.stop>\
         <button>Win</button></form>"
    );
    // Of another site: the session does not come with it.
    driver.goes_to(&format!("data:text/html,{}", stop.replace(' ', "%20")));
    driver.clicks("button");
    driver.shows("Sign in");
    is_running(&castor, "clients");
    // Of this one, as a script would make it: the session comes, the word of the form does not.
    driver.goes_to(&format!("{pages}/topology"));
    driver.shows("System topology");
    let add = format!("document.querySelector('main').innerHTML = {}", json!(stop));
    driver.evaluates(&add);
    driver.clicks("main form button");
    driver.shows("This form was not made for your session");
    is_running(&castor, "clients");
    // And a script sees no cookie.
    driver.goes_to(&format!("{pages}/topology"));
    assert_eq!(driver.evaluates("return document.cookie"), "");
}

#[test]
fn a_session_is_made_at_the_sign_in_and_nowhere_else() {
    let (castor, pages) = with_pages();
    add_administrator(&castor, "ann", "operator");
    add_administrator(&castor, "vic", "viewer");
    let driver = Driver::start();
    driver.goes_to(&pages);
    let planted = "0123456789abcdef0123456789abcdef";
    driver.plants_cookie(COOKIE, planted);
    signs_in(&driver, &pages, "vic");
    let first = driver.cookie(COOKIE).expect("a session");
    assert_ne!(first, planted);
    // A viewer has no buttons, and no way around them.
    let buttons = "return document.querySelectorAll(\"a[href^='/confirm'], main button\").length";
    assert_eq!(driver.evaluates(buttons), 0);
    driver.goes_to(&format!(
        "{pages}/confirm?operation=service.stop&service=clients"
    ));
    driver.shows("or your role, does not allow this now");
    driver.goes_to(&format!("{pages}/audit"));
    driver.shows("the role viewer may not do this");
    driver.goes_to(&format!("{pages}/topology"));
    // What was signed out opens nothing any more, whoever has kept it.
    driver.clicks("form[action='/sign-out'] button");
    driver.shows("Password");
    driver.plants_cookie(COOKIE, &first);
    driver.goes_to(&format!("{pages}/topology"));
    driver.shows("Password");
    signs_in(&driver, &pages, "ann");
    assert_ne!(driver.cookie(COOKIE), Some(first));
}

#[test]
fn who_tries_passwords_is_shut_out_for_a_while() {
    let (castor, pages) = with_pages();
    add_administrator(&castor, "ann", "operator");
    castor.ctl(&["settings", "set", "sign-in.lockout-account-failures=3"]);
    let driver = Driver::start();
    let tries = |password: &str| {
        driver.goes_to(&pages);
        driver.shows("Password");
        driver.types("#name", "ann");
        driver.types("#password", password);
        driver.clicks("button");
    };
    for _ in 0..3 {
        tries("a guess");
        driver.shows("wrong");
    }
    tries(PASSWORD);
    driver.shows("too many");
    driver.shows("5 min");
    castor.wait_said(&["administrators are locked out after failures"]);
    // An operator with the command line goes on.
    is_running(&castor, "clients");
}

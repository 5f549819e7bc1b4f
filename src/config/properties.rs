//! What must hold for any text that is to be `pollux.toml`; the fuzz target and the seeded test
//! check the same. Not for examples: see `check_test.rs`.

use std::num::NonZero;
use std::path::Path;

use super::check::{Surroundings, check};
use super::effective;
use super::file::File;
use super::values::Origin;

/// A file holds and can be shown, or it has mistakes, each with a line that is there and one line
/// of advice.
pub fn check_file(text: &str) {
    let around = Surroundings {
        origin: Origin::EmbeddedDefault,
        folder: Path::new("/etc/pollux"),
        cores: NonZero::<usize>::MIN,
        // What is on a disk is not a matter of the text.
        readable: &|_path| Ok(()),
    };
    let (file, mistakes) = File::parse(text);
    let is_misread = !mistakes.is_empty();
    match check(file, mistakes, &around) {
        Ok(config) => {
            assert!(!is_misread, "misread, and taken");
            let shown = effective(&config);
            assert!(
                shown.iter().all(|(_, value)| !value.is_empty()),
                "{shown:?}"
            );
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "refused without a mistake");
            // A mistake may stand behind the last line: something is missing there.
            let lines = 1 + text.matches('\n').count();
            for mistake in mistakes {
                assert!(
                    mistake.line.is_none_or(|line| (1..=lines).contains(&line)),
                    "{mistake:?}"
                );
                assert!(
                    !mistake.text.is_empty() && !mistake.text.contains('\n'),
                    "{mistake:?}"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pollux_domain::properties::mutated;

    use super::*;
    use crate::config::example;

    /// So many rounds take some seconds; the fuzz target goes on for longer.
    const ROUNDS: u64 = 10_000;

    const SMALL: &[&str] = &[
        "[node]\nid = 7\ndata_folder = \"/var/lib/pollux\"\nthreads = 2\n",
        "[xmpp]\ndomain = \"Example.org\"\nlisten = \"[::]:5222\"\nallow_plaintext = true\n",
        "[cluster]\naddress = \"castor.example.org:7222\"\nsnapshot_entries = 1000\n",
        "[delivery]\ndeliver = \"early\"\n[log]\nfilter = \"info,pollux_actors=debug\"\n",
        "node = { id = 0x2A }\nxmpp.domain = '''a\nb'''\n[control]\nsocket = \"\\u0000\"\n",
        "[metrics]\nlisten = \"off\"\nlisten = 1979-05-27T07:32:00Z\n[[node]]\n",
    ];

    #[test]
    fn mutated_files_keep_the_properties() {
        let whole = example().replace("\n# ", "\n");
        let mut seeds = SMALL.to_vec();
        seeds.push(&whole);
        for number in 0..ROUNDS {
            let text = mutated(number, &seeds);
            let kept = std::panic::catch_unwind(|| check_file(&text));
            assert!(kept.is_ok(), "number {number}: {text:?}");
        }
    }
}

//! Flame graphs: the stacks of one recording, counted and drawn. Not for the page, which has
//! tables.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Context;
use inferno::flamegraph::color::MultiPalette;
use inferno::flamegraph::{Options, Palette, from_lines};

use super::kinds::role;
use super::stacks::Sample;

/// Stacks from the root to the leaf, and how often each was met.
#[derive(Debug, Default)]
pub struct Folded(BTreeMap<String, u64>);

impl Folded {
    /// The thread's role is the root.
    pub fn add(&mut self, sample: &Sample) {
        let mut stack = role(&sample.thread).to_owned();
        for frame in sample.frames.iter().rev() {
            stack.push(';');
            stack.push_str(&frame.symbol.replace(';', ":"));
        }
        *self.0.entry(stack).or_default() += 1;
    }

    pub fn lines(&self) -> Vec<String> {
        let lines = self.0.iter();
        lines
            .map(|(stack, times)| format!("{stack} {times}"))
            .collect()
    }

    pub fn draw(&self, title: &str, path: &Path) -> anyhow::Result<()> {
        let lines = self.lines();
        let mut options = Options::default();
        // One colour for Rust, one for its own library, one for what is not Rust.
        options.colors = Palette::Multi(MultiPalette::Rust);
        title.clone_into(&mut options.title);
        "samples".clone_into(&mut options.count_name);
        let file = File::create(path).with_context(|| format!("write {}", path.display()))?;
        let lines = lines.iter().map(String::as_str);
        let drawn = from_lines(&mut options, lines, BufWriter::new(file));
        drawn.with_context(|| format!("draw {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::stacks::read;
    use super::*;

    #[test]
    fn equal_stacks_are_counted_and_drawn_from_the_thread_on() {
        let one = "arbiter-0 1/2\n\tff b;c (/p)\n\tff a::d (/p)\n\n";
        let mut folded = Folded::default();
        let text = Cursor::new(one.repeat(2) + &one.replace("a::d", "e"));
        read(text, |sample| folded.add(sample)).unwrap();
        assert_eq!(folded.lines(), ["arbiters;a::d;b:c 2", "arbiters;e;b:c 1"]);
        let folder = std::env::temp_dir().join(format!("flame-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("one.svg");
        folded.draw("a title", &path).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        for words in ["a title", "a::d (2 samples, 66.67%)", "arbiters (3 samples"] {
            assert!(svg.contains(words), "{words}");
        }
    }
}

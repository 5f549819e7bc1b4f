//! Samples as `perf script` prints them, one after the other: which thread, and through which
//! functions. Judges none of them.

use std::io::BufRead;

use anyhow::Context;

/// Of one stack; a deeper one is cut at its root.
const FRAMES_MAX: usize = 512;

/// One function on a stack, as perf names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub symbol: String,
    /// The file it is in, without its folder.
    pub object: String,
}

impl Frame {
    pub fn is_kernel(&self) -> bool {
        self.object.starts_with('[') && self.object.contains("kernel")
    }
}

/// What one thread did at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    pub thread: String,
    /// From the leaf to the root.
    pub frames: Vec<Frame>,
}

/// Gives each sample to `each`, and keeps none: a recording may be larger than memory.
pub fn read(text: impl BufRead, mut each: impl FnMut(&Sample)) -> anyhow::Result<()> {
    let mut sample = Sample::default();
    for line in text.lines() {
        let line = line.context("read what perf prints")?;
        if line.trim().is_empty() {
            if !sample.thread.is_empty() {
                each(&sample);
            }
            sample = Sample::default();
        } else if line.starts_with('\t') {
            if sample.frames.len() < FRAMES_MAX {
                sample.frames.extend(frame(&line));
            }
        } else {
            sample.thread = thread(&line);
        }
    }
    if !sample.thread.is_empty() {
        each(&sample);
    }
    Ok(())
}

/// `NAME PID/TID`; a name may have spaces in it.
fn thread(line: &str) -> String {
    let line = line.trim();
    line.rsplit_once(' ')
        .map_or(line, |(name, _)| name.trim_end())
        .to_owned()
}

/// `ADDRESS SYMBOL (FILE)`; a symbol may have both spaces and brackets in it.
fn frame(line: &str) -> Option<Frame> {
    let (_, rest) = line.trim().split_once(' ')?;
    let (symbol, file) = rest.strip_suffix(')')?.rsplit_once(" (")?;
    let object = match file.starts_with('[') {
        true => file,
        false => file.rsplit('/').next().unwrap_or(file),
    };
    Some(Frame {
        symbol: symbol.to_owned(),
        object: object.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As perf 6.1 printed them for a node.
    const PRINTED: &str = include_str!("golden/stacks.txt");

    #[test]
    fn each_sample_has_its_thread_and_its_frames_from_the_leaf_on() {
        let mut samples = Vec::new();
        read(PRINTED.as_bytes(), |sample| samples.push(sample.clone())).unwrap();
        let threads: Vec<&str> = samples.iter().map(|one| &*one.thread).collect();
        assert_eq!(
            threads[..4],
            ["groups", "subcluster-log", "subcluster-log", "arbiter-0"]
        );
        let first = &samples[0].frames;
        assert!(first[0].is_kernel() && first[0].symbol == "_raw_spin_unlock_irqrestore");
        assert_eq!(
            first[10],
            Frame {
                symbol: "<pollux_raft::log::redb::RedbLog as pollux_raft::log::LogStore>::write"
                    .to_owned(),
                object: "pollux".to_owned(),
            }
        );
        let unknown = &samples[2].frames[1];
        assert_eq!(
            (&*unknown.symbol, unknown.is_kernel()),
            ("[unknown]", false)
        );
    }

    #[test]
    fn a_thread_without_a_stack_is_a_sample_too() {
        let mut seen = Vec::new();
        let each = |sample: &Sample| seen.push(sample.clone());
        read("a name 1/2 \n\nb 3/4 \n\tff f (g) (/y/x)".as_bytes(), each).unwrap();
        let [one, other] = &seen[..] else {
            panic!("{seen:?}");
        };
        assert_eq!((&*one.thread, one.frames.len()), ("a name", 0));
        let frame = &other.frames[0];
        assert_eq!((&*frame.symbol, &*frame.object), ("f (g)", "x"));
    }
}

//! Writes and compares the files that the program's own tables produce. Does not know what is in
//! them.

use anyhow::{Context, bail};

use crate::workspace::{cargo, root};

/// A generated file and the arguments with which `pollux` prints it.
struct Generated {
    path: &'static str,
    arguments: &'static [&'static str],
}

const GENERATED: &[Generated] = &[
    Generated {
        path: "pollux.example.toml",
        arguments: &["example-config"],
    },
    Generated {
        path: "docs/reference/config.md",
        arguments: &["example-config", "--reference"],
    },
    Generated {
        path: "docs/reference/exit-codes.md",
        arguments: &["exit-codes"],
    },
    Generated {
        path: "docs/reference/settings.md",
        arguments: &["cluster-settings"],
    },
];

pub fn write() -> anyhow::Result<()> {
    for file in GENERATED {
        let text = produce(file)?;
        let path = root().join(file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("make {}", folder.display()))?;
        }
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            println!("{} is up to date", file.path);
            continue;
        }
        std::fs::write(&path, text).with_context(|| format!("write {}", file.path))?;
        println!("{} written", file.path);
    }
    Ok(())
}

pub fn check() -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for file in GENERATED {
        let on_disk = std::fs::read_to_string(root().join(file.path)).unwrap_or_default();
        if on_disk != produce(file)? {
            stale.push(file.path);
        }
    }
    if !stale.is_empty() {
        bail!(
            "stale: {}; `cargo xtask docs` writes them afresh",
            stale.join(", ")
        );
    }
    Ok(())
}

fn produce(file: &Generated) -> anyhow::Result<String> {
    let output = cargo()
        .args(["run", "--quiet", "--package", "pollux", "--"])
        .args(file.arguments)
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("run pollux for {}", file.path))?;
    if !output.status.success() {
        bail!(
            "pollux {} ended with {}",
            file.arguments.join(" "),
            output.status
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("read what becomes {}", file.path))
}

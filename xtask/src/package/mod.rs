//! `cargo xtask package`: a Debian package of the program, with units for a node and a witness, and
//! a container file beside it. Not for trying it: that is `trial`.

mod trial;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::packages;
use crate::step::run;
use crate::workspace::{cargo, target_folder};

/// Where the program lies on a machine that has the package.
const PROGRAM: &str = "/usr/bin/pollux";

/// What dpkg runs before and after it places or removes files.
const SCRIPTS: &[(&str, &str)] = &[
    ("postinst", include_str!("postinst")),
    ("prerm", include_str!("prerm")),
    ("postrm", include_str!("postrm")),
];

/// What is in the package besides the program and what the program prints.
const TEXTS: &[(&str, &str)] = &[
    ("usr/share/doc/pollux/copyright", include_str!("copyright")),
    (
        "usr/share/doc/pollux/CHANGELOG.md",
        include_str!("../../../CHANGELOG.md"),
    ),
    (
        "usr/share/pollux/alerts.yml",
        include_str!("../../../docs/monitoring/alerts.yml"),
    ),
    (
        "usr/share/pollux/dashboard.json",
        include_str!("../../../docs/monitoring/dashboard.json"),
    ),
];

/// What the program prints, and where it lies then.
const PRINTED: &[(&str, &[&str])] = &[
    (
        "lib/systemd/system/pollux.service",
        &["example-unit", "--program", PROGRAM],
    ),
    (
        "lib/systemd/system/pollux-witness.service",
        &["example-unit", "--witness", "--program", PROGRAM],
    ),
    (
        "usr/share/bash-completion/completions/pollux",
        &["completions", "bash"],
    ),
    (
        "usr/share/zsh/vendor-completions/_pollux",
        &["completions", "zsh"],
    ),
    (
        "usr/share/fish/vendor_completions.d/pollux.fish",
        &["completions", "fish"],
    ),
];

/// What stands behind `package`.
#[derive(Debug, Default)]
struct Wanted {
    /// A program that is built; none: the release is built.
    program: Option<PathBuf>,
    /// The folder in which the package is put.
    to: Option<PathBuf>,
    /// Whether it is installed and tried.
    is_tried: bool,
}

pub fn package(arguments: &[&str]) -> anyhow::Result<()> {
    if let ["--try-this", program, made] = arguments {
        return trial::run_trial(Path::new(program), Path::new(made));
    }
    let mut wanted = Wanted::default();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let place = match *word {
            "--program" => &mut wanted.program,
            "--to" => &mut wanted.to,
            "--try" => {
                wanted.is_tried = true;
                continue;
            }
            other => bail!("`{other}` is not known; `cargo xtask package --help` says what is"),
        };
        let path = words.next().map(PathBuf::from);
        *place = Some(path.with_context(|| format!("what path after {word}?"))?);
    }
    packages::install_these(&["dpkg-dev"])?;
    let program = match wanted.program {
        Some(program) => program,
        None => release()?,
    };
    let to = wanted.to.unwrap_or_else(|| target_folder().join("package"));
    let made = make(&program, &to)?;
    println!("{}", made.display());
    println!("{}", to.join("Containerfile").display());
    match wanted.is_tried {
        true => try_it(&program, &made),
        false => Ok(()),
    }
}

/// Makes and tries a package of the program that the tests have built.
pub fn check() -> anyhow::Result<()> {
    let bins = ["--bin", "pollux", "--bin", "pollux-load"];
    run(cargo().args(["build", "--quiet", "--workspace"]).args(bins))?;
    let program = target_folder().join("debug/pollux");
    packages::install_these(&["dpkg-dev"])?;
    let made = make(&program, &target_folder().join("package"))?;
    try_it(&program, &made)
}

/// Machines are started by root alone.
fn try_it(program: &Path, made: &Path) -> anyhow::Result<()> {
    if packages::is_root() {
        return trial::run_trial(program, made);
    }
    let own = std::env::current_exe().context("find this program")?;
    let mut trial = packages::as_root(&own.to_string_lossy());
    trial.args(["package", "--try-this"]).arg(program).arg(made);
    run(&mut trial)
}

fn release() -> anyhow::Result<PathBuf> {
    run(cargo().args(["build", "--release", "-p", "pollux", "--bin", "pollux"]))?;
    Ok(target_folder().join("release/pollux"))
}

/// Makes the package and the container file in the folder `to`, and returns the package's path.
pub fn make(program: &Path, to: &Path) -> anyhow::Result<PathBuf> {
    let program = fs::canonicalize(program)
        .with_context(|| format!("find the program {}", program.display()))?;
    let tree = to.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree).context("remove what the last package was made of")?;
    }
    place(
        &tree,
        "usr/bin/pollux",
        &fs::read(&program).context("read the program")?,
        0o755,
    )?;
    // The symbols stay with the build: they are five times the program.
    run(Command::new("strip").arg(tree.join("usr/bin/pollux")))?;
    for (path, text) in TEXTS {
        place(&tree, path, text.as_bytes(), 0o644)?;
    }
    for (path, arguments) in PRINTED {
        place(&tree, path, printed(&program, arguments)?.as_bytes(), 0o644)?;
    }
    let settings = settings(&printed(&program, &["example-config"])?)?;
    place(
        &tree,
        "usr/share/pollux/pollux.toml",
        settings.as_bytes(),
        0o644,
    )?;
    for (name, text) in SCRIPTS {
        place(&tree, &format!("DEBIAN/{name}"), text.as_bytes(), 0o755)?;
    }
    let version = version(&program)?;
    let architecture = said(Command::new("dpkg").arg("--print-architecture"))?;
    let architecture = architecture.trim();
    let control = control(
        &version,
        architecture,
        &depends(&tree, to)?,
        installed_kib(&tree)?,
    );
    place(&tree, "DEBIAN/control", control.as_bytes(), 0o644)?;
    let made = to.join(format!("pollux_{version}_{architecture}.deb"));
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-Zxz", "--build"]);
    run(build.arg(&tree).arg(&made))?;
    fs::write(to.join("Containerfile"), container_file(&made)).context("write a container file")?;
    Ok(made)
}

fn place(tree: &Path, path: &str, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let full = tree.join(path);
    if let Some(folder) = full.parent() {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    fs::write(&full, bytes).with_context(|| format!("write {}", full.display()))?;
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(&full, mode).with_context(|| format!("set the mode of {path}"))
}

/// The settings that a package begins with: those of the example, with the folder of the unit.
fn settings(example: &str) -> anyhow::Result<String> {
    let (own, packaged) = (
        "# data_folder = \"pollux-data\"\n",
        "data_folder = \"/var/lib/pollux\"\n",
    );
    if !example.contains(own) {
        bail!("the example of settings has no line {}", own.trim());
    }
    Ok(example.replacen(own, packaged, 1))
}

fn version(program: &Path) -> anyhow::Result<String> {
    let said = printed(program, &["--version"])?;
    let version = said.split_whitespace().nth(1);
    Ok(version.context("the program says no version")?.to_owned())
}

fn printed(program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    said(Command::new(program).args(arguments))
}

fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output();
    let output = output.with_context(|| format!("run {command:?}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{command:?} ended with {}: {}",
            output.status,
            errors.trim()
        );
    }
    String::from_utf8(output.stdout).context("read what it said")
}

/// Which libraries of Debian the program needs, as Debian's own tool finds them.
fn depends(tree: &Path, to: &Path) -> anyhow::Result<String> {
    // The tool insists on a source package; an empty one will do.
    let source = to.join("source");
    place(
        &source,
        "debian/control",
        b"Source: pollux\n\nPackage: pollux\nArchitecture: any\n",
        0o644,
    )?;
    let mut ask = Command::new("dpkg-shlibdeps");
    ask.arg("-O").arg(tree.join("usr/bin/pollux"));
    let said = said(ask.current_dir(&source))?;
    let libraries = said.strip_prefix("shlibs:Depends=");
    Ok(libraries
        .context("dpkg-shlibdeps names no libraries")?
        .trim()
        .to_owned())
}

fn installed_kib(folder: &Path) -> anyhow::Result<u64> {
    let mut kib = 0;
    for entry in fs::read_dir(folder).context("list the files of the package")? {
        let entry = entry.context("list the files of the package")?;
        let about = entry.metadata().context("look at a file of the package")?;
        kib += match about.is_dir() {
            true => installed_kib(&entry.path())?,
            false => about.len().div_ceil(1024),
        };
    }
    Ok(kib)
}

fn control(version: &str, architecture: &str, libraries: &str, kib: u64) -> String {
    format!(
        "Package: pollux\n\
         Version: {version}\n\
         Architecture: {architecture}\n\
         Maintainer: The Pollux maintainers <pollux@localhost>\n\
         Installed-Size: {kib}\n\
         Depends: {libraries}, adduser\n\
         Section: net\n\
         Priority: optional\n\
         Description: high-availability presence and instant messaging\n \
         Nodes work in pairs. When one dies, its twin goes on with the same users,\n \
         sessions and rooms, and nothing that was acknowledged is lost or said twice.\n \
         This package has the program, for a node or for the witness of a pair.\n"
    )
}

/// A container of the package that lies beside it.
fn container_file(package: &Path) -> String {
    let name = package.file_name().unwrap_or_default().to_string_lossy();
    include_str!("Containerfile").replace("{package}", &name)
}

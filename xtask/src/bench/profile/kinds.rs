//! What a moment on a CPU was spent for: a pure function of the stack. The frame nearest to the
//! leaf that says something decides; the kernel is judged by the call that led into it.

use std::fmt;

use super::stacks::Frame;

/// In the order of the tables.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Sockets,
    /// For sockets, asleep or not.
    Waiting,
    Disk,
    Wakes,
    /// Pages that were given, taken and mapped.
    Pages,
    OtherKernel,
    Allocator,
    Cryptography,
    Runtime,
    Redb,
    Sled,
    Openraft,
    /// What turns values into bytes, and sums of these.
    Codec,
    /// A crate of the house.
    Ours(String),
    Rest,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Sockets => "kernel: sockets",
            Kind::Waiting => "kernel: waiting (epoll)",
            Kind::Disk => "kernel: disk",
            Kind::Wakes => "kernel: wake-ups, scheduling",
            Kind::Pages => "kernel: pages of memory",
            Kind::OtherKernel => "kernel: other",
            Kind::Allocator => "malloc, free, memcpy",
            Kind::Cryptography => "cryptography, TLS",
            Kind::Runtime => "runtime (tokio, actix)",
            Kind::Redb => "redb",
            Kind::Sled => "sled",
            Kind::Openraft => "openraft",
            Kind::Codec => "values to bytes (serde, bincode)",
            Kind::Ours(name) if name == "pollux_chaos" => "the ceiling's own code",
            Kind::Ours(name) if name == "pollux_xml" => "reading XML (`pollux_xml`)",
            Kind::Ours(name) => return write!(f, "`{name}`"),
            Kind::Rest => "the rest",
        })
    }
}

/// System calls by what they are for. `read`, `write` and `close` say nothing: what is behind them
/// does.
const CALLS: &[(Kind, &[&str])] = &[
    (
        Kind::Sockets,
        &[
            "accept",
            "bind",
            "connect",
            "getpeername",
            "getsockname",
            "getsockopt",
            "listen",
            "recv",
            "send",
            "setsockopt",
            "shutdown",
            "socket",
        ],
    ),
    (Kind::Waiting, &["epoll", "poll", "ppoll"]),
    (
        Kind::Disk,
        &[
            "fallocate",
            "fdatasync",
            "flock",
            "fsync",
            "ftruncate",
            "getdents",
            "lseek",
            "newfstat",
            "openat",
            "pread",
            "pwrite",
            "rename",
            "statx",
            "sync_file_range",
            "unlink",
        ],
    ),
    (
        Kind::Wakes,
        &[
            "clock_nanosleep",
            "eventfd",
            "futex",
            "nanosleep",
            "sched_",
            "timerfd",
        ],
    ),
    (
        Kind::Pages,
        &["brk", "madvise", "mmap", "mprotect", "mremap", "munmap"],
    ),
];

/// What else in the kernel tells what the work was for, by how its names begin.
const KERNEL: &[(Kind, &[&str])] = &[
    (
        Kind::Sockets,
        &[
            "__sock_",
            "sock_",
            "tcp_",
            "inet_",
            "unix_stream",
            "net_rx_",
            "ep_",
            "eventpoll",
        ],
    ),
    (
        Kind::Disk,
        &[
            "ext4_",
            "xfs_",
            "btrfs_",
            "blk_",
            "blkdev_",
            "submit_bio",
            "virtblk_",
            "vfs_fsync",
        ],
    ),
    (
        Kind::Pages,
        &[
            "asm_exc_page_fault",
            "exc_page_fault",
            "handle_mm_fault",
            "do_user_addr_fault",
        ],
    ),
    (
        Kind::Wakes,
        &[
            "eventfd_",
            "schedule",
            "__schedule",
            "try_to_wake_up",
            "ret_from_fork",
        ],
    ),
];

/// Functions of the C library that allocate or move bytes.
const ALLOCATOR: &[&str] = &[
    "_rjem_",
    "je_",
    "malloc",
    "calloc",
    "realloc",
    "free",
    "cfree",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "unlink_chunk",
    "sysmalloc",
    "systrim",
    "arena",
    "tcache",
    "heap_trim",
    "memcpy",
    "memmove",
    "memset",
    "memcmp",
    "bcmp",
    "memchr",
    "mem",
];

/// Libraries by what they do, as their names begin a Rust symbol.
const CRATES: &[(Kind, &[&str])] = &[
    (
        Kind::Cryptography,
        &[
            "ring",
            "rustls",
            "tokio_rustls",
            "webpki",
            "sha1",
            "sha2",
            "hmac",
            "pbkdf2",
            "digest",
            "subtle",
            "untrusted",
            "block_buffer",
            "rustls_pki_types",
        ],
    ),
    (Kind::Redb, &["redb"]),
    (Kind::Sled, &["sled"]),
    (Kind::Openraft, &["openraft"]),
    (
        Kind::Codec,
        &["serde", "serde_core", "serde_json", "bincode", "crc32fast"],
    ),
    (
        Kind::Runtime,
        &[
            "tokio",
            "tokio_util",
            "actix",
            "actix_rt",
            "mio",
            "futures_util",
            "futures_core",
            "futures_channel",
            "futures_task",
            "parking_lot",
            "parking_lot_core",
            "local_channel",
        ],
    ),
];

/// `frames` from the leaf on.
pub fn kind(frames: &[Frame]) -> Kind {
    let kernel = frames.iter().take_while(|frame| frame.is_kernel()).count();
    match kernel {
        0 => frames.iter().find_map(of_program).unwrap_or(Kind::Rest),
        _ => of_kernel(&frames[..kernel], frames.get(kernel)),
    }
}

/// By the system call; else by what runs; else by what the program called. Where the kernel hides
/// its names, only the last is left.
fn of_kernel(frames: &[Frame], caller: Option<&Frame>) -> Kind {
    let call = frames.iter().find_map(|frame| {
        let (_, call) = frame.symbol.rsplit_once("sys_")?;
        begins(CALLS, call)
    });
    let inside = || {
        frames
            .iter()
            .find_map(|frame| begins(KERNEL, &frame.symbol))
    };
    let outside = || {
        let caller = caller.filter(|frame| frame.object.starts_with("libc.so"))?;
        let symbol = caller.symbol.trim_start_matches('_');
        begins(CALLS, symbol.strip_prefix("libc_").unwrap_or(symbol))
    };
    call.or_else(inside)
        .or_else(outside)
        .unwrap_or(Kind::OtherKernel)
}

fn begins(table: &[(Kind, &[&str])], name: &str) -> Option<Kind> {
    let line = table
        .iter()
        .find(|(_, heads)| heads.iter().any(|head| name.starts_with(head)));
    line.map(|(kind, _)| kind.clone())
}

/// `None` where the frame says nothing.
fn of_program(frame: &Frame) -> Option<Kind> {
    let symbol = &*frame.symbol;
    if frame.object.starts_with("libc.so") || frame.object.starts_with("ld-linux") {
        return of_c_library(symbol);
    }
    if !symbol.contains("::") {
        return of_no_rust(frame);
    }
    let owner = owner(symbol);
    if owner.starts_with("pollux") {
        return Some(Kind::Ours(owner.to_owned()));
    }
    let known = CRATES.iter().find(|(_, names)| names.contains(&owner));
    known.map(|(kind, _)| kind.clone())
}

/// What is in the program and not written in Rust is ring, in C and assembler.
fn of_no_rust(frame: &Frame) -> Option<Kind> {
    let symbol = &*frame.symbol;
    let is_heap = ["__rust_", "__rdl_"]
        .iter()
        .any(|head| symbol.starts_with(head));
    let says_nothing = ["[", "_start", "main", "rust_", "_R", "thread_start"];
    match frame.object.starts_with('[') || says_nothing.iter().any(|head| symbol.starts_with(head))
    {
        _ if is_heap => Some(Kind::Allocator),
        true => None,
        false => Some(Kind::Cryptography),
    }
}

/// Most of its inner names are stripped in a release of Debian; of those the allocator and the
/// copies are what a server calls all the time.
fn of_c_library(symbol: &str) -> Option<Kind> {
    let bare = symbol.trim_start_matches('_');
    let heads = ["int_", "mid_", "libc_", "GI___libc_"];
    let inner = heads.iter().find_map(|head| bare.strip_prefix(head));
    let bare = inner.unwrap_or(bare);
    let is_allocator = symbol == "[unknown]" || ALLOCATOR.iter().any(|head| bare.starts_with(head));
    is_allocator.then_some(Kind::Allocator)
}

/// The crate of the first type or path in a symbol: `<a::B as c::D>::e` is of `a`. What drops a
/// value is of the value's crate.
fn owner(symbol: &str) -> &str {
    let mut rest = symbol;
    loop {
        let heads = [
            "<",
            "&",
            "mut ",
            "dyn ",
            "*const ",
            "*mut ",
            "[",
            "(",
            "core::ptr::drop_in_place<",
        ];
        let Some(shorter) = heads.iter().find_map(|head| rest.strip_prefix(head)) else {
            break;
        };
        rest = shorter;
    }
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    &rest[..end.unwrap_or(rest.len())]
}

/// Whose work a thread does, by the name that the node gave it.
pub fn role(thread: &str) -> &'static str {
    match thread {
        _ if thread.starts_with("arbiter") => "arbiters",
        _ if thread.ends_with("-log") => "writers of the logs",
        _ if thread.ends_with("-sync") => "flushers of the logs",
        _ if thread.starts_with("sled-io") => "writers of the tables",
        _ if thread.starts_with("groups") => "groups",
        _ if thread.starts_with("aside") => "aside: keys of passwords",
        _ if thread.starts_with("door") => "doors: strangers",
        _ if thread.starts_with("jemalloc") => "the allocator's own",
        _ if thread.starts_with("pollux-load") => "the ceiling's one thread",
        _ => "others",
    }
}

#[cfg(test)]
#[path = "kinds_test.rs"]
mod kinds_test;

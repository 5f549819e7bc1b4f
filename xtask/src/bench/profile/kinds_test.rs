//! Each rule on a stack that perf printed for a node under load.

use super::super::stacks::read;
use super::*;

const PRINTED: &str = include_str!("golden/stacks.txt");

fn ours(name: &str) -> Kind {
    Kind::Ours(name.to_owned())
}

/// By the leaf and by the one thing above it that decides: a call, or a crate.
#[test]
fn each_stack_is_of_its_kind() {
    let expected = [
        ("groups", Kind::Wakes),                  // futex, woken by a channel
        ("writers of the logs", Kind::Disk),      // fdatasync, down to the driver
        ("writers of the logs", Kind::Allocator), // _int_malloc, and no frame above
        ("arbiters", Kind::Sockets),              // recv, which sends an acknowledgement
        ("arbiters", Kind::Wakes),                // write to an eventfd
        ("arbiters", Kind::Waiting),              // epoll_wait, asleep
        ("arbiters", Kind::Allocator),            // memmove
        ("arbiters", ours("pollux_xml")),
        ("arbiters", Kind::Runtime),
        ("groups", ours("pollux_raft")), // dropping one of its values
        ("groups", Kind::Openraft),
        ("writers of the logs", Kind::Redb),
        ("writers of the logs", Kind::Disk), // pwrite64
        ("groups", ours("pollux_raft")),     // an iterator of core, called by it
        ("arbiters", Kind::Cryptography),    // assembler
        ("arbiters", Kind::Cryptography),    // C
        ("arbiters", Kind::Cryptography),    // assembler without the prefix
        ("arbiters", ours("pollux_actors")), // the clock that it has asked for
        ("groups", Kind::Pages),             // munmap
    ];
    let mut found = Vec::new();
    let each = |sample: &super::super::stacks::Sample| {
        found.push((role(&sample.thread), kind(&sample.frames)));
    };
    read(PRINTED.as_bytes(), each).unwrap();
    assert_eq!(found, expected);
}

fn frame(symbol: &str, object: &str) -> Frame {
    Frame {
        symbol: symbol.to_owned(),
        object: object.to_owned(),
    }
}

#[track_caller]
fn check(frames: &[(&str, &str)], expected: Kind) {
    let frames: Vec<Frame> = frames
        .iter()
        .map(|(symbol, object)| frame(symbol, object))
        .collect();
    assert_eq!(kind(&frames), expected, "{frames:?}");
}

const KERNEL: &str = "[kernel.kallsyms]";

#[test]
fn a_kernel_without_names_is_judged_by_who_called_it() {
    let hidden = ("[unknown]", KERNEL);
    check(&[hidden, ("__libc_recv", "libc.so.6")], Kind::Sockets);
    check(&[hidden, ("fdatasync", "libc.so.6")], Kind::Disk);
    check(&[hidden, ("pollux_xml::a", "pollux")], Kind::OtherKernel);
    check(&[hidden], Kind::OtherKernel);
}

#[test]
fn what_has_no_call_is_judged_by_what_runs() {
    let fault = [("clear_page_erms", KERNEL), ("exc_page_fault", KERNEL)];
    check(
        &[&fault[..], &[("malloc", "libc.so.6")]].concat(),
        Kind::Pages,
    );
    check(
        &[("tcp_rcv_established", KERNEL), ("__do_softirq", KERNEL)],
        Kind::Sockets,
    );
    check(
        &[("sock_write_iter", KERNEL), ("ksys_write", KERNEL)],
        Kind::Sockets,
    );
}

#[test]
fn the_first_path_of_a_symbol_is_its_owner() {
    for (symbol, expected) in [
        ("a::b::c", "a"),
        ("<a::B as d::E>::f", "a"),
        ("<&mut a::B as d::E>::f", "a"),
        ("core::ptr::drop_in_place<a::B<c::D>>", "a"),
        ("<dyn a::B>::c", "a"),
        ("core::ptr::drop_in_place<[a::B]>", "a"),
        ("core::slice::sort", "core"),
    ] {
        assert_eq!(owner(symbol), expected, "{symbol}");
    }
}

#[test]
fn what_says_nothing_is_of_its_caller() {
    let lookup = ("hashbrown::map::HashMap<K,V,S,A>::insert", "pollux");
    check(
        &[lookup, ("pollux_raft::state::a", "pollux")],
        ours("pollux_raft"),
    );
    check(&[lookup, ("start_thread", "libc.so.6")], Kind::Rest);
    check(&[("[unknown]", "libc.so.6")], Kind::Allocator);
    check(
        &[("pthread_mutex_lock", "libc.so.6"), ("redb::a", "pollux")],
        Kind::Redb,
    );
}

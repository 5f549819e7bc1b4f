//! A process and the kernel of its machine: what a stop, an end, a reset and a kill look like, to
//! the process and to whoever talks to it.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use pollux_links::net::{Net, Socket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::sleep;
use turmoil::Sim;
use turmoil::net::TcpStream;

use super::kernel::boot;
use super::process::Process;
use super::process_net::ProcessNet;

const MS: Duration = Duration::from_millis(1);
const ADDRESS: &str = "node:5222";
/// Segments that turmoil keeps for one direction of a connection.
const SEGMENTS: usize = 8;
/// What the talkative peer writes at once: eight of these fill a socket.
const BLOCK: usize = 8_192;

/// What was seen, in order.
type Log = Rc<RefCell<Vec<String>>>;

/// One machine with its process, and somebody who talks to it.
struct World {
    sim: Sim<'static>,
    process: Process,
}

impl World {
    fn of<S>(
        node: impl FnOnce(ProcessNet) -> S,
        peer: impl Future<Output = turmoil::Result> + 'static,
    ) -> World
    where
        S: Future<Output = turmoil::Result> + 'static,
    {
        let mut sim = turmoil::Builder::new()
            .rng_seed(7)
            .tick_duration(MS)
            .max_message_latency(5 * MS)
            .tcp_capacity(SEGMENTS)
            .build();
        let (kernel, net) = boot();
        let kernel = Cell::new(Some(kernel));
        sim.host("node", move || {
            let kernel = kernel.take().expect("it is turned on once");
            kernel.run()
        });
        sim.client("peer", peer);
        let process = Process::start(7, node(net));
        World { sim, process }
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.sim.step().unwrap();
            self.process.run(MS).unwrap();
        }
    }

    fn run_without_the_process(&mut self, steps: usize) {
        for _ in 0..steps {
            self.sim.step().unwrap();
            self.process.miss(MS);
        }
    }
}

async fn accept(net: ProcessNet) -> turmoil::Result<Box<dyn Socket>> {
    let any: SocketAddr = (Ipv4Addr::UNSPECIFIED, 5222).into();
    let mut port = net.listen(any).await?;
    let (socket, _) = port.accept().await?;
    Ok(socket)
}

fn note(log: &Log, what: impl ToString) {
    log.borrow_mut().push(what.to_string());
}

#[test]
fn a_process_that_goes_on_wakes_first_and_then_its_timers_fire() {
    let log = Log::default();
    let (wake, woken) = oneshot::channel();
    let (early, late, task) = (log.clone(), log.clone(), log.clone());
    let software = async move {
        tokio::task::spawn_local(async move {
            sleep(10 * MS).await;
            note(&early, "timer");
        });
        tokio::task::spawn_local(async move {
            sleep(200 * MS).await;
            note(&late, "late timer");
        });
        woken.await?;
        note(&task, "woken");
        pending().await
    };
    let mut process = Process::start(7, software);
    (0..5).for_each(|_| process.run(MS).unwrap());
    (0..100).for_each(|_| process.miss(MS));
    wake.send(()).unwrap();
    assert!(log.borrow().is_empty(), "it stands still");
    (0..2).for_each(|_| process.run(MS).unwrap());
    assert_eq!(*log.borrow(), ["woken", "timer"]);
    (0..90).for_each(|_| process.run(MS).unwrap());
    assert_eq!(log.borrow().len(), 2, "197 ms have passed");
    (0..5).for_each(|_| process.run(MS).unwrap());
    assert_eq!(log.borrow().len(), 3, "202 ms have passed");
}

#[test]
fn a_process_is_stopped_between_two_of_its_tasks() {
    for stopped_after in 0..4 {
        let log = Log::default();
        let (tell, told) = oneshot::channel();
        let (pass, passed) = oneshot::channel();
        let (first, second) = (log.clone(), log.clone());
        let software = async move {
            tokio::task::spawn_local(async move {
                told.await.expect("it is told");
                note(&first, "first");
                pass.send(()).expect("the second waits");
            });
            tokio::task::spawn_local(async move {
                passed.await.expect("the first has passed it on");
                note(&second, "second");
            });
            pending().await
        };
        let mut process = Process::start(7, software);
        process.run(MS).unwrap();
        tell.send(()).unwrap();
        process.turns(stopped_after);
        (0..100).for_each(|_| process.miss(MS));
        let expected = stopped_after.min(2) as usize;
        assert_eq!(log.borrow().len(), expected, "after {stopped_after} turns");
        process.run(MS).unwrap();
        assert_eq!(*log.borrow(), ["first", "second"]);
    }
}

#[test]
fn a_stopped_process_is_called_and_written_to_until_its_buffers_are_full() {
    let (log, written) = (Log::default(), Rc::new(Cell::new(0)));
    let (node, peer, count) = (log.clone(), log.clone(), written.clone());
    let node = |net| async move {
        let mut socket = accept(net).await?;
        let mut heard = Vec::new();
        // Until the peer closes its direction; this one stays open.
        socket.read_to_end(&mut heard).await?;
        note(&node, heard.len());
        socket.write_all(b"answer").await?;
        Ok(())
    };
    let peer = async move {
        sleep(20 * MS).await;
        let mut stream = TcpStream::connect(ADDRESS).await?;
        for block in 0..64 {
            stream.write_all(&[block; BLOCK]).await?;
            count.set(usize::from(block) + 1);
        }
        // turmoil loses an end that comes to a full queue.
        sleep(50 * MS).await;
        stream.shutdown().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        note(&peer, answer);
        Ok(())
    };
    let mut world = World::of(node, peer);
    world.run(10);
    world.run_without_the_process(500);
    let kept = written.get();
    // Besides one that the kernel looks at and has no room for.
    assert!((8..=9 + SEGMENTS).contains(&kept), "{kept} blocks");
    world.run(500);
    let everything = (64 * BLOCK).to_string();
    assert_eq!(*log.borrow(), [everything.as_str(), "answer"]);
}

#[test]
fn a_peer_that_throws_away_what_it_was_told_resets_the_connection() {
    let log = Log::default();
    let node = log.clone();
    let node = |net| async move {
        let mut socket = accept(net).await?;
        socket.write_all(b"who reads this?").await?;
        let ended = socket.read(&mut [0; 8]).await;
        note(&node, ended.unwrap_err().kind());
        pending().await
    };
    let peer = async move {
        sleep(20 * MS).await;
        let stream = TcpStream::connect(ADDRESS).await?;
        sleep(50 * MS).await;
        drop(stream);
        Ok(())
    };
    World::of(node, peer).run(200);
    assert_eq!(*log.borrow(), ["connection reset"]);
}

#[test]
fn who_writes_to_a_closed_socket_is_told_by_a_reset() {
    let log = Log::default();
    let peer = log.clone();
    let node = |net| async move {
        let mut socket = accept(net).await?;
        socket.read_exact(&mut [0]).await?;
        drop(socket);
        pending().await
    };
    let peer = async move {
        sleep(20 * MS).await;
        let mut stream = TcpStream::connect(ADDRESS).await?;
        loop {
            if let Err(error) = stream.write_all(b"x").await {
                note(&peer, error.kind());
                return Ok(());
            }
            sleep(5 * MS).await;
        }
    };
    World::of(node, peer).run(200);
    assert_eq!(*log.borrow(), ["broken pipe"]);
}

#[test]
fn a_process_that_is_killed_as_it_stands_never_goes_on() {
    let log = Log::default();
    let (node, peer) = (log.clone(), log.clone());
    let node = |net| async move {
        let mut socket = accept(net).await?;
        sleep(50 * MS).await;
        socket.write_all(b"it lives").await?;
        note(&node, "it lives");
        pending().await
    };
    let peer = async move {
        sleep(20 * MS).await;
        let mut stream = TcpStream::connect(ADDRESS).await?;
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await?;
        note(&peer, format!("heard {heard:?}"));
        Ok(())
    };
    let mut world = World::of(node, peer);
    world.run(40);
    // Its timer is due by far.
    world.run_without_the_process(200);
    let World { mut sim, process } = world;
    drop(process);
    sim.crash("node");
    for _ in 0..50 {
        sim.step().unwrap();
    }
    assert_eq!(*log.borrow(), ["heard \"\""]);
}

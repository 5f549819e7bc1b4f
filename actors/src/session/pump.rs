//! The turn of a session: mail in, frames in, bytes out. One future of the actor, woken by socket,
//! inbox and room.

use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use actix::{ActorContext, ActorFuture, Context};
use pollux_domain::ids::Epoch;
use pollux_xml::Frame;
use pollux_xmpp::stream_error::StreamError;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Session, spare};
use crate::acts::Act;
use crate::session::Ending;

/// Frames handled in one turn, so that a busy client does not hold its arbiter.
const FRAMES_A_TURN: usize = 32;
/// Read at once, into a buffer that lives no longer than the turn.
const READ_BYTES: usize = 8 * 1024;
/// Written at once: the lease is checked before each (design, section 4).
const WRITE_BYTES: usize = 16 * 1024;

/// Runs as long as the actor.
pub struct Pump;

impl ActorFuture<Session> for Pump {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        session: &mut Session,
        ctx: &mut Context<Session>,
        task: &mut Task<'_>,
    ) -> Poll<()> {
        let span = session.span.clone();
        spare::lend(&mut session.stream.write_queue);
        let turn = span.in_scope(|| session.turn(ctx, task));
        spare::take_back(&mut session.stream.write_queue);
        if turn.is_ready() {
            ctx.stop();
        }
        turn
    }
}

impl Session {
    /// Ready when the actor has to stop.
    fn turn(&mut self, ctx: &mut Context<Session>, task: &mut Task<'_>) -> Poll<()> {
        if !self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(task.waker()))
        {
            self.waker = Some(task.waker().clone());
        }
        let mail = self.inbox.open(task.waker());
        if mail.cut || (mail.look_after && !self.looks_after_itself()) {
            return Poll::Ready(());
        }
        self.take_mail(mail);
        for count in 0.. {
            if !self.may_read() || self.must_pause() {
                break;
            }
            if count == FRAMES_A_TURN {
                task.waker().wake_by_ref();
                break;
            }
            match self.poll_frame(task) {
                Poll::Pending => break,
                Poll::Ready(Ok(Some(frame))) => self.take_frame(frame, ctx),
                Poll::Ready(Ok(None)) => return Poll::Ready(()),
                Poll::Ready(Err(error)) => self.close_with(error, Ending::Detach),
            }
        }
        self.fill();
        self.join_company();
        self.wait_for_room(ctx);
        if self.poll_write(task).is_err() {
            return Poll::Ready(());
        }
        if self.closing && self.stream.write_queue.is_empty() {
            let _sent = Pin::new(&mut self.stream.socket).poll_shutdown(task);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// The next frame; none at the end of the socket.
    fn poll_frame(&mut self, task: &mut Task<'_>) -> Poll<Result<Option<Frame>, StreamError>> {
        loop {
            match self.stream.framer.next() {
                Ok(Some(frame)) => return Poll::Ready(Ok(Some(frame))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
            let mut bytes = [0; READ_BYTES];
            let mut buf = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream.socket).poll_read(task, &mut buf) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.was_heard = true;
                    self.stream.framer.push(buf.filled());
                }
                Poll::Ready(Ok(()) | Err(_)) => return Poll::Ready(Ok(None)),
            }
        }
    }

    /// Bytes went out after the lease was checked.
    fn note_act(&self, epoch: Epoch, checked: Duration) {
        self.tenure.acted(epoch, checked);
        if let Some(onlooker) = self.node.onlooker.get() {
            onlooker.acted(Act {
                node: self.node.settings.node,
                life: self.node.life,
                home: self.tenure.home(),
                epoch: Some(epoch),
            });
        }
    }

    fn poll_write(&mut self, task: &mut Task<'_>) -> std::io::Result<()> {
        while !self.stream.write_queue.is_empty() {
            let checked = self.now();
            let Some(epoch) = self.tenure.leave(checked) else {
                // Whoever gives the lease back wakes this session.
                return Ok(());
            };
            let socket = Pin::new(&mut self.stream.socket);
            let act = self.stream.write_queue.len().min(WRITE_BYTES);
            match socket.poll_write(task, &self.stream.write_queue[..act]) {
                Poll::Pending => {
                    let now = self.now();
                    self.stalled_since.get_or_insert(now);
                    return Ok(());
                }
                Poll::Ready(Ok(0)) => return Err(std::io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.note_act(epoch, checked);
                    self.stalled_since = None;
                    bytes::Buf::advance(&mut self.stream.write_queue, count);
                    if self.stream.write_queue.is_empty() {
                        self.fill();
                    }
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        self.all_written();
        let _unfinished = Pin::new(&mut self.stream.socket).poll_flush(task)?;
        Ok(())
    }
}

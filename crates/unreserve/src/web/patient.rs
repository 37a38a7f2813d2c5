//! A connection that is not written to for ever: whoever asks, and then reads nothing of the answer, is hung up on. While he
//! is waited for he holds a place that others want.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use unreserve_engine::sweep::Clock;

use crate::clock::ProcessClock;

/// A stream on which a write fails with `TimedOut` once nothing at all could be written for so long. One that goes on, however
/// slowly, is written to for as long as it lasts; where there is nothing to write, nothing is waited for.
pub(super) struct Patient<S> {
    stream: S,
    longest: Duration,
    /// Ends when the write that is pending has been for too long; nothing where none is pending.
    patience: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<S> Patient<S> {
    /// This stream, with so much patience.
    pub(super) fn new(stream: S, longest: Duration) -> Self {
        Self { stream, longest, patience: None }
    }

    /// What a write has come to; while it is pending, the patience runs out.
    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<Result<T>>) -> Poll<Result<T>> {
        if written.is_ready() {
            self.patience = None;
            return written;
        }
        let longest = self.longest;
        let start = || -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async move { ProcessClock::new().sleep(longest).await })
        };
        ready!(self.patience.get_or_insert_with(start).as_mut().poll(context));
        self.patience = None;
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "nobody reads what was asked for")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, ended)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Far more than the system keeps for a reader.
    const MUCH: usize = 64 * 1_024 * 1_024;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect(listener.local_addr().unwrap()));
        (ours.unwrap().0, theirs.unwrap())
    }

    async fn write(stream: &mut Patient<TcpStream>) -> Result<usize> {
        let bytes = vec![b'x'; 64 * 1_024];
        let mut written = 0;
        while written < MUCH {
            let some = poll_fn(|context| Pin::new(&mut *stream).poll_write(context, &bytes)).await?;
            written = some.saturating_add(written);
        }
        Ok(written)
    }

    #[tokio::test]
    async fn who_reads_nothing_is_hung_up_on() {
        let (ours, theirs) = pair().await;
        let mut ours = Patient::new(ours, Duration::from_millis(20));
        assert_eq!(write(&mut ours).await.unwrap_err().kind(), ErrorKind::TimedOut);
        drop(theirs);
    }

    #[tokio::test]
    async fn who_reads_is_written_to_to_the_end() {
        let (ours, theirs) = pair().await;
        let mut ours = Patient::new(ours, Duration::from_secs(3_600));
        let read = async {
            let (mut bytes, mut read) = (vec![0; 64 * 1_024], 0);
            while read < MUCH {
                theirs.readable().await.unwrap();
                read += theirs.try_read(&mut bytes).unwrap_or_default();
            }
            read
        };
        let (written, read) = tokio::join!(write(&mut ours), read);
        assert!(written.unwrap() >= MUCH && read >= MUCH);
        assert!(ours.patience.is_none(), "what was written leaves no patience running");
    }

    /// Takes a byte of every second write that is asked of it; the other one is pending, and is asked again at once.
    struct Slow(bool);

    impl AsyncWrite for Slow {
        fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, _: &[u8]) -> Poll<Result<usize>> {
            self.0 = !self.0;
            context.waker().wake_by_ref();
            if self.0 { Poll::Pending } else { Poll::Ready(Ok(1)) }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn every_byte_gives_new_patience_and_a_flush_needs_some_as_well() {
        let mut slow = Patient::new(Slow(false), Duration::from_secs(3_600));
        for _ in 0..3 {
            let one = poll_fn(|context| Pin::new(&mut slow).poll_write(context, b"x")).await;
            assert_eq!(one.unwrap(), 1);
            assert!(slow.patience.is_none());
        }
        let mut stuck = Patient::new(Slow(false), Duration::from_millis(1));
        let flushed = poll_fn(|context| Pin::new(&mut stuck).poll_flush(context)).await;
        assert_eq!(flushed.unwrap_err().kind(), ErrorKind::TimedOut);
        let ended = poll_fn(|context| Pin::new(&mut stuck).poll_shutdown(context)).await;
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}

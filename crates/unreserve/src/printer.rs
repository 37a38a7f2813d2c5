//! The only place that writes to stdout and stderr.
//!
//! Results go to stdout, everything else to stderr. A result that cannot be written is an error like any other: the
//! command ends with 1 and says so on stderr, because a script that reads nothing must not believe that nothing was
//! due. Only help and completions end quietly when their reader (`head`, a pager) has seen enough. Whatever cannot be
//! written to stderr is dropped: there is nobody left to tell.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::failure::render;

/// Why a result did not reach its reader.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrintError {
    /// The reader closed the pipe.
    #[error("stdout was closed before the whole result was written")]
    Closed,
    /// The system refused the write, for example because the disk is full.
    #[error("cannot write the result to stdout")]
    Refused(#[source] io::Error),
}

impl From<io::Error> for PrintError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Refused(error) }
    }
}

impl From<PrintError> for Failure {
    fn from(error: PrintError) -> Self {
        Self::from_error(Exit::Problems, &error)
    }
}

/// Writes results, notes, warnings, failures and progress; knows about colours and quietness.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    quiet: bool,
    stdout_colour: ColorChoice,
    stderr_colour: ColorChoice,
    bar: SharedBar,
}

/// The progress bar that is on the screen, if any: whoever writes to stderr must lift it first.
type SharedBar = Arc<Mutex<Option<ProgressBar>>>;

impl Printer {
    /// A printer for this process. Colours only on a terminal, and not where `NO_COLOR` is set.
    pub(crate) fn new() -> Self {
        Self {
            quiet: false,
            stdout_colour: AutoStream::choice(&io::stdout()),
            stderr_colour: AutoStream::choice(&io::stderr()),
            bar: SharedBar::default(),
        }
    }

    /// The same printer without notes and progress, if asked for. Results, warnings and failures stay.
    pub(crate) fn hush(mut self, quiet: Quiet) -> Self {
        self.quiet = quiet == Quiet::Yes;
        self
    }

    /// Writes a result to stdout and adds the last line's end. Colours are taken out where they do not belong.
    ///
    /// # Errors
    /// The reader has gone, or the system refused the write.
    pub(crate) fn result(&self, text: &str) -> Result<(), PrintError> {
        let mut stream = AutoStream::new(io::stdout().lock(), self.stdout_colour);
        stream.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            stream.write_all(b"\n")?;
        }
        stream.flush()?;
        Ok(())
    }

    /// Writes a result over what stands on the terminal. Only where [`Printer::stdout_is_terminal`].
    ///
    /// # Errors
    /// As for [`Printer::result`].
    pub(crate) fn repaint(&self, text: &str) -> Result<(), PrintError> {
        // To the upper left corner, and everything behind it away: nothing flickers, and the scrollback stays.
        let mut stream = io::stdout().lock();
        stream.write_all(b"\x1b[H\x1b[J")?;
        stream.flush()?;
        drop(stream);
        self.result(text)
    }

    /// Whether results are read by a person right now.
    pub(crate) fn stdout_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Tells something worth knowing on stderr.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.to_stderr(&format!("{text}\n"));
        }
    }

    /// Reports a failure on stderr: the message, its causes, the place, the hints.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.to_stderr(&render::render(failure, self.stderr_colour != ColorChoice::Never));
    }

    /// Writes a text that is laid out already to stderr.
    pub(crate) fn raw_to_stderr(&self, text: &str) {
        self.to_stderr(text);
    }

    /// Whether log lines and notes are read by a person right now.
    pub(crate) fn stderr_is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Whether stderr takes colours.
    pub(crate) fn stderr_has_colour(&self) -> bool {
        self.stderr_colour != ColorChoice::Never
    }

    /// Starts a progress bar on a stderr that is a terminal; elsewhere it counts and shows nothing.
    pub(crate) fn progress(&self, title: &str, total: u64) -> Progress {
        let visible = !self.quiet && self.stderr_is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {human_pos}/{human_len} {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(title.to_owned());
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Progress { bar, shared: Arc::clone(&self.bar) }
    }

    /// Where log lines go when they do not go to a file.
    pub(crate) fn log_writer(&self) -> LogWriter {
        LogWriter { bar: Arc::clone(&self.bar) }
    }

    fn to_stderr(&self, text: &str) {
        above_the_bar(&self.bar, || {
            let mut stream = AutoStream::new(io::stderr().lock(), self.stderr_colour);
            // There is nobody left to tell when stderr itself fails.
            drop(stream.write_all(text.as_bytes()));
        });
    }
}

/// Whether notes and progress are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quiet {
    /// Only results, warnings and failures.
    Yes,
    /// Everything.
    No,
}

/// A progress bar; it leaves the screen when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    shared: SharedBar,
}

impl Progress {
    /// Says how far we are.
    pub(crate) fn set(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// Says how much there is, where it turned out to be more or less.
    pub(crate) fn set_total(&self, total: u64) {
        self.bar.set_length(total);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Takes log lines to stderr, around a progress bar, and never fails.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter {
    bar: SharedBar,
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // There is nobody left to tell when stderr itself fails.
        above_the_bar(&self.bar, || drop(io::stderr().lock().write_all(line)));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes while the progress bar, if there is one, is lifted off the screen.
fn above_the_bar(bar: &SharedBar, write: impl FnOnce()) {
    let bar = bar.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

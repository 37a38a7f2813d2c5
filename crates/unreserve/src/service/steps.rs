//! What installing, starting and removing come down to: files and commands, shown or done in order.

use std::path::PathBuf;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::service::machine::Machine;
use crate::service::quote;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Writes a file, with its directory; the old one is replaced in one move.
    Write(Written),
    /// Removes a file, if it is there.
    Remove(PathBuf),
    /// Removes a directory, if it is there and empty.
    RemoveEmpty(PathBuf),
    /// Runs a program to its end.
    Run(Call),
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// Where.
    pub(crate) path: PathBuf,
    /// What, as people read it.
    pub(crate) text: String,
    /// How it is stored.
    pub(crate) encoding: Encoding,
    /// Its permission bits.
    pub(crate) mode: u32,
}

/// How a text is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As everywhere.
    Utf8,
    /// As Windows' own tools write it: little-endian, with a byte order mark.
    Utf16,
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its name or path, and its arguments.
    pub(crate) words: Vec<String>,
    /// What it reads from its standard input.
    pub(crate) input: Option<String>,
    /// What its failure means.
    pub(crate) on_failure: OnFailure,
}

/// What a program's failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// What was begun is undone, and the failure is told.
    Stop,
    /// Nothing: what it would have ended is not there.
    GoOn,
}

impl Written {
    /// A file that everybody may read, as UTF-8.
    pub(crate) fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), encoding: Encoding::Utf8, mode: 0o644 }
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self.encoding {
            Encoding::Utf8 => self.text.clone().into_bytes(),
            Encoding::Utf16 => {
                let units =
                    std::iter::once(0xFEFF).chain(self.text.replace('\n', "\r\n").encode_utf16().collect::<Vec<_>>());
                units.flat_map(u16::to_le_bytes).collect()
            }
        }
    }
}

impl Call {
    /// A program that must succeed.
    pub(crate) fn new<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Self {
        Self { words: words.into_iter().map(Into::into).collect(), input: None, on_failure: OnFailure::Stop }
    }

    /// The same, with something to read.
    pub(crate) fn reading(mut self, input: impl Into<String>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// The same, where its failure means nothing.
    pub(crate) fn going_on(mut self) -> Self {
        self.on_failure = OnFailure::GoOn;
        self
    }

    /// The command as one would type it.
    pub(crate) fn shown(&self) -> String {
        self.words.iter().map(|word| quote::shell(word)).collect::<Vec<_>>().join(" ")
    }
}

/// Every file and every command, in order, as `--print` shows them.
pub(crate) fn shown(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Write(file) => {
                let stored = match file.encoding {
                    Encoding::Utf8 => "",
                    Encoding::Utf16 => ", stored as UTF-16",
                };
                text.push_str(&format!(
                    "### write {} (mode {:04o}{stored})\n{}",
                    file.path.display(),
                    file.mode,
                    file.text
                ));
            }
            Step::Remove(path) => text.push_str(&format!("### remove {}\n", path.display())),
            Step::RemoveEmpty(path) => text.push_str(&format!("### remove {} if it is empty\n", path.display())),
            Step::Run(call) => {
                let failure = match call.on_failure {
                    OnFailure::Stop => "",
                    OnFailure::GoOn => " (whether or not it succeeds)",
                };
                text.push_str(&format!("### run{failure}\n{}\n", call.shown()));
                if let Some(input) = &call.input {
                    text.push_str(&format!("### with this on its standard input\n{input}"));
                }
            }
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

/// What makes an installation that failed half-way undone; the failure of such a command means nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Repair {
    /// What is run while the new files are there.
    pub(crate) before: Vec<Call>,
    /// What is run once the files are as they were.
    pub(crate) after: Vec<Call>,
}

/// Does the steps in order. If one fails, what was done is undone: the files are as they were before.
///
/// # Errors
/// A file cannot be written or removed, or a program that must succeed did not.
pub(crate) fn run(steps: &[Step], repair: &Repair, machine: &Machine) -> Result<(), Failure> {
    let mut before: Vec<(PathBuf, Option<Vec<u8>>, u32)> = Vec::new();
    for step in steps {
        let done = match step {
            Step::Write(file) => {
                before.push((file.path.clone(), machine.read(&file.path), file.mode));
                machine.write(&file.path, &file.bytes(), file.mode)
            }
            Step::Remove(path) => {
                before.push((path.clone(), machine.read(path), 0o644));
                machine.remove(path)
            }
            Step::RemoveEmpty(path) => {
                machine.remove_if_empty(path);
                Ok(())
            }
            Step::Run(call) => run_one(call, machine),
        };
        let Err(failure) = done else { continue };
        for call in &repair.before {
            drop(run_one(call, machine));
        }
        for (path, old, mode) in before.iter().rev() {
            // The first failure is the one that is told.
            drop(match old {
                Some(bytes) => machine.write(path, bytes, *mode),
                None => machine.remove(path),
            });
        }
        for call in &repair.after {
            drop(run_one(call, machine));
        }
        return Err(if before.is_empty() { failure } else { failure.hint("every file is as it was before") });
    }
    Ok(())
}

fn run_one(call: &Call, machine: &Machine) -> Result<(), Failure> {
    let said = match machine.run(call) {
        Ok(said) if said.success => return Ok(()),
        Ok(_) | Err(_) if call.on_failure == OnFailure::GoOn => return Ok(()),
        Ok(said) => said,
        Err(failure) => return Err(failure),
    };
    let mut failure = Failure::new(Exit::Problems, format!("`{}` failed ({})", call.shown(), said.ended));
    let words = if said.stderr.trim().is_empty() { &said.stdout } else { &said.stderr };
    failure.causes.extend(words.lines().map(str::trim).filter(|line| !line.is_empty()).take(10).map(str::to_owned));
    Err(failure)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::service::machine::testing::Desk;

    #[test]
    fn shows_every_file_and_command_and_what_it_reads() {
        let steps = [
            Step::Write(Written::new("/etc/a b", "one\ntwo\n")),
            Step::Run(Call::new(["crontab", "-"]).reading("* * * * * x\n")),
            Step::Run(Call::new(["rm", "a b"]).going_on()),
            Step::Remove(PathBuf::from("/etc/old")),
        ];
        insta::assert_snapshot!(shown(&steps), @r"
        ### write /etc/a b (mode 0644)
        one
        two

        ### run
        crontab -
        ### with this on its standard input
        * * * * * x

        ### run (whether or not it succeeds)
        rm 'a b'

        ### remove /etc/old
        ");
    }

    #[test]
    fn a_failure_leaves_every_file_as_it_was_and_says_what_the_program_said() {
        let desk = Desk::new();
        desk.machine.write(Path::new("/etc/old"), b"before\n", 0o644).unwrap();
        desk.program("ctl", "echo \"$@\" >> \"$LOG\"; [ \"$1\" != fail ] || { echo 'no way' >&2; exit 7; }");
        let steps = [
            Step::Write(Written::new("/etc/old", "after\n")),
            Step::Write(Written::new("/etc/new/file", "after\n")),
            Step::Run(Call::new(["ctl", "absent"]).going_on()),
            Step::Run(Call::new(["ctl", "fail"])),
            Step::Run(Call::new(["ctl", "never"])),
        ];
        let failure = run(
            &steps,
            &Repair { before: vec![Call::new(["ctl", "disable"])], after: vec![Call::new(["ctl", "reload"])] },
            &desk.machine,
        )
        .unwrap_err();
        assert_eq!(
            (failure.message.as_str(), failure.causes.join("|").as_str()),
            ("`ctl fail` failed (exit code 7)", "no way")
        );
        assert_eq!(desk.machine.read(Path::new("/etc/old")).unwrap(), b"before\n");
        assert_eq!(desk.machine.read(Path::new("/etc/new/file")), None);
        assert_eq!(desk.log(), ["absent", "fail", "disable", "reload"]);
    }

    #[test]
    fn sixteen_bits_come_with_a_mark_and_windows_line_ends() {
        let file = Written { encoding: Encoding::Utf16, ..Written::new("/a", "ä\n") };
        assert_eq!(file.bytes(), [0xFF, 0xFE, 0xE4, 0, b'\r', 0, b'\n', 0]);
    }
}

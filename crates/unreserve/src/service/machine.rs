//! The thin layer that touches the machine: files, programs, and who we are.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::service::steps::Call;

/// The machine that a service is installed on.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// Where its file system begins: `/`, or a directory in a test.
    root: PathBuf,
    /// Where programs are looked for.
    path: Vec<PathBuf>,
    /// Variables that programs get on top of ours.
    variables: Vec<(String, String)>,
    /// The user's number; 0 is root, and a system without numbers has none.
    pub(crate) user_id: Option<u32>,
    /// The user's directory for units of their own.
    pub(crate) config_home: Option<PathBuf>,
    /// The user's home directory.
    pub(crate) home: Option<PathBuf>,
}

/// What a program said.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// Whether it ended well.
    pub(crate) success: bool,
    /// How it ended.
    pub(crate) ended: String,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
}

impl Machine {
    /// The one that we run on.
    pub(crate) fn of_process() -> Self {
        let strategy = etcetera::choose_base_strategy().ok();
        let directories = std::env::var_os("PATH").unwrap_or_default();
        Self {
            root: PathBuf::from("/"),
            path: std::env::split_paths(&directories).collect(),
            variables: Vec::new(),
            user_id: own_user_id(),
            config_home: strategy.as_ref().map(etcetera::BaseStrategy::config_dir),
            home: strategy.as_ref().map(|strategy| etcetera::BaseStrategy::home_dir(strategy).to_owned()),
        }
    }

    /// Whether root runs us. A system without user numbers asks for rights itself.
    pub(crate) fn is_root(&self) -> bool {
        self.user_id.is_none_or(|id| id == 0)
    }

    /// Whether something is there.
    pub(crate) fn exists(&self, path: &Path) -> bool {
        self.on_disk(path).exists()
    }

    /// The bytes of a file that can be read.
    pub(crate) fn read(&self, path: &Path) -> Option<Vec<u8>> {
        fs::read(self.on_disk(path)).ok()
    }

    /// The text of a file that can be read.
    pub(crate) fn read_text(&self, path: &Path) -> Option<String> {
        fs::read_to_string(self.on_disk(path)).ok()
    }

    /// The number of the user who owns a file.
    pub(crate) fn owner(&self, path: &Path) -> Option<u32> {
        fs::metadata(self.on_disk(path)).ok().and_then(|metadata| owner_of(&metadata))
    }

    /// Whether everybody may read a file.
    pub(crate) fn everybody_reads(&self, path: &Path) -> bool {
        fs::metadata(self.on_disk(path)).is_ok_and(|metadata| mode_of(&metadata) & 0o004 != 0)
    }

    /// The right to read a file, as one digit of a mode.
    pub(crate) const READ: u32 = 0o4;
    /// The right to go through a directory.
    pub(crate) const ENTER: u32 = 0o1;

    /// Whether owner, group and mode give a user a right to a file; what is not there is closed to nobody.
    pub(crate) fn lets(&self, path: &Path, user: u32, groups: &[u32], right: u32) -> bool {
        let Ok(metadata) = fs::metadata(self.on_disk(path)) else {
            return true;
        };
        let digit = if owner_of(&metadata) == Some(user) {
            right.wrapping_shl(6)
        } else if group_of(&metadata).is_some_and(|group| groups.contains(&group)) {
            right.wrapping_shl(3)
        } else {
            right
        };
        mode_of(&metadata) & digit != 0
    }

    /// The files of a directory, by name; none where it cannot be read.
    pub(crate) fn list(&self, directory: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.on_disk(directory)).into_iter().flatten().filter_map(Result::ok);
        let mut files: Vec<PathBuf> = entries.map(|entry| directory.join(entry.file_name())).collect();
        files.sort();
        files
    }

    /// Writes a file and its directory, in one move.
    ///
    /// # Errors
    /// The system refused.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
        let target = self.on_disk(path);
        let refused = |error: &std::io::Error| {
            let failure = Failure::new(Exit::Problems, format!("cannot write `{}`", path.display())).because(error);
            if error.kind() == std::io::ErrorKind::PermissionDenied { failure.hint(MAY_NOT) } else { failure }
        };
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // No service manager takes a file with such a name for one of its own.
        let temporary = target.with_file_name(format!(".{name}.new"));
        let written = (|| {
            if let Some(directory) = target.parent() {
                fs::create_dir_all(directory)?;
            }
            let mut file = fs::File::create(&temporary)?;
            file.write_all(bytes)?;
            set_mode(&file, mode)?;
            file.sync_all()?;
            fs::rename(&temporary, &target)
        })();
        written.map_err(|error| {
            drop(fs::remove_file(&temporary));
            refused(&error)
        })
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// The system refused.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), Failure> {
        match fs::remove_file(self.on_disk(path)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                let failure =
                    Failure::new(Exit::Problems, format!("cannot remove `{}`", path.display())).because(&error);
                Err(if error.kind() == std::io::ErrorKind::PermissionDenied { failure.hint(MAY_NOT) } else { failure })
            }
        }
    }

    /// Removes a directory, if it is there and empty.
    pub(crate) fn remove_if_empty(&self, path: &Path) {
        // The system itself refuses where there is something in it.
        drop(fs::remove_dir(self.on_disk(path)));
    }

    /// Where a program stands, if it does.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        let mut places = self.path.iter().map(|directory| directory.join(program));
        places.find(|path| path.is_file() || path.with_extension("exe").is_file())
    }

    /// Runs a program to its end, and returns what it said.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn run(&self, call: &Call) -> Result<Said, Failure> {
        let (program, arguments) = call.words.split_first().ok_or_else(|| Failure::usage("no command"))?;
        let not_started =
            |error: &std::io::Error| Failure::new(Exit::Problems, format!("cannot run `{program}`")).because(error);
        let place = self.find(program).unwrap_or_else(|| PathBuf::from(program));
        let input = if call.input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut command = Command::new(place);
        command.args(arguments).envs(self.variables.iter().cloned());
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| not_started(&error))?;
        let pipe = child.stdin.take().zip(call.input.clone());
        // Written beside reading: a program may answer before it has read everything.
        let writer = pipe.map(|(mut pipe, text)| std::thread::spawn(move || drop(pipe.write_all(text.as_bytes()))));
        let output = child.wait_with_output().map_err(|error| not_started(&error))?;
        drop(writer.map(std::thread::JoinHandle::join));
        let ended = output.status.code().map_or_else(|| output.status.to_string(), |code| format!("exit code {code}"));
        Ok(Said {
            success: output.status.success(),
            ended,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// What a program said on its standard output; nothing where it is not there or failed.
    pub(crate) fn ask<const N: usize>(&self, words: [&str; N]) -> Option<String> {
        self.find(words.first()?)?;
        let said = self.run(&Call::new(words)).ok().filter(|said| said.success)?;
        Some(said.stdout)
    }

    /// The path as this machine's file system has it.
    pub(crate) fn on_disk(&self, path: &Path) -> PathBuf {
        match path.strip_prefix("/") {
            Ok(relative) if self.root != Path::new("/") => self.root.join(relative),
            _ => path.to_owned(),
        }
    }
}

const MAY_NOT: &str = "run it as root (sudo), or add `--user` for a service of your own";

#[cfg(unix)]
fn own_user_id() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

#[cfg(not(unix))]
fn own_user_id() -> Option<u32> {
    None
}

#[cfg(unix)]
fn owner_of(metadata: &fs::Metadata) -> Option<u32> {
    Some(std::os::unix::fs::MetadataExt::uid(metadata))
}

#[cfg(not(unix))]
fn owner_of(_metadata: &fs::Metadata) -> Option<u32> {
    None
}

#[cfg(unix)]
fn group_of(metadata: &fs::Metadata) -> Option<u32> {
    Some(std::os::unix::fs::MetadataExt::gid(metadata))
}

#[cfg(not(unix))]
fn group_of(_metadata: &fs::Metadata) -> Option<u32> {
    None
}

#[cfg(unix)]
fn mode_of(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(metadata)
}

#[cfg(not(unix))]
fn mode_of(_metadata: &fs::Metadata) -> u32 {
    0o777
}

#[cfg(unix)]
fn set_mode(file: &fs::File, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_file: &fs::File, _mode: u32) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) mod testing {
    //! A machine of its own in a directory, with programs that a test writes.

    use super::*;

    impl Machine {
        /// Sets the mode of a file or directory.
        pub(crate) fn set_mode(&self, path: &Path, mode: u32) {
            super::set_mode(&fs::File::open(self.on_disk(path)).unwrap(), mode).unwrap();
        }
    }

    /// The directory goes with it.
    pub(crate) struct Desk {
        directory: tempfile::TempDir,
        /// The machine in it, run by root.
        pub(crate) machine: Machine,
    }

    impl Desk {
        /// A machine without any file or program but the system's shell.
        pub(crate) fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let log = directory.path().join("log").display().to_string();
            let machine = Machine {
                root: directory.path().join("root"),
                path: vec![directory.path().join("bin")],
                variables: vec![("LOG".to_owned(), log)],
                user_id: Some(0),
                config_home: Some(PathBuf::from("/users/jo/.config")),
                home: Some(PathBuf::from("/users/jo")),
            };
            Self { directory, machine }
        }

        /// Puts a program on its path: the text of a shell script.
        pub(crate) fn program(&self, name: &str, script: &str) {
            let text = format!("#!/bin/sh\n{script}\n");
            let path = self.directory.path().join("bin").join(name);
            let outside = Machine { root: PathBuf::from("/"), ..self.machine.clone() };
            outside.write(&path, text.as_bytes(), 0o755).unwrap();
        }

        /// The file of `$LOG`.
        pub(crate) fn log_path(&self) -> PathBuf {
            self.directory.path().join("log")
        }

        /// The lines that programs wrote to `$LOG`.
        pub(crate) fn log(&self) -> Vec<String> {
            let text = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        }

        /// Every file of the machine, by path.
        pub(crate) fn files(&self) -> Vec<String> {
            fn walk(directory: &Path, into: &mut Vec<PathBuf>) {
                for entry in fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok) {
                    if entry.path().is_dir() { walk(&entry.path(), into) } else { into.push(entry.path()) }
                }
            }
            let mut files = Vec::new();
            walk(&self.machine.root, &mut files);
            let mut names: Vec<String> = files
                .iter()
                .map(|file| format!("/{}", file.strip_prefix(&self.machine.root).unwrap().display()))
                .collect();
            names.sort();
            names
        }
    }
}

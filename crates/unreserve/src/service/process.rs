//! A process that was started earlier: whether it is still that one, and the signal that ends it.

#[cfg(unix)]
use std::path::Path;

/// What tells a process from a later one with the same number: when it began, and in which boot of the machine. Nothing
/// where there is no such process.
#[cfg(unix)]
pub(crate) fn start_mark(process_id: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat"));
    if let Ok(stat) = stat {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        return mark_of(&stat).map(|began| format!("{} {began}", boot.trim()));
    }
    if Path::new("/proc/self/stat").exists() {
        return None;
    }
    // Systems without such files have a program that says it.
    let said = std::process::Command::new("ps").args(["-o", "lstart=", "-p", &process_id.to_string()]).output().ok()?;
    let text = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    (said.status.success() && !text.is_empty()).then_some(text)
}

/// The 22nd field of the kernel's line, counted behind the name, which may hold anything. A process that has ended and is
/// not yet waited for is none.
#[cfg(unix)]
fn mark_of(stat: &str) -> Option<&str> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)
}

/// Asks a process to end.
///
/// # Errors
/// It is not there, or not ours to end.
#[cfg(unix)]
pub(crate) fn ask_to_end(process_id: u32) -> std::io::Result<()> {
    let number = i32::try_from(process_id).ok().and_then(rustix::process::Pid::from_raw);
    let process = number.ok_or_else(|| std::io::Error::other("no process has this number"))?;
    Ok(rustix::process::kill_process(process, rustix::process::Signal::TERM)?)
}

/// Leaves the session that started us, then becomes the program. Only an error returns.
#[cfg(unix)]
pub(crate) fn become_detached(words: &[std::ffi::OsString]) -> std::io::Error {
    use std::os::unix::process::CommandExt;
    let Some((program, arguments)) = words.split_first() else {
        return std::io::Error::other("no program");
    };
    match rustix::process::setsid() {
        Ok(_) => std::process::Command::new(program).args(arguments).exec(),
        Err(error) => error.into(),
    }
}

#[cfg(not(unix))]
const OTHER_SYSTEM: &str = "this system has no sessions; use `--kind task-scheduler`";

/// What tells a process from a later one.
#[cfg(not(unix))]
pub(crate) fn start_mark(_process_id: u32) -> Option<String> {
    None
}

/// Asks a process to end.
///
/// # Errors
/// Always, on this system.
#[cfg(not(unix))]
pub(crate) fn ask_to_end(_process_id: u32) -> std::io::Result<()> {
    Err(std::io::Error::other(OTHER_SYSTEM))
}

/// Leaves the session that started us.
#[cfg(not(unix))]
pub(crate) fn become_detached(_words: &[std::ffi::OsString]) -> std::io::Error {
    std::io::Error::other(OTHER_SYSTEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_beginning_and_not_once_it_has_ended() {
        let own = start_mark(std::process::id()).expect("we live");
        assert_eq!(start_mark(std::process::id()), Some(own));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let boot_and_tick = start_mark(child.id()).expect("it lives");
        assert_eq!(boot_and_tick.split(' ').count(), 2, "{boot_and_tick}");
        ask_to_end(child.id()).unwrap();
        // It stays in the kernel's list until it is waited for, and has ended all the same.
        while start_mark(child.id()).is_some() {
            crate::clock::pause_briefly();
        }
        child.wait().unwrap();
        assert_eq!(start_mark(child.id()), None);
        assert!(ask_to_end(u32::MAX).is_err());
    }

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_move_the_fields() {
        let fields: Vec<String> = (3..=24).map(|number| format!("f{number}")).collect();
        assert_eq!(mark_of(&format!("12 (a) b (c)) {}", fields.join(" "))), Some("f22"));
        assert_eq!(mark_of("12 (a) Z 1 2"), None);
    }
}

//! `man`: the manual pages.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::CommandLine;
use crate::exit::Exit;
use crate::failure::Failure;

/// The main page.
///
/// # Errors
/// None that is known: the page is made in memory.
pub(crate) fn main_page() -> Result<String, Failure> {
    let mut page = Vec::new();
    let man = Man::new(CommandLine::command());
    man.render(&mut page)
        .map_err(|error| Failure::new(Exit::Problems, "cannot make the manual page").because(&error))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Writes the pages of all commands into the directory, which is made if need be.
///
/// # Errors
/// The directory cannot be made or written.
pub(crate) fn write_pages(directory: &Path) -> Result<PathBuf, Failure> {
    let refuse = |error: std::io::Error| {
        let message = format!("cannot write the manual pages to `{}`", directory.display());
        Failure::new(Exit::Problems, message).because(&error)
    };
    fs::create_dir_all(directory).map_err(refuse)?;
    clap_mangen::generate_to(CommandLine::command(), directory).map_err(refuse)?;
    Ok(directory.to_owned())
}

//! The dialect of MariaDB and MySQL, through the engine's own sweep, on shops made for each test.
#![expect(clippy::arithmetic_side_effects, reason = "tests count what they see")]

#[cfg(test)]
mod keys;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod place;
#[cfg(test)]
mod race;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod times;

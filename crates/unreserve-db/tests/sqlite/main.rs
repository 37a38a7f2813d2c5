//! The SQLite dialect, through the engine's own sweep, on shops made for each test.

#[cfg(test)]
mod files;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod place;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod sweeps;
#[cfg(test)]
mod times;

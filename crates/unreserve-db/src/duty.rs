//! Who watches a shop: a row of the lease's own table, beside the row of who may sweep.

/// Whoever was not heard of on duty for so long is taken for dead.
pub(crate) const SILENT_SECONDS: i64 = 10;

/// The row's name. No profile's name has a blank in it.
pub(crate) fn row_name(profile: &str) -> String {
    format!("{profile} on duty")
}

//! The conformance suite: what every database must do behind the port, one named case at a time.
//!
//! A database joins with one line, `conformance_tests!(name, make_shop, [every, …])`: each case of the groups it names
//! becomes a test of its own. A group that a database does not name is one whose faults it cannot have.

pub mod clock;
pub mod commit;
pub mod duty;
pub mod errors;
pub mod fence;
pub mod figures;
pub mod guards;
pub mod holding;
pub mod ledger;
pub mod locking;
pub mod outlook;
pub mod pages;
pub mod set_aside;
pub(crate) mod steps;
pub mod survey;
pub mod tally;
pub mod values;
pub mod vitals;

use std::future::Future;

use crate::failure::Failure;
use crate::shops::MakeShop;

/// Runs one case against a shop of its own.
///
/// # Errors
/// What the case expects does not hold.
pub fn run<F: Future<Output = Result<(), Failure>>>(make: MakeShop, case: fn(MakeShop) -> F) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(case(make)))
}

/// Registers every case of some groups for one database, each as a test of its own.
#[macro_export]
macro_rules! conformance_tests {
    ($name:ident, $make:expr, [$($group:ident),+ $(,)?]) => {
        mod $name {
            $($crate::conformance_group!($group, $make);)+
        }
    };
}

/// The cases, by group: `every` database, those with `commit_checks` (constraints that are checked at the end of a
/// transaction), those with `row_locks`, those that are a `server`.
#[macro_export]
macro_rules! conformance_group {
    (every, $make:expr) => {
        $crate::conformance_group!(@cases $make;
            clock::an_empty_shop_gives_no_evidence_and_no_fault,
            clock::a_reservation_from_the_future_is_seen,
            clock::a_batch_splits_at_the_databases_own_now,
            errors::a_check_that_fails_is_one_orders_own_trouble,
            errors::a_trigger_that_refuses_is_one_orders_own_trouble,
            errors::a_batch_that_is_written_twice_is_refused,
            errors::a_column_that_is_gone_is_a_changed_schema,
            errors::a_plan_for_another_schema_is_refused_by_the_statements_name,
            errors::a_connection_that_takes_no_writes_says_so,
            fence::taking_the_lease_again_with_the_same_token_is_no_mistake,
            fence::a_second_holder_is_told_who_holds_the_lease,
            fence::a_lease_whose_holder_fell_silent_is_free,
            fence::whoever_was_taken_over_can_write_nothing_more,
            fence::the_lease_of_a_dead_process_in_the_same_place_is_free,
            fence::closing_a_sweep_lets_the_next_one_in,
            figures::counts_what_was_made_in_these_days_and_what_became_of_it,
            figures::reads_no_more_rows_than_were_allowed,
            figures::asks_for_nothing_that_the_profile_does_not_name,
            figures::reads_amounts_keys_and_times_of_another_shape,
            guards::a_stock_row_that_changed_is_not_written,
            guards::a_reservation_that_ended_is_not_released_again,
            guards::a_reservation_that_has_not_expired_is_not_released,
            guards::a_reservation_that_is_not_as_it_was_examined_is_not_released,
            guards::a_reservation_of_a_paid_order_is_not_released,
            guards::a_counter_that_a_trigger_changes_is_noticed,
            guards::an_order_that_may_not_be_cancelled_is_not,
            holding::an_empty_shop_holds_nothing,
            holding::tells_by_when_what_is_held_comes_back,
            holding::tells_what_is_held_of_each_stock_row_and_what_its_counter_says,
            ledger::a_committed_batch_is_found_and_stands_in_the_shop_and_the_ledger,
            ledger::a_batch_that_was_dropped_leaves_nothing,
            ledger::a_batch_that_was_rolled_back_leaves_nothing_and_the_next_one_works,
            ledger::history_tells_the_newest_sweeps_first_with_the_sums_of_their_batches,
            ledger::a_sweep_is_found_by_the_first_letters_of_its_identity,
            ledger::entries_come_in_the_order_they_were_written,
            locking::takes_the_oldest_expiry_first,
            locking::goes_on_behind_the_last_place,
            locking::takes_only_the_orders_that_were_asked_for,
            locking::an_order_that_was_paid_is_not_even_locked,
            outlook::nothing_lies_ahead_in_an_empty_shop,
            outlook::counts_only_orders_that_can_be_released,
            outlook::tells_what_is_left_alone,
            outlook::reads_no_more_than_was_asked_for_to_tell_what_is_left_alone,
            outlook::counts_up_to_the_bound,
            outlook::a_bounded_count_still_knows_the_oldest,
            outlook::orders_with_many_reservations_are_counted_up_to_the_bound,
            pages::batches_of_one_entry_come_page_after_page,
            pages::entries_come_page_after_page_and_can_be_searched,
            pages::sweeps_are_filtered_by_how_they_ended,
            pages::sweeps_come_page_after_page_and_each_once,
            pages::tells_what_came_back_of_late,
            set_aside::an_order_set_aside_is_left_out_until_its_time_comes,
            set_aside::an_order_that_is_released_is_no_longer_set_aside,
            survey::shows_what_a_batch_would_examine_and_writes_nothing,
            survey::works_before_anything_is_installed,
            survey::works_for_somebody_who_may_only_read,
            survey::turns_page_after_page,
            survey::an_order_that_cannot_be_read_hides_no_other,
            survey::a_name_of_two_orders_is_refused,
            tally::sums_what_the_ledger_has_of_these_days_and_of_no_others,
            tally::an_empty_ledger_sums_to_nothing,
            values::keys_of_whole_numbers,
            values::keys_of_text_that_looks_like_sql,
            values::composite_keys_decimals_and_deleted_rows,
            values::a_counter_that_is_null_stays_null,
            values::a_fraction_that_a_counter_cannot_hold_is_never_rounded,
            vitals::an_empty_ledger_tells_of_nothing,
            vitals::another_profiles_sweeps_are_not_this_ones,
            vitals::tells_orders_set_aside_and_a_lease_that_fell_silent,
            vitals::tells_the_newest_sweeps_and_whether_their_batches_add_up,
        );
    };
    (commit_checks, $make:expr) => {
        $crate::conformance_group!(@cases $make;
            commit::a_commit_that_the_shop_refuses_leaves_nothing,
        );
    };
    (row_locks, $make:expr) => {
        $crate::conformance_group!(@cases $make;
            locking::skips_an_order_that_the_shop_has_locked,
            locking::goes_on_behind_orders_that_the_shop_has_locked,
            locking::skips_an_order_whose_payment_is_under_way,
            locking::an_order_is_seen_to_be_locked_until_the_batch_ends,
            locking::examine_sees_a_payment_that_was_committed_after_the_lock,
            locking::lock_stock_waits_and_reads_what_was_committed,
            locking::lock_stock_gives_up_after_the_wait_it_was_given,
            locking::lock_stock_leaves_busy_rows_out_where_it_may_not_wait,
            locking::gives_way_in_a_deadlock_with_the_shop,
            survey::works_while_another_session_has_every_row_locked,
        );
    };
    (server, $make:expr) => {
        $crate::conformance_group!(@cases $make;
            commit::a_commit_on_a_connection_that_was_cut_off_is_decided_by_the_ledger,
            duty::a_second_watch_is_told_who_is_on_duty_until_that_one_leaves,
            duty::a_watch_that_fell_silent_is_replaced,
            duty::a_dead_watch_is_replaced_at_once,
            duty::somebody_elses_duty_keeps_nobody_from_sweeping,
            errors::a_role_without_the_right_to_write_is_told_so,
            errors::a_deadlock_is_to_be_tried_again,
            errors::a_statement_that_takes_too_long_is_a_lock_that_was_not_to_be_had,
            errors::a_connection_that_was_cut_off_is_made_again,
            errors::a_transaction_that_turned_read_only_says_so,
            fence::a_lease_whose_connection_is_gone_is_free_at_once,
            vitals::tells_who_watches_and_whether_it_is_still_connected,
        );
    };
    (@cases $make:expr; $($room:ident :: $case:ident),+ $(,)?) => {
        $(
            #[test]
            fn $case() -> Result<(), $crate::failure::Failure> {
                $crate::conformance::run($make, $crate::conformance::$room::$case)
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn every_case_is_in_a_group() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
        let list = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
        let mut cases = 0;
        for file in std::fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            let room = path.file_stem().unwrap().to_str().unwrap().to_owned();
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else { continue };
                let name = rest.split('(').next().unwrap();
                assert!(list.contains(&format!("{room}::{name},")), "{room}::{name} is in no group");
                cases += 1;
            }
        }
        assert!(cases > 40, "only {cases} cases were found");
    }
}

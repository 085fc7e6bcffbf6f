"""The fault matrix of the batch engine: what may go wrong, and the tests that hold what is promised then.

Those of this folder ask a server that misbehaves over real sockets, through ``get_features_batch``; those of
tests/transport hold the same for the engine alone, or for the policy in virtual time; those of tests/batch for the
run and the resume file.

B1   429 and 503 with Retry-After, in seconds and as a date, by a clock that is a day off
     test_every_worker_waits_as_long_as_the_server_asks, test_header_of_the_corpus_is_read_as_it_says,
     test_date_is_read_by_the_servers_own_clock, test_no_request_starts_in_a_pause,
     test_pause_holds_back_the_other_calls_of_the_client
B2   Retry-After beyond a minute, or absurd
     test_wait_that_nobody_would_want_fails_its_row_at_once, test_wait_over_the_cap_ends_the_run,
     test_server_that_sends_everybody_away_is_asked_for_nothing_more,
     test_wait_up_to_the_cap_is_kept_and_a_longer_one_fails_the_row
B3   502, 503 and 504 with JSON, a page or nothing
     test_server_that_is_busy_for_a_moment_costs_no_row, test_status_decides_the_cause_whatever_the_body_is
B4   500
     test_internal_error_is_tried_once_more
B5   4xx with any body; a refused key
     test_refusal_is_told_as_it_is_and_not_repeated, test_refused_key_ends_the_run,
     test_wrong_key_costs_no_more_requests_than_are_in_flight
B6   reset or end before and in the body, chunks that stop, a length that is short
     test_every_case_of_the_corpus_spoils_its_own_row_only,
     test_broken_connection_is_a_connection_error_that_names_the_host
B7   a kept connection that ends as the next request arrives
     test_server_that_closes_after_each_answer_costs_nothing,
     test_server_that_closes_as_the_next_request_arrives_costs_nothing,
     test_connection_that_was_given_up_as_the_next_request_came_costs_no_request,
     test_bytes_left_over_on_a_kept_connection_cost_no_request
B8   stalls, drips, interim answers without end, a server that never reads; answers that come too late
     test_rows_that_hang_are_given_up_and_harm_no_other, test_server_that_never_reads_is_given_up,
     test_answer_that_comes_too_late_reaches_no_other_row, test_deadline_holds_however_slowly_a_server_answers
B9   connections that are open and dead
     test_connections_that_swallow_requests_are_replaced,
     test_kept_connections_that_swallow_requests_are_given_up_together
B10  a name that is unknown, or looked up for ever; a connection that is refused
     test_unknown_name_is_told_as_that, test_deadline_holds_while_a_name_is_looked_up,
     test_refused_connection_is_tried_three_times
B11  TLS: unknown authority, wrong host, expired, outdated, plain http
     test_server_that_proves_nothing_ends_the_run_at_its_first_connection
B12  cut JSON, random bytes, nothing, bad gzip
     test_every_case_of_the_corpus_spoils_its_own_row_only,
     test_body_damaged_on_the_way_is_told_from_one_that_says_the_wrong_thing
B13  a login page, an error body as a success, the wrong type
     test_page_instead_of_an_answer_is_shown_and_not_repeated, test_every_case_of_the_corpus_spoils_its_own_row_only
B14  values that mean nothing: NaN tokens, 1e400, 5,000 digits, depth, lone surrogates, duplicates, short vectors
     test_poisoned_answers_spoil_their_own_rows_only, test_every_case_of_the_corpus_spoils_its_own_row_only
B15  bombs: gzip, stacked gzip, bodies without end, huge lengths, large headers
     test_bombs_are_refused_in_little_memory, test_answer_that_is_too_large_is_refused_at_once_and_in_little_memory
B16  redirects
     test_redirect_is_refused_and_says_where_to, test_every_case_of_the_corpus_spoils_its_own_row_only
B17  answers that come twice
     test_doubled_answers_reach_no_other_row, test_doubled_answers_never_reach_another_request,
     test_doubled_answers_in_a_packet_of_their_own_reach_no_other_request,
     test_answers_too_many_that_come_late_reach_no_row_for_good,
     test_answer_too_many_that_came_late_is_told_to_those_it_may_have_reached
B18  the mix: 5 % 503, 2 % reset, 1 % stall, 1 % garbage
     test_mix_of_faults_loses_no_row_and_mixes_up_none, test_mix_of_faults_loses_no_row_of_calls_with_many,
     test_mixed_faults_lose_no_row
B19  an outage, from the start or in the middle
     test_outage_is_over_soon_and_every_row_says_why, test_outage_in_the_middle_keeps_what_came_before,
     test_stopped_run_says_where_it_stood, test_outage_ends_within_5_seconds_and_forty_requests
B20  a server that bears less than it is asked
     test_run_settles_at_what_the_server_bears, test_run_finds_what_a_server_bears,
     test_run_follows_a_server_whose_capacity_changes
B21  a cap on the rate
     test_rate_is_kept_in_every_second_and_used, test_run_with_a_rate_keeps_it_and_uses_it,
     test_slow_job_takes_no_place_from_another_call
B22  kill -9 of a run that can be resumed
     test_killed_run_goes_on_where_it_was, test_ledger_killed_twenty_times_holds_every_acknowledged_row_once
B23  kill -9 of the metrics recorder, two recorders on one file: no fault of the batch engine; with the tests of the
     metrics history
B24  a full disk
     test_full_disk_costs_no_row_and_nothing_that_was_kept, test_full_disk_is_said_and_what_was_committed_is_intact
B25  a clock that jumps a day
     test_clock_that_jumps_a_day_changes_no_wait
B26  an interrupt
     test_interrupt_frees_the_kernel_and_keeps_what_came, test_interrupted_batch_frees_the_caller_at_once
B27  sleep of the computer
     test_sleep_of_the_computer_costs_no_row, test_deadline_that_ran_out_in_sleep_is_retried_once_and_counts_for_nothing
B28  a script, a running loop, a thread, pytest
     test_same_call_works_in_a_script, test_same_call_works_where_a_loop_is_running,
     test_same_call_works_in_pytest_and_in_a_thread
B29  workers that are forked or start afresh
     test_forked_workers_never_share_a_connection, test_spawned_workers_fetch_their_own_rows,
     test_forked_process_gets_its_own_connections
B30  32 threads on one client
     test_32_threads_on_one_client_mix_up_nothing, test_quota_shared_by_32_threads_stays_within_its_bounds
B31  a long day: 1,000 batches; a client that is closed under a run
     test_thousand_batches_leave_nothing_behind, test_row_that_is_done_is_freed_without_the_collector,
     test_client_that_is_closed_under_a_run_ends_it,
     test_engines_closed_or_dropped_leave_no_thread_or_file_behind
B32  what is not HTTP
     test_every_case_of_the_corpus_spoils_its_own_row_only, test_answer_that_is_not_http_is_a_protocol_error,
     test_greeting_of_another_service_is_told_from_noise
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults

HERE = Path(__file__).parent
# Held elsewhere, as its line says.
ELSEWHERE = {"B23"}


def _matrix() -> dict[str, list[str]]:
    lines = re.split(r"(?m)^(B\d+) ", __doc__)[1:]
    return {name: re.findall(r"\btest_\w+", text) for name, text in zip(lines[::2], lines[1::2], strict=True)}


def _tests(paths: Iterable[Path]) -> set[str]:
    return {name for path in paths for name in re.findall(r"(?m)^(?:async )?def (test_\w+)", path.read_text("utf-8"))}


def test_every_fault_of_the_matrix_has_tests_that_exist():
    """Each of the 32 faults names at least one test, and every test it names is there."""
    matrix = _matrix()

    assert list(matrix) == [f"B{n}" for n in range(1, 33)]
    assert {name for name, tests in matrix.items() if not tests} == ELSEWHERE
    assert {test for tests in matrix.values() for test in tests} <= _tests(HERE.parent.rglob("test_*.py"))


def test_every_test_of_the_folder_stands_in_the_matrix():
    """No test of the matrix is there for a fault that nobody named."""
    named = {test for tests in _matrix().values() for test in tests}

    assert _tests(HERE.glob("test_matrix_*.py")) - named == {"test_corpus_is_covered_whole"}

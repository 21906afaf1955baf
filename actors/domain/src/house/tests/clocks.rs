//! Reminders that cannot be, that lack a time, and that meet a change of the clocks.

use super::{BERLIN, check};

#[test]
fn what_cannot_be_is_refused() {
    check(
        BERLIN,
        &[
            ("remind me yesterday to call mum", "refused"),
            ("remind me today at 9am to call mum", "refused"),
            ("remind me today to call mum", "refused"),
            ("remind me this morning to call mum", "refused"),
            ("remind me on 3 May 2020 to call mum", "refused"),
            ("remind me on 3 May 2090 to call mum", "refused"),
            ("remind me in 11 years to call mum", "refused"),
            ("remind me in 99999 hours to call mum", "refused"),
            ("remind me on 30 february to call mum", "refused"),
            ("remind me on 2026-02-30 to call mum", "refused"),
            ("remind me at 25:00 to call mum", "refused"),
            ("remind me on 21 april at 9am to call mum", "refused"),
            ("remind me on friday the 23rd to call mum", "refused"),
        ],
    );
}

#[test]
fn a_reminder_without_a_clear_time_asks_for_it() {
    check(
        BERLIN,
        &[
            ("remind me to call mum", "hint"),
            ("remind me", "hint"),
            ("remind me tomorrow", "hint"),
            ("remind me to book a table for friday at 8", "hint"),
            ("remind me to finish the report by friday", "hint"),
            ("remind me about the meeting on friday at 8", "hint"),
            ("remind me that the bins go out every monday", "hint"),
            ("remind me to read john 3:16", "hint"),
            ("remind me to sit in the sun", "hint"),
            ("remind me to count from 5 to 10", "hint"),
            ("remind me on 3/5/2027 to call mum", "hint"),
            ("remind me every week to call mum", "hint"),
            ("remind me every day tomorrow to call mum", "hint"),
            ("remind him tomorrow to call mum", "hint"),
            ("remind me in 99999999999999999999 years to call", "hint"),
            ("remind me in -5 minutes to call", "hint"),
            ("remind me in a bit to call", "hint"),
        ],
    );
}

#[test]
fn clocks_that_change_move_a_reminder_by_the_gap_and_take_the_earlier_of_two() {
    // Forward at 02:00 on 29 March 2026 in Berlin, back at 03:00 on 25 October.
    check(
        "2026-03-28T20:00:00+01:00[Europe/Berlin]",
        &[
            ("remind me at 2:30am to look", "remind at=2026-03-29T03:30:00+02:00[Europe/Berlin] text=look"),
            ("remind me tomorrow at 3am to look", "remind at=2026-03-29T03:00:00+02:00[Europe/Berlin] text=look"),
            ("remind me in 8 hours to look", "remind at=2026-03-29T05:00:00+02:00[Europe/Berlin] text=look"),
            ("remind me in 1 day to look", "remind at=2026-03-29T20:00:00+02:00[Europe/Berlin] text=look"),
            ("remind me tomorrow to look", "remind at=2026-03-29T09:00:00+02:00[Europe/Berlin] text=look"),
        ],
    );
    check(
        "2026-10-24T20:00:00+02:00[Europe/Berlin]",
        &[
            ("remind me at 2:30am to look", "remind at=2026-10-25T02:30:00+02:00[Europe/Berlin] text=look"),
            ("remind me tomorrow at 9 to look", "remind at=2026-10-25T09:00:00+01:00[Europe/Berlin] text=look"),
        ],
    );
    check(
        "2026-10-25T02:40:00+02:00[Europe/Berlin]",
        &[
            ("remind me at 2:30am to look", "remind at=2026-10-25T02:30:00+01:00[Europe/Berlin] text=look"),
            ("remind me in 1 hour to look", "remind at=2026-10-25T02:40:00+01:00[Europe/Berlin] text=look"),
        ],
    );
}

#[test]
fn clocks_change_in_new_york_on_days_of_their_own() {
    // Forward at 02:00 on 8 March 2026 in New York, back at 02:00 on 1 November.
    check(
        "2026-03-07T22:00:00-05:00[America/New_York]",
        &[
            ("remind me at 2:15 am to look", "remind at=2026-03-08T03:15:00-04:00[America/New_York] text=look"),
            ("remind me tomorrow at noon to look", "remind at=2026-03-08T12:00:00-04:00[America/New_York] text=look"),
        ],
    );
    check(
        "2026-10-31T22:00:00-04:00[America/New_York]",
        &[
            ("remind me at 1:30am to look", "remind at=2026-11-01T01:30:00-04:00[America/New_York] text=look"),
            ("remind me every day at 8 to look", "remind at=2026-11-01T08:00:00-05:00[America/New_York] every=day text=look"),
        ],
    );
}

#[test]
fn the_same_words_follow_the_clock_of_the_day() {
    check(
        "2026-04-21T06:00:00+02:00[Europe/Berlin]",
        &[
            ("remind me at 7 to go", "remind at=2026-04-21T07:00:00+02:00[Europe/Berlin] text=go"),
            ("remind me today to go", "remind at=2026-04-21T09:00:00+02:00[Europe/Berlin] text=go"),
            ("remind me in the morning to go", "remind at=2026-04-21T09:00:00+02:00[Europe/Berlin] text=go"),
            ("remind me every day at 8 to go", "remind at=2026-04-21T08:00:00+02:00[Europe/Berlin] every=day text=go"),
        ],
    );
    check(
        "2026-04-24T22:30:00+02:00[Europe/Berlin]",
        &[
            ("remind me at 7 to go", "remind at=2026-04-25T07:00:00+02:00[Europe/Berlin] text=go"),
            ("remind me at 10 to go", "remind at=2026-04-25T10:00:00+02:00[Europe/Berlin] text=go"),
            ("remind me every weekday at 7 to go", "remind at=2026-04-27T07:00:00+02:00[Europe/Berlin] every=weekday text=go"),
            ("remind me tonight to go", "refused"),
        ],
    );
    check(
        "2026-12-31T23:59:00-05:00[America/New_York]",
        &[
            ("remind me tomorrow to cheer", "remind at=2027-01-01T09:00:00-05:00[America/New_York] text=cheer"),
            ("remind me in 1 minute to cheer", "remind at=2027-01-01T00:00:00-05:00[America/New_York] text=cheer"),
            ("remind me at midnight to cheer", "remind at=2027-01-01T00:00:00-05:00[America/New_York] text=cheer"),
        ],
    );
}

"""Accounting: every allocated byte of the store has one owner; figures come from rows, not walks."""

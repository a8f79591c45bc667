# SPDX-License-Identifier: BSD-3-Clause
"""Figures from results/: reads what the harness wrote and draws it; computes nothing.

The data flow is the order of the modules: schema (one document, checked), load (a folder tree
becomes cells), throughput, latency and intervals (cells become pages), figures (the one list of
them), cli. style holds how engines look, page how a figure is laid out, footer what it must say.

A campaign of crashes becomes a page of HTML: schema, crash_timeline (the picture of a violation),
crash_violation (its section), crash_document (the page), crash_cli. crash.css holds how it looks,
markup escapes. These need no more than python3-jsonschema.
"""

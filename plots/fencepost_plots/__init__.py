# SPDX-License-Identifier: BSD-3-Clause
"""Figures from results/: reads what the harness wrote and draws it; computes nothing.

The data flow is the order of the modules: schema (one document, checked), load (a folder tree
becomes cells), throughput, latency and intervals (cells become pages), figures (the one list of
them), cli. style holds how engines look, page how a figure is laid out, footer what it must say.
"""
